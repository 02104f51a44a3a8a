"""Going on with a sweep: what its folder has of the jobs that are wanted, and what is to be trained."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from mtl_cli.config import Config
from mtl_cli.errors import InputError
from mtl_cli.foreign import read_yaml, summary_in
from mtl_cli.sweeps.plan import Job

_T = TypeVar("_T")


@dataclass(frozen=True)
class Found:
    """A job's folder, as an earlier call left it."""

    number: int
    overrides: tuple[str, ...]
    summary: dict[str, Any] | None

    @property
    def finished(self) -> bool:
        """Tells whether it was trained to its end."""
        return self.summary is not None and self.summary.get("status") == "finished"


@dataclass(frozen=True)
class Resumed:
    """The wanted jobs, with the numbers of the folders they have or get."""

    done: Sequence[Job]
    """They were trained to their end, with the same config."""
    left: Sequence[Job]
    changed: Sequence[Job]
    """Those of `left` that were trained with another config, and are trained anew."""


def found_in(sweep: Path) -> list[Found]:
    """Returns what is in the folders of a sweep's jobs."""
    found = []
    for path in sweep.glob("*/.hydra/overrides.yaml"):
        folder = path.parent.parent
        if folder.name.isdecimal():
            try:
                lines = read_yaml(path)
            except (OSError, ValueError):
                continue
            if isinstance(lines, list):  # else it is damaged, and the job is trained in this folder as a new one
                found.append(Found(int(folder.name), tuple(map(str, lines)), summary_in(folder)))
    return sorted(found, key=lambda of: of.number)


def resumed(jobs: Sequence[Job], found: Sequence[Found]) -> Resumed:
    """Returns which of the jobs are done; the others get their old folders, or new ones.

    A job is done if a finished one has its config's hash, whatever the number: so a grid that was extended trains its
    new points only. One that only has another number of steps than before goes on in its folder.
    """
    by_hash = {of.summary.get("config_hash"): of for of in found if of.finished and of.summary is not None}
    earlier = before_of(jobs, found)
    taken = {of.number for of in found}
    done: list[Job] = []
    left: list[Job] = []
    changed: list[Job] = []
    for job in jobs:
        same, before = by_hash.get(job.config.hash()), earlier.get(job.overrides)
        if same is not None:
            done.append(replace(job, number=same.number))
        elif before is not None:
            left.append(replace(job, number=before.number))
            if before.finished and not _goes_on(before, job.config):
                changed.append(left[-1])
        else:
            number = job.number if job.number >= 0 and job.number not in taken else max(taken) + 1
            taken.add(number)
            left.append(replace(job, number=number))
    return Resumed(done, left, changed)


def before_of(jobs: Sequence[Job], found: Sequence[Found]) -> dict[tuple[str, ...], Found]:
    """Returns by a job's overrides what there is of it: of the same ones, or of the same but for `steps`."""
    by_overrides = {of.overrides: of for of in found}
    by_rest = _only({_rest(of.overrides): of for of in found}, [_rest(of.overrides) for of in found])
    of_jobs = _only({_rest(job.overrides): job for job in jobs}, [_rest(job.overrides) for job in jobs])
    earlier = {job.overrides: by_rest[rest] for rest, job in of_jobs.items() if rest in by_rest}
    return earlier | {job.overrides: by_overrides[job.overrides] for job in jobs if job.overrides in by_overrides}


def _goes_on(before: Found, config: Config) -> bool:
    """Tells whether only the number of steps is another one than before."""
    recorded = (before.summary or {}).get("config") or {}
    return all(recorded.get(key) == value for key, value in config.decisive().items() if key != "steps")


def _rest(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in overrides if not line.startswith("steps="))


def _only(known: dict[tuple[str, ...], _T], keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], _T]:
    """Returns what is known of keys that occur once."""
    counts = Counter(keys)
    return {key: value for key, value in known.items() if counts[key] == 1}


def trained(folder: Path, config: Config) -> dict[str, Any] | None:
    """Returns the summary of a run that was trained to its end with this config."""
    summary = summary_in(folder)
    if summary is None or summary.get("status") != "finished" or summary.get("config_hash") != config.hash():
        return None
    return summary


def arguments(sweep: Path, extra: Sequence[str]) -> list[str]:
    """Returns the command line that trains the sweep of a folder again, with more or other overrides.

    Raises:
        InputError: The folder is no sweep's.
    """
    try:
        recorded = _Recorded.model_validate(read_yaml(sweep / "multirun.yaml")["hydra"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"DIR: {sweep} is neither the folder of a run, with a .hydra/config.yaml, nor that of a sweep, with a "
            "multirun.yaml that can be read"
        ) from error
    lines = [*recorded.overrides.hydra, *recorded.overrides.task]
    for line in [*lines, recorded.job.config_name]:
        if line.startswith("-") or "pkg://" in line:
            raise InputError(f"{sweep}: multirun.yaml has {line!r}, which isn't taken from a file")
    lines = [line for line in _replaced(lines, extra) if not line.startswith(("hydra.mode=", "hydra.sweep.dir="))]
    folders = [source.path for source in recorded.runtime.config_sources if source.provider == "command-line"]
    more = [word for folder in folders for word in ("--config-dir", os.path.abspath(folder))]  # noqa: PTH100
    return ["-m", *more, "-cn", recorded.job.config_name, *lines, f"hydra.sweep.dir={sweep}"]


def _replaced(lines: Sequence[str], extra: Sequence[str]) -> list[str]:
    """Returns overrides with others in the places of those for the same keys, and the rest behind."""
    new = {_key(line): line for line in extra}
    kept = [new.get(_key(line), line) for line in lines]
    return list(dict.fromkeys([*kept, *new.values()]))


def _key(line: str) -> str:
    return line.lstrip("+~").partition("=")[0]


class _Overrides(BaseModel):
    hydra: list[str]
    task: list[str]


class _Source(BaseModel):
    path: str
    provider: str


class _Runtime(BaseModel):
    config_sources: list[_Source]


class _Job(BaseModel):
    config_name: str


class _Recorded(BaseModel):
    """What is needed of a sweep's multirun.yaml, which others may have made."""

    overrides: _Overrides
    runtime: _Runtime
    job: _Job
