"""Going on with a sweep: what its folder has of the jobs that are wanted, and what is to be trained."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from mtl_cli.composition.recorded import hash_of, quoted, recorded, schedule_unsaid
from mtl_cli.config import Config, parse
from mtl_cli.errors import InputError
from mtl_cli.identity import changes, config_hash, decisive
from mtl_cli.run_folder.atomic_files import CONFIGS, refuse_odd
from mtl_cli.run_folder.checkpoints import newest
from mtl_cli.run_folder.locks import LOCK
from mtl_cli.training.job import Job
from mtl_cli.untrusted.files import read_yaml, summary_in

_T = TypeVar("_T")


@dataclass(frozen=True)
class EarlierJob:
    """A job's folder, as an earlier call left it."""

    number: int
    overrides: tuple[str, ...]
    """Those that it was begun with; nothing where they are lost."""
    summary: dict[str, Any] | None
    is_known: bool = True
    """Whether its overrides could be read."""

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
    twins: Sequence[tuple[Job, int]]
    """Those that get the files of another one, which is done, with the same config; and that one's number."""


def found_in(sweep: Path) -> list[EarlierJob]:
    """Returns what is in the folders of a sweep's jobs.

    Raises:
        InputError: A job has recorded overrides of Hydra's part.
    """
    found = []
    for folder in filter(is_numbered, sweep.iterdir()):
        summary, file = summary_in(folder), folder / CONFIGS / "overrides.yaml"
        lines: Any = None
        with suppress(OSError, ValueError):
            lines = read_yaml(file)
        if not isinstance(lines, list):  # it is lost, or damaged
            lines = (summary or {}).get("overrides")
        if lines is None and not (file.exists() or newest(folder)):
            continue
        overrides = tuple(map(str, lines or ()))
        for line in overrides:
            if re.match(r"[+~]*hydra[./@=]|[^=]*@hydra", line):
                raise InputError(f"{file}: {line}: what Hydra is to do isn't recorded for a job; it is typed")
        found.append(EarlierJob(int(folder.name), overrides, summary, lines is not None))
    return sorted(found, key=lambda earlier: earlier.number)


def is_numbered(folder: Path) -> bool:
    """Tells whether this is the folder of a job by its name: a number, as Hydra writes it."""
    return re.fullmatch(r"0|[1-9][0-9]*", folder.name) is not None and folder.is_dir()


def resumed(jobs: Sequence[Job], found: Sequence[EarlierJob]) -> Resumed:
    """Returns which of the jobs are done; the others get their old folders, or new ones.

    A job is done if a finished one has its config's hash, whatever the number: so a grid that was extended trains its
    new points only. Each finished one stands for one job; others with its config get its files. A job that only has
    another number of steps than before goes on in its folder.
    """
    befores, taken = before_of(jobs, found), {earlier.number for earlier in found}
    own = {earlier.number for earlier in befores if earlier is not None}
    finished: dict[str, list[EarlierJob]] = defaultdict(list)
    for earlier in found:
        if earlier.finished and earlier.summary is not None:
            finished[hash_of(earlier.summary)].append(earlier)
    free = {known: [earlier for earlier in same if earlier.number not in own] for known, same in finished.items()}
    done: list[Job] = []
    left: list[Job] = []
    twins: list[tuple[Job, int]] = []
    for job, before in zip(jobs, befores, strict=True):
        wanted = config_hash(job.config)
        same, others = finished[wanted], free.get(wanted)
        if before is not None and before in same:
            done.append(replace(job, number=before.number))
            continue
        if others:
            done.append(replace(job, number=others.pop(0).number))
            continue
        number = job.number if job.number >= 0 and job.number not in taken else max(taken, default=-1) + 1
        placed = replace(job, number=number if before is None else before.number)
        taken.add(placed.number)
        if same:
            twins.append((placed, same[0].number))
            continue
        left.append(placed)
    return Resumed(done, left, twins)


def before_of(jobs: Sequence[Job], found: Sequence[EarlierJob]) -> list[EarlierJob | None]:
    """Returns what there is of each job: with the same overrides, of its number first, or the same but for `steps`."""
    left = {earlier.number: earlier for earlier in found}
    before: list[EarlierJob | None] = []
    for job in jobs:
        earlier = left.get(job.number)
        same = earlier is not None and (earlier.overrides == job.overrides or not earlier.is_known)
        before.append(left.pop(job.number) if same else None)
    by_overrides: dict[tuple[str, ...], list[EarlierJob]] = defaultdict(list)
    for earlier in left.values():
        by_overrides[earlier.overrides].append(earlier)
    before = [
        earlier or (by_overrides[job.overrides].pop(0) if by_overrides[job.overrides] else None)
        for job, earlier in zip(jobs, before, strict=True)
    ]
    others = _only([(_rest(earlier.overrides), earlier) for same in by_overrides.values() for earlier in same])
    missing = _only(
        [(_rest(job.overrides), i) for i, (job, earlier) in enumerate(zip(jobs, before, strict=True)) if not earlier]
    )
    for rest, i in missing.items():
        before[i] = others.get(rest)
    return before


def _rest(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in overrides if not line.startswith("steps="))


def _only(pairs: Sequence[tuple[tuple[str, ...], _T]]) -> dict[tuple[str, ...], _T]:
    """Returns the values of keys that occur once."""
    counts = Counter(key for key, _ in pairs)
    return {key: value for key, value in pairs if counts[key] == 1}


def refuse_changed(jobs: Sequence[Job], found: Sequence[EarlierJob], sweep: Path) -> None:
    """Refuses jobs in whose folders there is what another config came to, or more iterations than are asked for.

    Raises:
        InputError: There are some; the message names what changed.
    """
    wrong: dict[str, int] = {}
    there = {earlier.number: earlier for earlier in found}
    for job in jobs:
        before = there.get(job.number)
        if before is None:
            continue
        folder = sweep / str(job.number)
        then = _config_of(before, folder, job.config)
        changed = changes(decisive(then), decisive(job.config))
        for line in changed:
            wrong.setdefault(
                f"{line}; jobs go on with the config they began with: train these in another sweep", job.number
            )
        done = max((before.summary or {}).get("iterations", 0), newest(folder))
        unsaid = None if changed else schedule_unsaid(then, job.config, done)
        if unsaid:
            wrong.setdefault(unsaid, job.number)
        if done > job.config.steps:
            wrong.setdefault(f"steps: {job.config.steps} is less than the {done} iterations that there are", job.number)
    if wrong:
        raise InputError("\n".join(f"{sweep / str(number)}: {line}" for line, number in wrong.items()))


def _config_of(before: EarlierJob, folder: Path, now: Config) -> Config:
    """Returns the config that a job began with; the present one if that is lost."""
    recorded_one: Any = (before.summary or {}).get("config")
    with suppress(InputError):
        return parse(recorded_one) if recorded_one else recorded(folder)
    return now


def trained(folder: Path, config: Config) -> dict[str, Any] | None:
    """Returns the summary of a run that was trained to its end with this config."""
    summary = summary_in(folder)
    if summary is None or summary.get("status") != "finished" or hash_of(summary) != config_hash(config):
        return None
    return summary


def arguments(sweep: Path, extra: Sequence[str]) -> list[str]:
    """Returns the command line that trains the sweep of a folder again, with more or other overrides.

    Raises:
        InputError: The folder is no sweep's.
    """
    refuse_odd(sweep, ("multirun.yaml", "sweep.csv", "sweep.md", LOCK))
    for path in sweep.iterdir():
        if path.name.isdecimal():
            _refuse_odd_job(path)
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
    return ["-m", *more, "-cn", recorded.job.config_name, *lines, f"hydra.sweep.dir={quoted(sweep)}"]


def _refuse_odd_job(folder: Path) -> None:
    """Refuses a link where the folder of a job belongs, or in it, whatever launcher is to write there."""
    if folder.is_symlink():
        raise InputError(f"{folder} is no plain folder, as a job has; move it away")
    if folder.is_dir():
        refuse_odd(folder)


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
