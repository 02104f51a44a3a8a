"""The command, run in this process as a user would run it."""

import json
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from absl.logging import get_absl_handler
from hypothesis import settings

from mtl_cli.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """What a call of the command came to."""

    status: int
    out: str
    err: str
    folders: list[Path]
    """The run folders it made, in the order of their names."""

    @property
    def folder(self) -> Path:
        """The only run folder."""
        (folder,) = self.folders
        return folder

    def losses(self) -> pl.DataFrame:
        """The rows of losses.csv."""
        return pl.read_csv(self.folder / "losses.csv")

    def summary(self) -> dict[str, Any]:
        """The content of summary.json."""
        summary: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return summary


def as_usual() -> None:
    """Undoes, in a new process, that pytest's workers ignore Ctrl-C, and `nohup` the terminal's end."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


settings.register_profile("project", deadline=None)
settings.load_profile("project")
collect_ignore = ["benchmarks"]

# TensorFlow's log handler keeps the standard error it finds at import, here pytest's, and closes it when Hydra sets
# logging up anew; it leaves the process' own alone.
get_absl_handler().python_handler.setStream(sys.__stderr__)

MtlTrain = Callable[..., Outcome]


@pytest.fixture
def mtl_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> MtlTrain:
    """Returns a function that runs `mtl-train` with its arguments in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Outcome:
        before = _folders(tmp_path)
        monkeypatch.setattr(sys, "argv", ["mtl-train", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        for handler in [handler for handler in logging.root.handlers if isinstance(handler, logging.FileHandler)]:
            logging.root.removeHandler(handler)  # Hydra leaves it, and its folder may not be there any more
            handler.close()
        status = ended.value.code
        assert isinstance(status, int)
        return Outcome(status, out, err, sorted(_folders(tmp_path) - before))

    return run


def _folders(root: Path) -> set[Path]:
    return {path.parent for path in root.rglob(".hydra")}
