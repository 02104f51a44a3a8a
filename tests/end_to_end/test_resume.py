"""A run that was interrupted and gone on with leaves what one does that never was."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_cli.backend import keras
from mtl_cli.config import FAMILIES, Config
from mtl_cli.identity import decisive
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.runs import SMALL, Fate, Killed, left, train

WEIGHTINGS = [cls.model_fields["name"].default for cls in FAMILIES["weighting"]]
SAMPLERS = [cls.model_fields["name"].default for cls in FAMILIES["sampling"]]
OPTIMIZERS = [cls.model_fields["name"].default for cls in FAMILIES["optimizer"]]
SCHEDULES = ["cosine", "exponential", "piecewise"]


def weights(folder: Path) -> list[np.ndarray]:
    return [np.asarray(v) for v in keras.saving.load_model(folder / "model.keras").trainable_variables]


def compare(tmp_path: Path, overrides: Sequence[str], *, chunks: Sequence[int] = (3, 2), kills: bool = True) -> None:
    """Trains twice, once with interruptions after some chunks each, and compares all that is left."""
    config = composed(*overrides, "checkpoint.every_steps=7")
    train(config, tmp_path / "whole")
    for count in chunks:
        try:
            train(config, tmp_path / "parts", Fate(count, kills=kills))
        except Killed:
            assert (tmp_path / "parts" / "losses.csv").is_file()
            (tmp_path / "parts" / "summary.json").unlink()  # SIGKILL would have left none
    assert any((tmp_path / "parts" / "checkpoints").iterdir())
    train(config, tmp_path / "parts")
    assert left(tmp_path / "parts") == left(tmp_path / "whole")
    for one, other in zip(weights(tmp_path / "parts"), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_every_weighting(tmp_path: Path, weighting: str) -> None:
    compare(tmp_path, [*SMALL, f"weighting={weighting}"])


@pytest.mark.parametrize("scope", ["per_task", "shared"])
@pytest.mark.parametrize("sampling", SAMPLERS)
def test_every_sampler(tmp_path: Path, sampling: str, scope: str) -> None:
    compare(tmp_path, [*SMALL, "mode=alternating", f"sampling={sampling}", f"mode.optimizer_scope={scope}"])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(tmp_path: Path, optimizer: str) -> None:
    compare(tmp_path, [*SMALL, f"optimizer={optimizer}", "optimizer.clip_norm=1"])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule(tmp_path: Path, schedule: str) -> None:
    compare(tmp_path, [*SMALL, f"optimizer/schedule={schedule}"])


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_all_that_is_drawn_written_and_counted(tmp_path: Path, mode: str) -> None:
    more = ["model.dropout=0.3", "diagnostics.every=11", "early_stopping.patience=2", "log.every=3", "eval.every=5"]
    compare(tmp_path, [*SMALL, f"mode={mode}", *more, "steps=400", "optimizer.learning_rate=0.05"], chunks=(4, 1, 6))
    assert left(tmp_path / "whole")["summary"]["iterations"] < 400


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_a_stop_in_order(tmp_path: Path, mode: str) -> None:
    compare(tmp_path, [*SMALL, f"mode={mode}"], kills=False)


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_an_endless_stream(tmp_path: Path, mode: str) -> None:
    compare(tmp_path, [f"mode={mode}", "steps=90"])


def test_a_longer_run_goes_on_where_the_shorter_one_ended(tmp_path: Path) -> None:
    train(composed(*SMALL, "steps=100"), tmp_path / "whole")
    train(composed(*SMALL, "steps=60"), tmp_path / "parts")
    train(composed(*SMALL, "steps=100"), tmp_path / "parts")
    assert left(tmp_path / "parts") == left(tmp_path / "whole")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, 0.999])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    tmp_path: Path, place: float, caplog: pytest.LogCaptureFixture
) -> None:
    config = composed(*SMALL, "checkpoint.every_steps=20", "checkpoint.keep=3")
    train(config, tmp_path / "whole")
    with pytest.raises(Killed):
        train(config, tmp_path / "parts", Fate(5, kills=True))
    newest = max((tmp_path / "parts" / "checkpoints").iterdir())
    content = bytearray(newest.read_bytes())
    content[int(place * len(content))] ^= 1 << 4
    newest.write_bytes(content)
    train(config, tmp_path / "parts")
    assert f"{newest} is damaged" in caplog.text
    assert "going on from iteration" in caplog.text
    assert left(tmp_path / "parts") == left(tmp_path / "whole")


@pytest.mark.parametrize("change", ["torn", "empty", "all", "losses", "metrics"])
def test_whatever_is_damaged_the_numbers_are_the_same(
    tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = composed(*SMALL, "checkpoint.every_steps=20", "checkpoint.keep=3")
    train(config, tmp_path / "whole")
    parts = tmp_path / "parts"
    with pytest.raises(Killed):
        train(config, parts, Fate(5, kills=True))
    newest, *others = sorted((parts / "checkpoints").iterdir(), reverse=True)
    damaged = {"losses": parts / "losses.csv", "metrics": parts / "metrics.csv"}.get(change, newest)
    content = damaged.read_bytes()
    flipped = content[:60] + bytes([content[60] ^ 1]) + content[61:]
    kept = {"torn": content[: len(content) // 2], "empty": b""}.get(change, flipped)
    damaged.write_bytes(kept)
    for other in others if change == "all" else ():
        other.write_bytes(b"")
    train(config, parts)
    assert str(damaged) in caplog.text
    assert ("beginning again" in caplog.text) == (change in ("all", "losses", "metrics"))
    assert left(parts) == left(tmp_path / "whole")


def test_what_a_run_depends_on_is_compared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = composed(*SMALL, "checkpoint.every_steps=20")
    with pytest.raises(Killed):
        train(config, tmp_path / "run", Fate(4, kills=True))
    monkeypatch.setattr("mtl_cli.training.summary.versions", lambda: {"keras": "4.0"})
    train(config, tmp_path / "run")
    assert f"keras was {keras.__version__} and is 4.0" in caplog.text


def test_the_command_goes_on_with_a_run(mtl_train: MtlTrain, tmp_path: Path) -> None:
    first = mtl_train(*SMALL, "hydra.run.dir=run")
    assert first.status == 0
    folder = tmp_path / "run"
    before, configs = left(folder), {path.name: path.read_bytes() for path in (folder / ".hydra").iterdir()}
    again = mtl_train("resume", "run")
    assert again.status == 0
    assert "is finished after 90 iterations" in again.out
    assert left(folder) == before
    longer = mtl_train("resume", "run", "steps=120")
    assert longer.status == 0
    assert "going on from iteration 90" in longer.err
    assert (folder / "losses.csv").read_bytes().startswith(before["losses.csv"])
    after = left(folder)
    assert after["summary"]["iterations"] == 120
    assert after["summary"]["overrides"] == [*SMALL, "steps=120"]
    for name in ("overrides.yaml", "hydra.yaml"):
        assert (folder / ".hydra" / name).read_bytes() == configs[name]
    assert "steps: 120" in (folder / ".hydra" / "config.yaml").read_text()
    assert "is finished after 120" in mtl_train("resume", "run").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resume", "run", "seed=3", "batch_size=4"], ["seed: it was 0 and is 3", "batch_size: it was 8 and is 4"]),
        (["resume", "run", "steps=10"], ["steps: 10 is less than the 90 iterations"]),
        (["resume", "run", "stepz=10"], ["stepz"]),
        (["resume", "run", "+tasks.third={kind: binary}"], ["mtl-train: tasks.third: it is a task more; a run goes"]),
        (["resume", "run", "~tasks.left"], ["mtl-train: tasks.left: it is gone; a run goes on with the config it"]),
        (["resume", "run", "weighting=pcgrad"], ["weighting=pcgrad: a run goes on with the choices it began with"]),
        (["resume", "nowhere"], ["DIR: there is no folder nowhere"]),
        (["resume"], ["DIR"]),
    ],
)
def test_refusals(mtl_train: MtlTrain, tmp_path: Path, words: list[str], said: list[str]) -> None:
    assert mtl_train(*SMALL, "hydra.run.dir=run").status == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    refused = mtl_train(*words)
    assert refused.status in (1, 2)
    assert all(text in refused.err for text in said)
    after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert set(after) == set(before)
    assert {path for path in after if after[path] != before[path]} <= {tmp_path / "run" / "train.log"}


def test_a_recorded_config_composes_the_same_run(mtl_train: MtlTrain, tmp_path: Path) -> None:
    overrides = ["mode=alternating", "tasks.left.prob=0.3", "optimizer=sgd"]
    assert mtl_train(*SMALL, *overrides, "hydra.run.dir=run").status == 0
    again = mtl_train("-cp", "run/.hydra", "-cn", "config")
    assert again.status == 0
    assert again.folder.is_relative_to(tmp_path / "outputs" / "mtl")
    one, other = left(tmp_path / "run"), left(again.folder)
    assert other["summary"].pop("overrides") == []
    one["summary"].pop("overrides")
    assert other == one
    assert not again.err


def test_a_repeated_run_says_what_is_different_now(mtl_train: MtlTrain, tmp_path: Path) -> None:
    assert mtl_train(*SMALL, "hydra.run.dir=run").status == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    summary["versions"]["numpy"] = "1.0"
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary))
    again = mtl_train("-cp", "run/.hydra", "-cn", "config")
    assert f"note: numpy was 1.0 and is {np.__version__}" in again.err


def test_other_data_are_noticed(mtl_train: MtlTrain, tmp_path: Path) -> None:
    rows = [f"{i % 7},{i % 5},{i}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,price", *rows]))
    table = ["data=table", "data.path=t.csv", "+tasks.price.kind=regression", "steps=20"]
    assert mtl_train(*table, "hydra.run.dir=run").status == 0
    (tmp_path / "t.csv").write_text("\n".join(["a,b,price", *rows[:-1], "9,9,9"]))
    again = mtl_train("resume", "run", "steps=30")
    assert again.status == 0
    assert "t.csv was sha256:" in again.err


def test_runs_of_a_version_that_had_less_keys_go_on(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What their configs don't have is at its default; a run, a finished one, and a sweep's jobs."""
    rows = "".join(f"{i / 8},{i % 5}\n" for i in range(80))
    (tmp_path / "t.csv").write_text(f"x,y\n{rows}")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "batch_size=8", "eval.every=10"]
    with monkeypatch.context() as older:
        dump = Config.model_dump

        def fewer(self: Config, *options: Any, **more: Any) -> dict[str, Any]:
            plain = dump(self, *options, **more)
            for key in ("header", "separator", "duplicates"):
                plain.get("data", {}).pop(key, None)
            for task in plain.get("tasks", {}).values():
                task.pop("missing", None)
            return plain

        older.setattr(Config, "model_dump", fewer)
        assert "header" not in decisive(composed(*words))["data"]
        assert mtl_train(*words, "steps=20", "hydra.run.dir=run").status == 0
        assert mtl_train("-m", *words, "steps=20", "seed=0,1", "hydra.sweep.dir=sweep").status == 0
    again = mtl_train("resume", "run")
    assert "run is finished after 20 iterations" in again.out
    longer = mtl_train("resume", "run", "steps=40")
    assert longer.status == 0, longer.err
    assert mtl_train(*words, "steps=40", "hydra.run.dir=straight").status == 0
    one, other = ((tmp_path / folder / "losses.csv").read_bytes() for folder in ("run", "straight"))
    assert one == other
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "sweep").glob("*/losses.csv")}
    swept = mtl_train("resume", "sweep", "seed=0,1,2")
    assert swept.status == 0, swept.err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "sweep" / "2" / "losses.csv").exists()


def test_an_end_that_is_asked_for_after_the_last_iteration_stops_nothing(tmp_path: Path) -> None:
    """Five iterations are one chunk, after which somebody asks for an end."""
    summary = train(composed(*SMALL, "steps=5"), tmp_path, Fate(0, kills=False))
    assert (summary["status"], summary["ended_by"], summary["iterations"]) == ("finished", "steps", 5)
