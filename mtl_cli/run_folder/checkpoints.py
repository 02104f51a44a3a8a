"""Checkpoints: tensors and what else a run needs to go on exactly, in files that can hold nothing that is run.

    checkpoints/<iteration>-<the content's SHA-256, its first 16 digits>.safetensors

The digits make a torn or damaged file known. The format is that of safetensors: plain tensors by name, here with
JSON in the header's metadata.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mtl_cli.run_folder.atomic_files import replace, writing

FOLDER: Final = "checkpoints"
SHARE: Final = 0.01
"""The most of a run's time that checkpoints may take, those that are due by the clock."""
_NAME = re.compile(r"(\d{1,18})-([0-9a-f]{16})\.safetensors")


class Snapshot(NamedTuple):
    """A run between two iterations."""

    iterations: int
    tensors: dict[str, NDArray[Any]]
    rest: dict[str, Any]
    """What isn't a tensor, as JSON can hold it."""


class Checkpoints:
    """A run's checkpoints, the last ones of which are kept."""

    def __init__(
        self, folder: Path, about: dict[str, Any], *, every: float | None, every_steps: int | None, keep: int
    ) -> None:
        """Takes the run's folder, what to say of the run, and when one is due: after so many seconds, or iterations."""
        self._run = folder
        self._folder = folder / FOLDER
        self._about = about
        self._every = every
        self._every_steps = every_steps
        self._keep = keep
        self._written: int | None = None
        self._next = time.monotonic() + (every or 0.0)

    def due(self, iterations: int) -> bool:
        """Tells whether one is to be written after so many iterations."""
        if self._every_steps is not None and iterations % self._every_steps == 0:
            return True
        return self._every is not None and time.monotonic() >= self._next

    def write(self, snapshot: Snapshot) -> None:
        """Writes a checkpoint, unless it was the last one written, and removes the oldest.

        Raises:
            RunFailed: It can't be written; those before it are still there.
        """
        if snapshot.iterations == self._written:
            return
        begun = time.monotonic()
        content = save(snapshot.tensors, {"rest": json.dumps({**snapshot.rest, "about": self._about})})
        name = f"{snapshot.iterations:010d}-{_digits(content)}.safetensors"
        with writing(self._folder):
            self._folder.mkdir(exist_ok=True)
            replace(self._folder / name, content, synced=True)
            others = [(at, path) for at, path in _found(self._folder) if path.name != name]
            steps = self._every_steps or 1
            room = self._keep - (snapshot.iterations % steps == 0)
            kept = [path for at, path in others if at % steps == 0][:room]
            for _, path in others:
                if path not in kept:
                    path.unlink(missing_ok=True)
        self._written = snapshot.iterations
        now = time.monotonic()
        self._next = now + max(self._every or 0.0, (now - begun) / SHARE)

    def last(self) -> Snapshot | None:
        """Returns the last one that was due by the number of its iterations, for a run to go back to."""
        steps = self._every_steps or 1
        return next((found for found in snapshots(self._run, []) if found.iterations % steps == 0), None)

    def go_on_from(self, iterations: int) -> None:
        """Removes those of later iterations, which the run will make anew."""
        for at, path in _found(self._folder):
            if at > iterations:
                path.unlink(missing_ok=True)


def snapshots(folder: Path, faults: list[str], most_bytes: int | None = None) -> Iterator[Snapshot]:
    """Yields what a run's folder holds, the newest first.

    Args:
        folder: The run's.
        faults: Gets a line for each file that can't be used.
        most_bytes: The size of the largest that can be one of this run's.
    """
    for iterations, path in _found(folder / FOLDER):
        try:
            if not _is_whole(path):
                raise ValueError("its content isn't what was written")
            if most_bytes is not None and path.stat().st_size > most_bytes:
                raise ValueError("it is larger than one of this run can be")
            snapshot = _read(iterations, path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
            faults.append(f"{path} is damaged ({error})")
        else:
            yield snapshot


def newest(folder: Path) -> int:
    """Returns after how many iterations the newest whole checkpoint of a run was written; 0 if there is none."""
    return next((iterations for iterations, path in _found(folder / FOLDER) if _is_whole(path)), 0)


def _is_whole(path: Path) -> bool:
    """Tells whether a file has the content that its name says."""
    try:
        with path.open("rb") as file:
            digits = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return False
    return path.name.endswith(f"-{digits}.safetensors")


def _read(iterations: int, content: bytes) -> Snapshot:
    tensors = {name: np.array(tensor) for name, tensor in load(content).items()}
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    rest = json.loads(header["__metadata__"]["rest"])
    if not isinstance(rest, dict):
        raise TypeError("its header is no object")
    return Snapshot(iterations, tensors, rest)


def _digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _found(folder: Path) -> list[tuple[int, Path]]:
    """Returns the checkpoints in a folder with their iterations, the newest first."""
    try:
        named = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir()]
    except OSError:
        return []
    return sorted([(int(match[1]), path) for match, path in named if match], reverse=True)
