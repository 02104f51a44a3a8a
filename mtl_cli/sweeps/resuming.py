"""Going on with a sweep: what its folder has of the jobs that are wanted, and what is to be trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from mtl_cli.config import Config
from mtl_cli.errors import InputError
from mtl_cli.files import read_json
from mtl_cli.sweeps.plan import Job


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
                overrides = tuple(map(str, yaml.safe_load(path.read_text()) or ()))
            except (yaml.YAMLError, TypeError):
                overrides = ()  # damaged: whatever it was is trained anew in another folder
            found.append(Found(int(folder.name), overrides, read_json(folder / "summary.json")))
    return sorted(found, key=lambda of: of.number)


def resumed(jobs: Sequence[Job], found: Sequence[Found]) -> Resumed:
    """Returns which of the jobs are done; the others get their old folders, or new ones.

    A job is done if a finished one has its config's hash, whatever the number: so a grid that was extended trains its
    new points only.
    """
    by_hash = {of.summary.get("config_hash"): of for of in found if of.finished and of.summary is not None}
    by_overrides = {of.overrides: of for of in found}
    following = max((of.number for of in found), default=-1) + 1
    done: list[Job] = []
    left: list[Job] = []
    changed: list[Job] = []
    for job in jobs:
        same, before = by_hash.get(job.config.hash()), by_overrides.get(job.overrides)
        if same is not None:
            done.append(replace(job, number=same.number))
        elif before is not None:
            left.append(replace(job, number=before.number))
            if before.finished:
                changed.append(left[-1])
        else:
            left.append(replace(job, number=following))
            following += 1
    return Resumed(done, left, changed)


def trained(folder: Path, config: Config) -> dict[str, Any] | None:
    """Returns the summary of a run that was trained to its end with this config."""
    summary = read_json(folder / "summary.json")
    if summary is None or summary.get("status") != "finished" or summary.get("config_hash") != config.hash():
        return None
    return summary


def arguments(sweep: Path, extra: Sequence[str]) -> list[str]:
    """Returns the command line that trains the sweep of a folder again, with more or other overrides.

    Raises:
        InputError: The folder is no sweep's.
    """
    try:
        recorded = yaml.safe_load((sweep / "multirun.yaml").read_text())["hydra"]
    except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise InputError(
            f"DIR: {sweep} is neither the folder of a run, with a .hydra/config.yaml, nor that of a sweep, with a "
            "multirun.yaml that can be read"
        ) from error
    overrides = [*recorded["overrides"]["hydra"], *recorded["overrides"]["task"], *extra]
    overrides = [line for line in overrides if not line.startswith(("hydra.mode=", "hydra.sweep.dir="))]
    folders = [
        source["path"] for source in recorded["runtime"]["config_sources"] if source["provider"] == "command-line"
    ]
    more = [word for folder in folders for word in ("--config-dir", folder)]
    return ["-m", *more, "-cn", recorded["job"]["config_name"], *overrides, f"hydra.sweep.dir={sweep}"]
