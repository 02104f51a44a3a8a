"""The verdict: what can be told with the seeds that there are."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from mtl_cli.comparison.files import SweepFolder
from tests.support.sweep_folders import BOTH, METRIC, job, read, settings_of, shown, text


@pytest.mark.parametrize(
    ("seeds", "values", "said"),
    [
        (1, {"fixed": [1.0], "pcgrad": [2.0]},
            "One seed: no interval, so no difference can be told; the best val_loss is that of fixed."),
        (2, {"fixed": [1.0, 2.0], "pcgrad": [1.1, 2.3]},
            "With 2 seeds no difference between fixed and pcgrad can be told in val_loss. Two seeds make an interval "
            "that is hardly worth its name; take five or more."),
        (3, {"fixed": [1.0, 2.0, 3.0], "pcgrad": [1.1, 1.9, 3.1], "cagrad": [1.0, 2.1, 2.9]},
            "With 3 seeds no difference between fixed, cagrad and pcgrad can be told in val_loss."),
        (3, {"fixed": [1.0, 2.0, 3.0], "pcgrad": [1.1, 2.11, 3.12], "cagrad": [1.0, 2.1, 2.95]},
            "With 3 seeds no difference between fixed and cagrad can be told in val_loss; pcgrad is worse."),
        (3, {"fixed": [1.0, 2.0, 3.0], "pcgrad": [1.1, 2.11, 3.12]},
            "With 3 seeds the best val_loss is that of fixed, and that differs from each of the others."),
    ],
)  # fmt: skip
def test_the_verdict_comes_first(tmp_path: Path, seeds: int, values: dict[str, list[float]], said: str) -> None:
    for i, ((name, of), seed) in enumerate(itertools.product(values.items(), range(seeds))):
        job(tmp_path, i, [f"weighting={name}", f"seed={seed}"], BOTH, {"val": {"left": 0.5, "right": 1.0}},
            objective=of[seed], weighting={"name": name})  # fmt: skip
    report = SweepFolder(tmp_path).write()
    assert report.blocks[0].text == said  # type: ignore[union-attr]
    assert (tmp_path / "sweep.md").read_text().startswith(f"# Sweep\n\n{said}\n")


def test_a_setting_is_named_without_keys_that_it_does_not_have(tmp_path: Path) -> None:
    for i, words in enumerate((["weighting=fixed"], ["weighting=cagrad", "weighting.c=0.4"])):
        job(tmp_path, i, words, BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=1.0 + i)
    said = " ".join(text(SweepFolder(tmp_path).write()).split())
    assert "the best val_loss is that of weighting=fixed." in said
    assert "The best mean val_loss of weighting=fixed: 1" in said


def test_settings_are_paired_by_both_seeds(tmp_path: Path) -> None:
    """The same seed on another split of the rows is another pair."""
    numbers = itertools.count()
    for a, add in ((0, 0.0), (1, 0.1)):
        for seed, split in itertools.product((0, 1), (5, 6)):
            words = [f"a={a}", f"seed={seed}", f"data.split_seed={split}"]
            value = 10.0 * split + seed + add + 0.01 * (a and split)
            job(tmp_path, next(numbers), words, BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=value,
                data={"name": "digits", "split_seed": split})  # fmt: skip
    report = SweepFolder(tmp_path).write()
    expected = shown([0.15, 0.16, 0.15, 0.16])
    assert read(settings_of(report)[1]["difference"]) == pytest.approx(expected, rel=0.05)
    assert "Each seed has its own split of the rows" in " ".join(text(report).split())


@pytest.mark.parametrize("split", [None, 5])
def test_whether_seeds_have_their_own_splits_is_said(tmp_path: Path, split: int | None) -> None:
    for seed in range(2):
        job(tmp_path, seed, [f"seed={seed}"], BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=1.0 + seed,
            data={"name": "digits", "split_seed": split})  # fmt: skip
    said = " ".join(text(SweepFolder(tmp_path).write()).split())
    assert ("Each seed has its own split of the rows" in said) == (split is None)
    assert ("All seeds have the same split of the rows" in said) == (split is not None)


def test_the_verdict_counts_the_seeds_that_all_have_in_common(tmp_path: Path) -> None:
    given = {"fixed": [1.0, 2.0, 3.0], "pcgrad": [1.1, 2.11, 3.12], "cagrad": [1.0, 2.1]}
    numbers = iter(range(99))
    for name, of in given.items():
        for seed, value in enumerate(of):
            job(tmp_path, next(numbers), [f"weighting={name}", f"seed={seed}"], BOTH,
                {"val": {"left": 0.5, "right": 1.0}}, objective=value, weighting={"name": name})  # fmt: skip
    assert SweepFolder(tmp_path).write().blocks[0].text.startswith("With 2 seeds ")  # type: ignore[union-attr]


def test_settings_without_two_seeds_in_common_are_not_told_of_as_one_seed(tmp_path: Path) -> None:
    for i, (name, seed) in enumerate((("fixed", 0), ("fixed", 1), ("pcgrad", 1))):
        job(tmp_path, i, [f"weighting={name}", f"seed={seed}"], BOTH, {"val": {"left": 0.5, "right": 1.0}},
            objective=2.0 if name == "pcgrad" else 1.0, weighting={"name": name})  # fmt: skip
    said = SweepFolder(tmp_path).write().blocks[0].text  # type: ignore[union-attr]
    assert said.startswith("Fewer than two seeds in common: no interval, so no difference can be told;")


@pytest.mark.parametrize(
    ("data", "own"),
    [
        ({"val_path": "v.csv"}, True),
        ({"val_path": "v.csv", "test_path": "t.csv"}, None),
        ({"split_column": "s"}, None),
    ],
)
def test_whether_seeds_have_their_own_splits_where_files_say_some(
    tmp_path: Path, data: dict[str, str], own: bool | None
) -> None:
    """A file for one split leaves the others to be dealt."""
    for seed in range(2):
        job(tmp_path, seed, [f"seed={seed}"], BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=1.0 + seed,
            data={"name": "table", "split_seed": None, **data})  # fmt: skip
    assert SweepFolder(tmp_path).write().comparison.splits_vary is own


def test_one_seed_has_no_splits_that_vary(tmp_path: Path) -> None:
    for a in range(2):
        job(tmp_path, a, [f"a={a}"], BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=1.0 + a)
    assert "Each seed has its own split" not in " ".join(text(SweepFolder(tmp_path).write()).split())


UNTOLD = "no difference that training together makes can be told"
HELPS = "training together helps over all tasks"


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ([1, -1, 0], [-1, 1, 0], UNTOLD),
        ([1, -1, 0], [2.1, 2.0, 1.9], f"{UNTOLD} over all tasks, but it hurts right"),
        ([5.1, 5.0, 4.9], [4.9, 5.0, 5.1], f"{UNTOLD} over all tasks, but it helps left and hurts right"),
        ([9.1, 9.0, 8.9], [2.1, 2.0, 1.9], f"{HELPS}; by task it helps left and hurts right"),
        ([9.1, 9.0, 8.9], [-9.1, -9.0, -8.9], f"{HELPS}; by task it helps left and right"),
        ([1.0, 0.2, 0.1], [-0.1, -0.8, -1.0], f"{HELPS}, and none by itself"),
    ],
)  # fmt: skip
def test_the_verdict_tells_tasks_apart(tmp_path: Path, left: list[float], right: list[float], said: str) -> None:
    """By the percents that left gains and right loses; with 3 seeds the interval is the mean +- 2.484 deviations."""
    numbers = iter(range(99))
    for seed in range(3):
        values = {"left": 0.5 * (1 + left[seed] / 100), "right": 1 + right[seed] / 100}
        splits = {"val": values, "test": {"left": 0.6, "right": 0.9}}
        job(tmp_path, next(numbers), [f"seed={seed}"], BOTH, splits, objective=1.0)
        for task in METRIC:
            shares = {each: float(each == task) for each in METRIC}
            words = [f"seed={seed}", *(f"tasks.{each}.weight={share}" for each, share in shares.items())]
            alone = {"left": 0.5, "right": 1.0}
            job(tmp_path, next(numbers), words, shares, {"val": alone, "test": alone}, objective=1.0)
    report = SweepFolder(tmp_path).write()
    assert report.blocks[0].text == f"Against each task alone (3 seeds), on the val rows, {said}."  # type: ignore[union-attr]
    told = " ".join(text(report).split())
    assert f"{HELPS}; by task it helps left and right." in told
    assert ("The val rows say otherwise, so take it as open." in told) == ("helps over" not in said)


def alone_and_together(folder: Path, seeds: int, better: float) -> Any:
    """Makes jobs whose metrics are better or worse together than alone, and returns the answer's verdict."""
    numbers = iter(range(99))
    for seed in range(seeds):
        wiggle = 0.001 * seed
        job(folder, next(numbers), [f"seed={seed}"], BOTH, objective=1.0,
            values={"val": {"left": 0.5 + better + wiggle, "right": 1.0 - better}})  # fmt: skip
        for task in METRIC:
            shares = {each: float(each == task) for each in METRIC}
            words = [f"seed={seed}", *(f"tasks.{each}.weight={share}" for each, share in shares.items())]
            job(folder, next(numbers), words, shares, {"val": {"left": 0.5, "right": 1.0}}, objective=1.0)
    return SweepFolder(folder).write().blocks[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("seeds", "better", "said"),
    [
        (3, 0.1, "training together helps"),
        (3, -0.1, "training together hurts"),
        (2, 0.1, "training together helps"),
        (1, 0.1, "training together is better on average"),
        (1, -0.1, "training together is worse on average"),
        (1, 0.0, "training together is neither better nor worse on average"),
    ],
)
def test_the_verdict_says_whether_training_together_helps(tmp_path: Path, seeds: int, better: float, said: str) -> None:
    assert said in alone_and_together(tmp_path, seeds, better)
