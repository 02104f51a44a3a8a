"""Faults on purpose: commands in processes of their own, to be killed, and all that they left."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.command import as_usual
from tests.support.runs import left

LONG = ["checkpoint.every=0.2", "log.console=quiet"]

Ended = tuple[int, str]
"""A command's status, and what it printed."""


def begun(folder: Path, *words: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Starts the command in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "mtl_cli", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=as_usual, env=environment, process_group=0,
    )  # fmt: skip


def done(folder: Path, *words: str) -> Ended:
    """Runs the command in a folder."""
    with begun(folder, *words) as process:
        out, err = process.communicate(timeout=600)
    return process.returncode, out + err


@contextmanager
def under_way(folder: Path, losses: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Starts the command, and waits until it trains: until a file of losses grows."""
    before = {path: path.stat().st_size for path in folder.glob(losses)}
    with begun(folder, *words) as process:
        try:
            while process.poll() is None:
                if any(path.stat().st_size > before.get(path, 0) + 200 for path in folder.glob(losses)):
                    break
                time.sleep(0.02)
            yield process
        finally:
            process.kill()
            process.communicate()


def all_left(folder: Path) -> dict[str, Any]:
    """Returns what a run, or a sweep's runs, left."""
    found = {}
    for path in sorted(folder.rglob("summary.json")):
        of_run = left(path.parent)
        of_run["summary"].pop("overrides")
        of_run["summary"]["config"].pop("log")
        of_run["summary"]["config"].pop("checkpoint")
        of_run["summary"]["config"].pop("max_time")
        found[str(path.parent.relative_to(folder))] = of_run
    return found


def all_bytes(folder: Path) -> dict[Path, bytes]:
    """Returns what every file in a folder holds."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def together(folder: Path, commands: Sequence[Sequence[str]], environment: dict[str, str] | None = None) -> list[Ended]:
    """Runs commands that begin at the same time."""
    processes = [begun(folder, *words, environment=environment) for words in commands]
    ended = []
    for process in processes:
        out, err = process.communicate(timeout=600)
        ended.append((process.returncode, out + err))
    return ended
