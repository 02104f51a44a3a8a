"""The jobs of a grid, all of them checked before any is trained."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, cast

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.text import Text

from mtl_cli.composition.combinations import Combinations, overrides_of
from mtl_cli.composition.hydra_errors import hydra_message
from mtl_cli.composition.hydra_private import BasicSweeper, split_grid, sweep_over
from mtl_cli.composition.resolve import plain
from mtl_cli.config import MOST_JOBS, Sweep, parse
from mtl_cli.errors import InputError, nearest
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.sweeps.baselines import baselines
from mtl_cli.sweeps.job_configs import Composer
from mtl_cli.training.job import Job

SHOWN_MISTAKES: Final = 5
"""How many different mistakes of a sweep are looked for."""


def is_grid(sweep: DictConfig) -> bool:
    """Tells whether Hydra's own sweeper makes the jobs."""
    return bool(sweep.hydra.sweeper._target_.endswith(f".{BasicSweeper.__name__}"))


def jobs_of(sweep: DictConfig, *, taken: bool) -> tuple[list[Job], list[Job]]:
    """Returns the jobs that Hydra's own sweeper will make, and the single-task baselines, if they are asked for.

    Args:
        sweep: The sweep's own config.
        taken: Whether jobs' folders may be there.

    Raises:
        InputError: There are none, or too many, or some have configs that are wrong; up to 5 mistakes are listed.
    """
    loader = GlobalHydra.instance().config_loader()
    overrides = OverridesParser.create(loader).parse_overrides(overrides_of(sweep))
    given = OmegaConf.select(sweep, "sweep.max_jobs")
    most = min(given, MOST_JOBS) if isinstance(given, int) else Sweep().max_jobs
    _refuse_too_many(overrides, most)
    (grid,) = split_grid(overrides, None)
    combinations = Combinations(loader, sweep)
    of_jobs = combinations.of(grid)
    _refuse_more(len(of_jobs), most, "")
    composer, jobs = Composer(loader, sweep), []
    wrong: dict[str, str] = {}
    folders: dict[str, str] = {}
    for number, job in enumerate(of_jobs):
        if len(wrong) == SHOWN_MISTAKES:
            break
        try:
            composed = composer(job)
            jobs.append(Job(number, parse(plain(composed)), tuple(job)))
            _refuse_folder(composed, number, folders, taken=taken)
        except InputError as error:
            wrong.setdefault(str(error), " ".join(job))
        except (HydraException, OmegaConfBaseException, ValueError) as error:  # the last: a group that is null
            wrong.setdefault(hydra_message(error), " ".join(job))
    refuse(wrong)
    if combinations.left_out():
        console = Console(highlight=False)
        console.print(Text(combinations.left_out()), soft_wrap=not console.is_terminal)
    if any(job.config.sweep != jobs[0].config.sweep for job in jobs):
        raise InputError("sweep: its keys hold for all jobs, and can't be swept")
    further = baselines(jobs) if jobs[0].config.sweep.baselines else ()
    if jobs[0].config.sweep.baselines and not further:
        print("sweep.baselines: there is one task, which is its own baseline; no jobs are added")
    single_task = [Job(number, parse(plain(composer(job))), job) for number, job in enumerate(further, len(jobs))]
    _refuse_more(len(jobs) + len(single_task), jobs[0].config.sweep.max_jobs, " with the baselines")
    composer.spare(of_jobs)
    sweep_over(of_jobs)
    return jobs, single_task


def refuse(wrong: Mapping[str, str]) -> None:
    """Refuses jobs that have something wrong: by message, the overrides of the first one."""
    if wrong:
        raise InputError("\n".join(f"{message} ({job})" for message, job in wrong.items()))


def refuse_other_folders(sweep: DictConfig) -> None:
    """Refuses to resume a sweep whose jobs aren't in folders of their numbers."""
    subdir = OmegaConf.to_container(sweep.hydra.sweep, resolve=False)["subdir"]  # type: ignore[index, call-overload]
    if subdir != "${hydra.job.num}":
        raise InputError(f"hydra.sweep.subdir: sweeps are resumed where it is ${{hydra.job.num}}, got {subdir!r}")


def _refuse_folder(composed: DictConfig, number: int, folders: dict[str, str], *, taken: bool) -> None:
    """Refuses a folder that another job has, or that has a run."""
    with open_dict(composed):
        composed.hydra.job.num = number
    place = [str(OmegaConf.select(composed, f"hydra.sweep.{part}")) for part in ("dir", "subdir")]
    folder = str(Path(*place))
    if folder in folders:
        raise InputError(f"hydra.sweep.subdir: jobs {folders[folder]} and {number} would share the folder {folder}")
    folders[folder] = str(number)
    if not taken and (Path(folder) / CONFIGS).exists():
        raise InputError(f"hydra.sweep.subdir: {folder} has a run already; runs are never overwritten")


def _refuse_too_many(overrides: Sequence[Override], most: int) -> None:
    """Refuses a grid of no jobs, or of so many that they aren't made: a key has more values, or all that there are."""
    values = {
        override.get_key_element(): _values(override, most + 1)
        for override in overrides
        if override.is_sweep_override()
    }
    longest = max(values.values(), default=0) > most
    _refuse_more(math.prod(values.values()), most if longest else MOST_JOBS, "", at_least=longest)


def _values(override: Override, most: int) -> int:
    """Returns how many values an override lists, and `most` if they are more.

    Raises:
        InputError: It lists none.
    """
    line, key, listed = override.input_line, override.key_or_group, override.value()
    if isinstance(listed, IntervalSweep):
        raise InputError(
            f"{line}: Hydra's own sweeper takes no interval, which has no end of values; list some, as '{key}=0.1,0.2' "
            f"or '{key}=range(1,5)'"
        )
    if not isinstance(listed, RangeSweep):
        count = sum(1 for _ in islice(override.sweep_string_iterator(), most))
        if not count:  # of a glob
            choices = GlobalHydra.instance().config_loader().get_group_options(key)
            why = nearest(key, choices) if choices else "glob lists a group's choices, and this key is no group"
            raise InputError(f"{line}: it matches nothing; {why}")
        return count
    start, stop, step = (cast(float, number) for number in (listed.start, listed.stop, listed.step))
    if not all(map(math.isfinite, (start, stop, step))):
        raise InputError(f"{line}: a range has finite numbers")
    if step == 0:
        raise InputError(f"{line}: the step of a range can't be 0")
    count = sum(1 for _ in islice(listed.range(), most))
    if not count:
        way = f"counts {'up' if step > 0 else 'down'} from {start} and stops before {stop}"
        hint = f"; did you mean 'range({start},{stop},{-step})'?" if start != stop else ""
        raise InputError(f"{line}: it lists no value, as it {way}{hint}")
    return count


def _refuse_more(count: int, most: int, what: str, *, at_least: bool = False) -> None:
    if count > max(most, 1):
        text = f"these are {'at least ' * at_least}{count:,} jobs{what}, more than {most:,}"
        raise InputError(f"sweep.max_jobs: {text}; raise it, up to {MOST_JOBS:,}, if that is meant")
