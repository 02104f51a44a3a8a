"""The command, run in this process as a user would run it."""

import logging
import sys
from pathlib import Path

import pytest
from absl.logging import get_absl_handler
from hypothesis import settings

from mtl_cli.cli.main import main

pytest.register_assert_rewrite("tests.support")  # before it is imported, so that its asserts show their values
from tests.support.command import MtlTrain, Outcome  # noqa: E402

settings.register_profile("project", deadline=None)
settings.load_profile("project")
collect_ignore = ["benchmarks"]

# TensorFlow's log handler keeps the standard error it finds at import, here pytest's, and closes it when Hydra sets
# logging up anew; it leaves the process' own alone.
get_absl_handler().python_handler.setStream(sys.__stderr__)


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
