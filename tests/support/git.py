"""Repositories, and what git itself says of them."""

import os
import shutil
import subprocess
from pathlib import Path

from mtl_cli.run_folder.git_state import GitState

GIT = shutil.which("git") or ""


def git(*words: str, folder: Path | None = None) -> str:
    done = subprocess.run([GIT, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path, *words: str) -> None:
    """Makes one with two commits."""
    git("init", "-q", *words, str(folder))
    (folder / "sub").mkdir()
    (folder / "other").mkdir()
    for content in ("1", "2"):
        for name in ("a", "sub/b", "other/c"):
            (folder / name).write_text(f"{name} {content}\n")
        git("add", ".", folder=folder)
        git("commit", "-qm", content, folder=folder)


def says() -> GitState:
    """What git itself says of the working folder."""
    return GitState(git("rev-parse", "HEAD"), bool(git("status", "--porcelain")))


def touched() -> None:
    os.utime("a", (1, 1))
