"""What is said of diagnostics.csv, against the gradients themselves."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mtl_cli.terminal.diagnostics_text import SHOWN, summed_up

TASKS = ["a", "b", "c"]


def write(folder: Path, gradients: NDArray[np.float64], tasks: list[str]) -> None:
    """Writes the diagnostics.csv of gradients, [looks, tasks, parameters]; a zero gradient has cosines of 0."""
    lines = ["iteration,quantity,task,other_task,value"]
    for look, matrix in enumerate(gradients):
        lines += [f"{look},gradient_norm,{task},,{np.linalg.norm(matrix[i])}" for i, task in enumerate(tasks)]
        for i, j in combinations(range(len(tasks)), 2):
            length = np.linalg.norm(matrix[i]) * np.linalg.norm(matrix[j])
            lines.append(f"{look},cosine,{tasks[i]},{tasks[j]},{matrix[i] @ matrix[j] / length if length else 0.0}")
        lines.append(f"{look},condition_number,,,inf")
    (folder / "diagnostics.csv").write_text("\n".join(lines) + "\n")


def test_three_lines_say_cosines_conflicts_and_who_is_longest(tmp_path: Path) -> None:
    """By hand: a and b agree, then are at right angles; c is opposed to a, then without a label."""
    first, second = [[3.0, 0.0], [2.0, 0.0], [-6.0, 0.0]], [[5.0, 0.0], [0.0, 4.0], [0.0, 0.0]]
    write(tmp_path, np.array([first, second]), TASKS)
    assert summed_up(tmp_path, TASKS, 50) == [
        "gradient cosines, means of 2 looks (iteration 1, every 50): a-b 0.50, a-c -1.00, b-c -1.00",
        "conflicts (cosine below 0): 2 of 4 looks at a pair, 50 %; most often a-c, 100 %",
        "gradient norms, shared layers: a 4, b 3, c 3; a longest in 1 of 2",
    ]


def test_two_tasks_that_never_conflict(tmp_path: Path) -> None:
    write(tmp_path, np.ones((1, 2, 3)), TASKS[:2])
    cosines, conflicts, norms = summed_up(tmp_path, TASKS[:2], 1000)
    assert cosines == "gradient cosines, means of 1 look (iteration 1, every 1,000): a-b 1.00"
    assert conflicts == "conflicts (cosine below 0): 0 of 1 looks at a pair, 0 %"
    assert norms.endswith("; a longest in 1 of 1")


def test_a_mean_near_zero_has_a_digit_more_and_no_sign_of_its_own(tmp_path: Path) -> None:
    """By hand: the means of a-b, a-c and b-c are -0.0625, -0.0002 and 0.125, half-way digits to even."""
    rows = ["iteration,quantity,task,other_task,value"]
    for look, cosines in enumerate([(-0.125, -0.0004, 0.25), (0.0, 0.0, 0.0)]):
        rows += [f"{look},gradient_norm,{task},,1.0" for task in TASKS]
        pairs = zip(combinations(TASKS, 2), cosines, strict=True)
        rows += [f"{look},cosine,{task},{other},{cosine}" for (task, other), cosine in pairs]
    (tmp_path / "diagnostics.csv").write_text("\n".join(rows) + "\n")
    cosines_line, *_ = summed_up(tmp_path, TASKS, 50)
    assert cosines_line.endswith(": a-b -0.062, a-c 0.000, b-c 0.12")


def test_of_many_pairs_the_lowest_are_named(tmp_path: Path) -> None:
    tasks = [f"t{i}" for i in range(9)]
    gradients = np.random.default_rng(0).normal(size=(20, 9, 4)) * np.arange(1.0, 10.0)[:, None]
    write(tmp_path, gradients, tasks)
    unit = gradients / np.linalg.norm(gradients, axis=2, keepdims=True)
    means = np.einsum("lip,ljp->ij", unit, unit) / 20
    lowest = sorted(combinations(range(9), 2), key=lambda pair: means[pair])[:SHOWN]
    cosines, _, norms = summed_up(tmp_path, tasks, 5)
    listed = ", ".join(f"t{i}-t{j} {means[i, j]:z.{3 if abs(means[i, j]) < 0.1 else 2}f}" for i, j in lowest)
    assert cosines == f"gradient cosines, means of 20 looks (iteration 1, every 5), the 6 lowest of 36: {listed}"
    assert norms.startswith("gradient norms, shared layers: t8 ")
    assert "and 3 more; t8 longest in " in norms


def test_nothing_is_said_where_nothing_was_seen(tmp_path: Path) -> None:
    assert summed_up(tmp_path, TASKS, 50) == []
    write(tmp_path, np.zeros((0, 3, 2)), TASKS)
    assert summed_up(tmp_path, TASKS, 50) == []
    write(tmp_path, np.ones((2, 3, 2)), TASKS)
    assert summed_up(tmp_path, TASKS, None) == []
    assert summed_up(tmp_path, ["a"], 50) == []
    write(tmp_path, np.zeros((2, 3, 2)), TASKS)
    (said, _) = summed_up(tmp_path, TASKS, 50)
    assert said == "gradients over 2 looks (iteration 1, every 50): no two tasks had one at once"


@pytest.mark.parametrize("damage", ["x\n", "1,cosine,a,b,zero\n", "3,gradient_norm,z,,1.0\n", "3,cosine,a,b,1.0\n"])
def test_a_damaged_file_is_told_of(tmp_path: Path, damage: str) -> None:
    write(tmp_path, np.ones((2, 3, 2)), TASKS)
    with (tmp_path / "diagnostics.csv").open("a") as file:
        file.write(damage)
    (said,) = summed_up(tmp_path, TASKS, 50)
    assert said.startswith("diagnostics.csv can't be read: ")
