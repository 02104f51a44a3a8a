"""Where a run goes on, at the newest checkpoint that can be used; what is refused, and what is said of it."""

import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_cli.backend import keras, tf
from mtl_cli.errors import InputError
from mtl_cli.identity import decisive
from mtl_cli.run_folder.atomic_files import Growing
from mtl_cli.run_folder.checkpoints import Checkpoints, Snapshot
from mtl_cli.run_folder.csv_files import ChunkRecord
from mtl_cli.training import restore
from mtl_cli.training.progress import Progress
from mtl_cli.training.restore import differences, put_back
from mtl_cli.training.setup import Setup, set_up
from tests.support.configs import composed, loaded
from tests.support.runs import SMALL

RECORDED: dict[str, Any] = {"versions": {"keras": "3.1", "numpy": "2.0"}, "data": {"t.csv": "1a"}, "device": "cpu"}
Found = tuple[Snapshot, list[str]]


@cache
def setup_of(*overrides: str) -> Setup:
    words = (*SMALL, "mode=alternating")
    return set_up(composed(*words, *overrides), loaded(*words), "CPU:0")


def about(*overrides: str) -> dict[str, Any]:
    return {"config": decisive(setup_of(*overrides).config), **RECORDED}


def checkpoints(folder: Path, of: dict[str, Any]) -> Checkpoints:
    return Checkpoints(folder, of, every=None, every_steps=1, keep=9)


def written(folder: Path, *ends: int) -> list[Snapshot]:
    """Writes the checkpoints of a run after so many iterations, which are made up, and returns what they hold."""
    setup = setup_of()
    progress, draws, file = Progress(setup.state, setup.state.params), setup.draws(), Growing(folder / "losses.csv")
    file.open()
    snapshots = []
    for end in ends:
        iterations = np.arange(progress.iterations + 1, end + 1)
        picks = draws.picks(iterations)
        draws.stream.single(picks)
        state = keras.tree.map_structure(lambda tensor, end=end: tensor + tf.cast(end, tensor.dtype), setup.state)
        losses = np.outer(iterations, [0.5, 1, 2]).astype(np.float32)
        progress.add(ChunkRecord(iterations, losses, picks), ["left", "right"], state)
        progress.select(-end, {"left": {"loss": 0.25}}, better=end == ends[0])
        progress.seconds, progress.rate, progress.restored = end / 8, 0.5, [{"iteration": 3, "error": "inf"}]
        file.append(b"%d,\n" % end * 30)
        snapshots.append(progress.snapshot(draws, {"losses.csv": file.mark}))
        checkpoints(folder, about()).write(snapshots[-1])
    file.close()
    return snapshots


def rewritten(folder: Path, snapshot: Snapshot, of: dict[str, Any] | None = None) -> None:
    """Has a folder hold one checkpoint with other content, which is whole by its name."""
    for path in files(folder):
        path.unlink()
    checkpoints(folder, of or about()).write(snapshot)


def files(folder: Path) -> list[Path]:
    """Returns the checkpoints, the newest first."""
    return sorted((folder / "checkpoints").iterdir(), reverse=True)


def restored(folder: Path, *overrides: str, growing: Collection[str] = ("losses.csv",), **now: Any) -> Found:
    """Returns what a run is that goes on in a folder, before it trains, and what is said of that."""
    setup = setup_of(*overrides)
    progress, draws = Progress(setup.state, setup.state.params), setup.draws()
    said: list[str] = []
    marks = put_back(folder, progress, draws, setup.config.steps, about(*overrides) | now, growing, said.append)
    return progress.snapshot(draws, marks), said


def assert_equal(one: Snapshot, other: Snapshot) -> None:
    assert (one.iterations, one.rest) == (other.iterations, other.rest)
    for name in one.tensors | other.tensors:
        np.testing.assert_array_equal(one.tensors[name], other.tensors[name], err_msg=name)


def test_a_run_goes_on_as_it_was_at_its_newest_checkpoint(tmp_path: Path) -> None:
    """What a file has behind its mark was trained after that, and is trained again."""
    *_, newest = written(tmp_path, 12, 20, 31)
    file = tmp_path / "losses.csv"
    file.write_bytes(file.read_bytes() + b"32,")
    found, said = restored(tmp_path)
    assert_equal(found, newest)
    assert said == ["going on from iteration 31"]


def damaged(folder: Path, kind: str) -> str:
    """Damages what the newest of three checkpoints needs alone, and returns what is to be said of it."""
    file = files(folder)[0] if "checkpoint" in kind else folder / "losses.csv"
    content = file.read_bytes()
    file.write_bytes(content[:-1] if "short" in kind else content[:-1] + bytes([content[-1] ^ 1]))
    if "checkpoint" in kind:
        return f"{file} is damaged (its content isn't what was written)"
    return f"{file} isn't what it was at iteration 31"


@pytest.mark.parametrize("kind", ["checkpoint", "short checkpoint", "losses", "short losses"])
def test_the_checkpoint_before_is_used_where_the_newest_can_not_be(tmp_path: Path, kind: str) -> None:
    _, before, _ = written(tmp_path, 12, 20, 31)
    fault = damaged(tmp_path, kind)
    found, said = restored(tmp_path)
    assert_equal(found, before)
    assert said == [fault, "going on from iteration 20"]


@pytest.mark.parametrize("left", ["nothing", "no file", "other files"])
def test_a_run_begins_at_its_first_iteration_where_no_checkpoint_can_be_used(tmp_path: Path, left: str) -> None:
    file, expected = tmp_path / "losses.csv", []
    if left != "nothing":
        written(tmp_path, 12, 20, 31)
        expected = [damaged(tmp_path, "checkpoint"), *(f"{file} isn't what it was at iteration {i}" for i in (20, 12))]
        expected += ["beginning again at the first iteration"]
        file.write_bytes(b"!" + file.read_bytes()[1:]) if left == "other files" else file.unlink()
    found, said = restored(tmp_path)
    assert_equal(found, Progress(setup_of().state, setup_of().state.params).snapshot(setup_of().draws(), {}))
    assert said == expected


@pytest.mark.parametrize(("spare", "said"), [(2**16, "going on from"), (0, "is damaged (it is larger than")])
def test_a_checkpoint_of_more_than_a_run_has_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: int, said: str
) -> None:
    """It has the state and the best parameters, and so much beside at the most."""
    (snapshot,) = written(tmp_path, 12)
    state = sum(np.asarray(tensor).nbytes for tensor in keras.tree.flatten(setup_of().state))
    rewritten(tmp_path, snapshot._replace(tensors=snapshot.tensors | {"more": np.zeros(state, np.uint8)}))
    monkeypatch.setattr(restore, "SPARE_BYTES", spare)
    assert said in restored(tmp_path)[1][0]


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (["seed=3"], "seed: it was 0 and is 3"),
        (["seed=1", "batch_size=4"], "seed: it was 0 and is 1; batch_size: it was 8 and is 4"),
        (["optimizer.learning_rate=0.5", "steps=900"], "optimizer.learning_rate: it was 0.001 and is 0.5"),
    ],
)
def test_what_another_config_came_to_is_never_gone_on_with(tmp_path: Path, words: list[str], changed: str) -> None:
    """Nor begun over, where what it left can't be used."""
    written(tmp_path, 12, 20, 31)
    for kind, end in (("losses", 31), ("checkpoint", 20)):
        damaged(tmp_path, kind)
        what = f"{tmp_path}: its checkpoint of iteration {end} is of a run with another config ({changed}); train this"
        with pytest.raises(InputError, match=re.escape(what)):
            restored(tmp_path, *words)


@pytest.mark.parametrize("words", ["steps=31", "steps=900 early_stopping.patience=5", "name=x checkpoint.keep=9"])
def test_what_changes_no_iteration_that_was_trained_may_be_other(tmp_path: Path, words: str) -> None:
    *_, newest = written(tmp_path, 20, 31)
    assert_equal(restored(tmp_path, *words.split())[0], newest)


def test_a_run_is_not_made_shorter_than_it_is(tmp_path: Path) -> None:
    written(tmp_path, 20, 31)
    with pytest.raises(InputError, match=rf"^steps: 30 is less than the 31 iterations that {tmp_path} has$"):
        restored(tmp_path, "steps=30")


def test_keys_that_are_newer_than_the_run_are_at_their_defaults(tmp_path: Path) -> None:
    (snapshot,) = written(tmp_path, 20)
    older = {key: value for key, value in about()["config"].items() if key != "on_divergence"}
    rewritten(tmp_path, snapshot, {"config": older, **RECORDED})
    assert restored(tmp_path)[1] == ["going on from iteration 20"]
    with pytest.raises(InputError, match="on_divergence: it was 'fail' and is 'restore'"):
        restored(tmp_path, "on_divergence=restore")


@pytest.mark.parametrize("growing", [["losses.csv", "diagnostics.csv"], ["diagnostics.csv"], []])
def test_a_run_with_other_files_is_none_like_this(tmp_path: Path, growing: list[str]) -> None:
    written(tmp_path, 20)
    what = f"{tmp_path}: its checkpoint of iteration 20 is of no run like this (its files are losses.csv)"
    with pytest.raises(InputError, match=f"^{re.escape(what)}$"):
        restored(tmp_path, growing=growing)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, ...) for key in ("seconds", "rate", "draws", "files", "val")),
        ("seconds", -1.0), ("seconds", "1"), ("best_iteration", -1), ("best_iteration", 2**63), ("objective", "1"),
        ("val", {"left": 0.25}), ("picks", {"left": -1}), ("picks", None), ("waited", 0.5), ("rate", 0.0),
        ("restored", {}), ("restored", [{"error": []}]), ("draws", []), ("files", {"losses.csv": [1]}),
        ("files", {"losses.csv": [1, 2, 3]}), ("files", {"losses.csv": [-1, 0]}),
    ],
)  # fmt: skip
def test_a_checkpoint_that_says_what_no_run_does_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    """Or doesn't say what each does."""
    (snapshot,) = written(tmp_path, 20)
    rest = {name: of for name, of in (snapshot.rest | {key: value}).items() if of is not ...}
    rewritten(tmp_path, snapshot._replace(rest=rest))
    with pytest.raises(InputError, match=rf"iteration 20 is of no run like this \(.*\b{key}\b"):
        restored(tmp_path)


def test_a_state_of_another_shape_is_refused(tmp_path: Path) -> None:
    (snapshot,) = written(tmp_path, 20)
    rewritten(tmp_path, snapshot._replace(tensors=snapshot.tensors | {"state.0": np.zeros((2, 3), np.float32)}))
    with pytest.raises(InputError, match=r"no run like this \(state\.0 is float32 \(2, 3\)\)$"):
        restored(tmp_path)


def test_a_link_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    written(tmp_path, 20)
    (tmp_path / "metrics.csv").symlink_to("losses.csv")
    with pytest.raises(InputError, match=r"metrics\.csv is no plain file"):
        restored(tmp_path)


def test_what_results_depend_on_is_said_where_it_differs(tmp_path: Path) -> None:
    written(tmp_path, 20)
    _, said = restored(tmp_path, device="gpu", versions={"keras": "3.2", "numpy": "2.0"})
    may = "the numbers may differ from those without an interruption"
    lines = ["keras was 3.1 and is 3.2", "the device was cpu and is gpu"]
    assert said == [*(f"{line}: {may}" for line in lines), "going on from iteration 20"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"versions": {"keras": "3.2", "numpy": "2.0"}}, ["keras was 3.1 and is 3.2"]),
        ({"versions": {"keras": "3.1"}}, ["numpy was 2.0 and is not there"]),
        ({"data": {"t.csv": "1a", "u.csv": "2b"}}, ["u.csv was not there and is 2b"]),
        ({"data": None}, ["t.csv was 1a and is not there"]),
        (
            {"device": "gpu", "data": {"t.csv": "3c"}, "versions": {"numpy": "2.1", "keras": "3.1"}},
            ["numpy was 2.0 and is 2.1", "t.csv was 1a and is 3c", "the device was cpu and is gpu"],
        ),
    ],
)
def test_a_line_says_what_differs(changed: dict[str, Any], said: list[str]) -> None:
    assert differences(RECORDED, RECORDED | changed) == said
