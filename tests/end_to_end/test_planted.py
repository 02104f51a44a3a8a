"""Nothing in the working folder is imported, which may be somebody else's: not here, and not in launchers' workers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import as_usual

NAMES = (
    "absl", "atexit", "cloudpickle", "hydra", "hydra_plugins/planted", "joblib", "json", "keras", "logging",
    "multiprocessing", "numpy", "omegaconf", "pandas", "polars", "pydantic", "signal", "sitecustomize", "sklearn",
    "tensorflow", "threading", "usercustomize", "yaml",
)  # fmt: skip
"""Python itself finds `mtl_cli`, `runpy` and what that needs in the working folder where it is begun by `-m`."""
SCRIPT = "from mtl_cli.__main__ import main\nif __name__ == '__main__':\n    main()\n"
"""What an installer makes of the entry point."""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder with modules that leave their names in a file `ran` beside it."""
    for name in NAMES:
        module = tmp_path / "theirs" / f"{name}.py"
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(f"with open({str(tmp_path / 'ran')!r}, 'a') as file:\n    file.write('{name} ')\n")
    (tmp_path / "mtl-train").write_text(SCRIPT)
    return tmp_path / "theirs"


def ran(theirs: Path, *words: str, **environment: str) -> str:
    """Trains in the folder, and returns what was imported from there."""
    variables = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment
    variables.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(
        [sys.executable, *words], cwd=theirs, capture_output=True, text=True, preexec_fn=as_usual, env=variables
    )
    file = theirs.with_name("ran")
    names = file.read_text() if file.exists() else ""
    assert names or done.returncode == 0, done.stderr
    return names


def test_the_command_imports_nothing_planted(theirs: Path) -> None:
    assert ran(theirs, "-m", "mtl_cli", "steps=2") == ""
    assert len(list(theirs.rglob("summary.json"))) == 1


def test_workers_import_nothing_planted(theirs: Path) -> None:
    sweep = ("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=0,1", "steps=2")
    assert ran(theirs, "../mtl-train", *sweep) == ""
    assert len(list(theirs.rglob("summary.json"))) == 2


def test_what_the_user_put_on_the_path_stays(theirs: Path) -> None:
    for path in theirs.glob("*.py"):
        path.unlink()
    others = os.environ.get("PYTHONPATH", "")
    assert "planted" in ran(theirs, "-m", "mtl_cli", "steps=2", PYTHONPATH=f"{theirs}{os.pathsep}{others}")
