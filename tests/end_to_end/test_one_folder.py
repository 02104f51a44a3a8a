"""Several processes and one folder: one trains, and the others harm nothing."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.faults import LONG, all_bytes, all_left, done, together, under_way


def test_two_processes_on_one_folder(tmp_path: Path) -> None:
    words = ["steps=100000000", *LONG]
    with under_way(tmp_path, "run/losses.csv", *words, "hydra.run.dir=run") as process:
        status, said = done(tmp_path, "resume", "run")
        assert (status, "another process is training into this folder" in said) == (2, True)
        status, said = done(tmp_path, *words, "hydra.run.dir=run")
        assert (status, "exists and isn't empty" in said) == (2, True)
        process.kill()
    assert (tmp_path / "run" / ".lock").exists()
    status, said = done(tmp_path, "resume", "run", "steps=100")
    assert status == 2
    assert "steps: 100 is less than the" in said
    with under_way(tmp_path, "run/losses.csv", "resume", "run") as process:
        assert process.poll() is None


@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]])
def test_no_run_gets_into_a_sweep(tmp_path: Path, launcher: Sequence[str]) -> None:
    """Neither while it trains nor after it was killed: the folders of its jobs are its own."""
    if launcher:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = ["-m", "seed=0,1,2,3", "steps=60000", *LONG, "hydra.sweep.dir=s", *launcher]
    others = [["seed=7", "steps=3", f"hydra.run.dir=s/{i}"] for i in (0, 3, "x")]
    others += [["-m", "seed=7", "steps=3", f"hydra.sweep.dir=s/{i}"] for i in (3, "x")]

    def are_refused() -> bool:
        return all(
            (status, "folder of another run or sweep" in said or "isn't empty" in said) == (2, True)
            for status, said in together(tmp_path, others)
        )

    with under_way(tmp_path, "s/*/losses.csv", *words) as process:
        os.killpg(process.pid, signal.SIGSTOP)  # so that it hasn't ended when the others have begun
        assert are_refused()
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
    assert are_refused()
    assert not (tmp_path / "s" / "x").exists()
    assert done(tmp_path, "resume", "s", "steps=60000")[0] == 0
    assert [json.loads((tmp_path / f"s/{i}/summary.json").read_text())["seed"] for i in range(4)] == [0, 1, 2, 3]


NO_LOCKS = """
import errno, fcntl

def flock(*arguments):
    raise OSError(errno.ENOLCK, "No locks available")

fcntl.flock = flock
"""


@pytest.mark.parametrize("locks", ["locks", "no locks"])
@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_processes_that_begin_at_once_in_one_folder(tmp_path: Path, kind: str, count: int, locks: str) -> None:
    """One trains; the others leave nothing of theirs, and take nothing of its away."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(NO_LOCKS if locks == "no locks" else "")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "python"), *sys.path])}
    words = ["steps=3000", "log.console=quiet", f"hydra.{kind}.dir=in/it"]
    more = ["-m", "model=shared_bottom"] if kind == "sweep" else []
    ended = together(tmp_path, [[*more, *words, f"seed={i}"] for i in range(count)], environment)
    assert sorted(status for status, _ in ended) == [0] + (count - 1) * [2], ended
    for status, said in ended:
        assert status == 0 or "another process is training" in said or "exists and isn't empty" in said
        assert (status, "has no locks" in said) != (0, locks == "locks")
    seed = next(i for i, (status, _) in enumerate(ended) if status == 0)
    folder = tmp_path / "in" / "it" / ("0" if kind == "sweep" else "")
    assert f"seed: {seed}\n" in (folder / ".hydra" / "config.yaml").read_text()
    assert f"- seed={seed}\n" in (folder / ".hydra" / "overrides.yaml").read_text()
    assert json.loads((folder / "summary.json").read_text())["seed"] == seed
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["it"]
    status, said = done(tmp_path, "resume", "in/it", "steps=4000")
    assert status == 0, said
    assert done(tmp_path, *words, f"seed={seed}", "steps=4000", "hydra.run.dir=whole")[0] == 0
    assert (folder / "losses.csv").read_bytes() == (tmp_path / "whole" / "losses.csv").read_bytes()


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_processes_that_go_on_at_once_in_one_folder(tmp_path: Path, kind: str) -> None:
    """Those that a queue began again, with the first command, too."""
    words = ["-m", "seed=0,1"] if kind == "sweep" else []
    words = [*words, "steps=60000", *LONG]
    assert done(tmp_path, *words, f"hydra.{kind}.dir=whole")[0] == 0
    first = [*words, f"hydra.{kind}.dir=run"]
    losses = "run/*/losses.csv" if kind == "sweep" else "run/losses.csv"
    with under_way(tmp_path, losses, *first) as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    before = all_bytes(tmp_path / "run")
    status, said = done(tmp_path, *first)
    assert (status, "go on with it by 'mtl-train resume run'" in said) == (2, True)
    assert all_bytes(tmp_path / "run") == before
    ended = together(tmp_path, [["resume", "run"], ["resume", "run"], first])
    assert [status for status, _ in ended[:2]].count(0) >= 1, ended
    assert ended[2][0] == 2
    for status, said in ended[:2]:
        assert status == 0 or (status == 2 and "another process is training into this folder" in said)
    assert all_left(tmp_path / "run") == all_left(tmp_path / "whole")
