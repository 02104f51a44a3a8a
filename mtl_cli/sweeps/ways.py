"""How the runs of a sweep's programs train, alone or together: chosen once, and kept for the calls that resume it.

A run's numbers may depend on it in the last bits, so a sweep that is resumed has to go on the same way.
"""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from mtl_cli.config import Config
from mtl_cli.files import write_json
from mtl_cli.foreign import read_json
from mtl_cli.sweeps.plan import program_key


class Way(NamedTuple):
    """How runs of one program train."""

    calls: int
    """Of the program, at the same time."""
    places: int
    """For runs, in each of them."""


ALONE: Final = Way(1, 1)


class Ways:
    """Those of one sweep, in its folder."""

    def __init__(self, sweep: Path) -> None:
        """Reads what an earlier call wrote."""
        self._path = sweep / ".ways.json"
        self._known: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            self._known = read_json(self._path)

    def get(self, config: Config, jobs: int) -> Way | None:
        """Returns the one that was chosen for runs like this, if it was for as many jobs or more."""
        match self._known.get(_key(config)):
            case {"jobs": int(most), "calls": int(calls), "places": int(places)} if most >= jobs:
                return Way(calls, places) if min(calls, places) >= 1 and calls * places <= 2 * most else None
        return None

    def keep(self, config: Config, jobs: int, way: Way) -> None:
        """Writes the one that was chosen for so many runs like this."""
        self._known[_key(config)] = {"jobs": jobs, **way._asdict()}
        write_json(self._path, self._known)


def _key(config: Config) -> str:
    """Returns a text that is equal for runs of one program with the same `sweep.runs_at_once`."""
    text = f"{program_key(config)}\n{config.sweep.runs_at_once}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
