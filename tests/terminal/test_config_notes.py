"""What is said of settings that can be trained and may not mean what was meant."""

import pytest

from mtl_cli.terminal.config_notes import config_notes
from tests.support.command import MtlTrain
from tests.support.configs import CONF, composed, loaded

SMALL = ["data=digits", "data.examples={train: 6, val: 3, test: 3}", "batch_size=3", "steps=20", "eval.every=5"]
NOTES = [
    ([], ""),
    (["tasks.left.prob=0.3"], "tasks.*.prob has no use in mode=joint; here tasks.*.weight says how much a task counts"),
    (["mode=alternating", "tasks.left.weight=0.3"], "tasks.*.weight has no use in mode=alternating; here tasks.*.prob"),
    (["mode=alternating", "tasks.left.prob=0.3"], ""),
    (["tasks.left.weight=0.3"], ""),
    (["tasks.left.weight=1", "tasks.right.weight=0.5"], "the tasks' weights add up to 1.5: the loss and its gradients"),
    (["tasks.left.weight=1", "tasks.right.weight=1", "weighting=uncertainty"], ""),
    (["eval.every=20"], ""),
    (["early_stopping.patience=3"], ""),
    (
        ["early_stopping.patience=4"],
        "early_stopping.patience=4 evaluations, one every 5 iterations (eval.every), aren't",
    ),
    (["eval.every=21"], "eval.every=21 is beyond steps=20: the validation rows are looked at once, after the last"),
]


@pytest.mark.parametrize(("overrides", "start"), NOTES, ids=str)
def test_notes(overrides: list[str], start: str) -> None:
    words = [*SMALL, *overrides]
    notes = config_notes(composed(*words), loaded(*words))
    assert len(notes) == bool(start)
    assert all(note.startswith(start) for note in notes)


def test_weights_are_said_to_scale_the_learning_rate() -> None:
    words = [*SMALL, "tasks.left.weight=1", "tasks.right.weight=0.5"]
    (note,) = config_notes(composed(*words), loaded(*words))
    assert "which scales the learning rate by 1.5 (so it is with sgd;" in note


@pytest.mark.parametrize("experiment", [path.stem for path in sorted((CONF / "experiment").glob("*.yaml"))])
def test_there_is_none_on_what_is_shipped(experiment: str) -> None:
    words = [f"experiment={experiment}"]
    assert config_notes(composed(*words), loaded(*words)) == []


def test_there_is_none_on_looks_at_rows_that_are_not_there() -> None:
    assert config_notes(composed("steps=3", "eval.every=500"), loaded()) == []


def test_a_run_shows_and_logs_them(mtl_train: MtlTrain) -> None:
    run = mtl_train("steps=3", "tasks.y1.prob=0.3")
    assert run.status == 0
    assert "note: tasks.*.prob has no use in mode=joint" in run.err
    assert "tasks.*.prob has no use in mode=joint" in (run.folder / "train.log").read_text()
