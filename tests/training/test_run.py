"""One life of a run: what is left, and raised, where it ends otherwise than by its steps."""

import logging
from pathlib import Path

import pytest

from mtl_cli.errors import InputError, RunFailed
from mtl_cli.terminal.run_view import View
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.job import Job
from mtl_cli.training.run import Run
from mtl_cli.untrusted.files import read_summary
from tests.support.configs import composed

log = logging.getLogger("test")


def begun(folder: Path) -> Run:
    return Run(Job(3, composed("steps=4"), ("steps=4",)), folder, "CPU:0", log, View())


def test_what_fails_beside_a_summary_that_cannot_be_written_says_both(tmp_path: Path) -> None:
    with (
        pytest.raises(RunFailed, match=r"^no rows; .*summary.json can't be written") as raised,
        begun(tmp_path / "gone"),
    ):
        raise OSError("no rows")
    assert isinstance(raised.value.__cause__, OSError)


def test_a_summary_that_cannot_be_written_makes_a_run_fail(tmp_path: Path) -> None:
    run = begun(tmp_path / "gone")
    run.prepare(load(run.job.config))
    run.fail(RunFailed("the disk is full"))
    assert run.has_ended
    assert str(run.error).startswith("the disk is full; ")
    assert (run.summary["status"], run.summary["error"]) == ("failed", str(run.error))


def test_a_job_that_cannot_be_trained_has_a_summary_and_a_run_alone_has_none(tmp_path: Path) -> None:
    def refused() -> None:
        raise InputError("data.path: it isn't there")

    job = begun(tmp_path)
    job.begin(refused)  # type: ignore[arg-type]
    assert isinstance(job.error, RunFailed)
    assert read_summary(tmp_path)["error"] == "data.path: it isn't there"
    (tmp_path / "summary.json").unlink()
    with pytest.raises(InputError), begun(tmp_path):
        refused()
    assert not list(tmp_path.iterdir())


def test_a_run_ends_once(tmp_path: Path) -> None:
    run = begun(tmp_path)
    run.fail(RunFailed("first"))
    run.fail(RunFailed("second"))
    run.finish()
    assert not run.goes_on
    assert read_summary(tmp_path)["error"] == "first"


def test_a_signal_stops_a_run_and_passes(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), begun(tmp_path):
        raise KeyboardInterrupt
    summary = read_summary(tmp_path)
    assert (summary["status"], summary["ended_by"], summary["error"]) == ("stopped", "request", None)
