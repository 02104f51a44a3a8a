"""The jobs of a grid, all of them checked before any is trained."""

from collections.abc import Sequence
from itertools import islice
from math import prod
from typing import Any, Final

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from mtl_cli.composed import plain
from mtl_cli.config import Sweep, parse
from mtl_cli.errors import InputError
from mtl_cli.sweeps.baselines import baselines
from mtl_cli.sweeps.composing import Composer
from mtl_cli.sweeps.plan import Job

SHOWN_MISTAKES: Final = 5
"""How many different mistakes of a sweep are looked for."""


def is_grid(sweep: DictConfig) -> bool:
    """Tells whether Hydra's own sweeper makes the jobs."""
    return bool(sweep.hydra.sweeper._target_.endswith(f".{BasicSweeper.__name__}"))


def jobs_of(sweep: DictConfig) -> tuple[list[Job], list[Job]]:
    """Returns the jobs that Hydra's own sweeper will make, and the single-task baselines, if they are asked for.

    Raises:
        InputError: There are none, or too many, or some have configs that are wrong; up to 5 mistakes are listed.
    """
    loader = GlobalHydra.instance().config_loader()
    grid = [f"{key}={value}" for key, value in (sweep.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create(loader).parse_overrides([*grid, *sweep.hydra.overrides.task])
    _refuse_too_many(overrides, OmegaConf.select(sweep, "sweep.max_jobs"))
    (of_jobs,) = BasicSweeper.split_arguments(overrides, None)
    if not of_jobs:
        raise InputError("the sweep has no jobs: a list of values is empty")
    composer, jobs = Composer(loader, sweep), []
    wrong: dict[str, str] = {}
    for number, job in enumerate(of_jobs):
        if len(wrong) == SHOWN_MISTAKES:
            break
        try:
            jobs.append(Job(number, parse(plain(composer(job))), tuple(job)))
        except InputError as error:
            wrong.setdefault(str(error), " ".join(job))
    if wrong:
        raise InputError("\n".join(f"{message} ({job})" for message, job in wrong.items()))
    further = baselines(jobs) if jobs[0].config.sweep.baselines else ()
    alone = [Job(number, parse(plain(composer(job))), job) for number, job in enumerate(further, len(jobs))]
    composer.spare(of_jobs)
    return jobs, alone


def _refuse_too_many(overrides: Sequence[Override], given: Any) -> None:
    """Refuses a grid of more jobs than `sweep.max_jobs`, without making them."""
    most = given if isinstance(given, int) else Sweep().max_jobs
    values = {
        override.get_key_element(): sum(1 for _ in islice(override.sweep_string_iterator(), most + 1))
        for override in overrides
        if override.is_sweep_override() and override.is_discrete_sweep()
    }
    count = prod(values.values())
    if count > max(most, 1):
        at_least = "at least " if max(values.values()) > most else ""
        raise InputError(
            f"sweep.max_jobs: these are {at_least}{count:,} jobs, more than {most:,}; raise it if that is meant"
        )
