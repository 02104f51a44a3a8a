"""Which run a verb is about, where what it was given is several, or has several in it."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from mtl_cli.comparison.comparison import Comparison
from mtl_cli.comparison.results import Results, is_run, is_sweep, job_folders
from mtl_cli.errors import InputError
from mtl_cli.paths import check_folder
from mtl_cli.terminal.formatting import format_number
from mtl_cli.untrusted.escaping import SHOWN, printable, shown
from mtl_cli.untrusted.files import summary_in

NEWEST: Final = 5
"""Runs that a message names."""


def only(folders: Sequence[Path], key: str) -> Path:
    """Returns the folder that was given, without links.

    Raises:
        InputError: It isn't there, or there are several.
    """
    found = list(dict.fromkeys(check_folder(folder, key) for folder in folders))
    if len(found) > 1:
        raise InputError("\n".join(_choose(f"{key}: these are {len(found):,} folders, and it takes one", found)))
    return found[0]


def refuse_folder_of_runs(folder: Path, key: str) -> None:
    """Refuses a folder with runs or sweeps in it, and says which the newest are.

    Raises:
        InputError: There is one.
    """
    found = list(_runs_in(folder))
    if found:
        counted = f"{len(found):,} runs or sweeps" if len(found) > 1 else "one"
        raise InputError("\n".join(_choose(f"{key}: {shown(folder)} is no run, but has {counted} in it", [folder])))


def refuse_sweep(folder: Path, key: str) -> None:
    """Refuses a sweep, and says which of its jobs one would take.

    Raises:
        InputError: It is one.
    """
    if not is_sweep(folder):
        return
    comparison = Comparison(Results(folder).read())
    lines, best = (
        [f"{key}: {shown(folder)} is a sweep of {len(comparison.results):,} jobs; say which one"],
        comparison.best_job,
    )
    if best is not None:
        value = f"{comparison.objective_name} {format_number(comparison.objective(best))}"
        middle = "of the best setting, by its table, the seed in the middle"
        which = middle if comparison.takes_middle_seed else "the best one, by its table"
        lines.append(f"  {which}: {shown(folder / best.name)} ({value}, {_short(best.overrides)})")
    if comparison.unfinished and (folder / "multirun.yaml").is_file():
        lines.append(f"  it isn't finished; this goes on with it: mtl-train resume {shlex.quote(shown(folder))}")
    raise InputError("\n".join(lines))


def _choose(refused: str, folders: Iterable[Path]) -> Iterator[str]:
    """Yields a message that names the newest runs and sweeps in some folders."""
    found = [run for folder in folders for run in _runs_in(folder)]
    newest = sorted(found, key=lambda run: run.stat().st_mtime, reverse=True)[:NEWEST]
    yield refused + ("; the newest are" if len(found) > 1 else ":" if found else "")
    yield from (f"  {shown(run)}: {_described(run)}" for run in newest)


def _runs_in(folder: Path) -> Iterator[Path]:
    """Yields the runs and sweeps at or below a folder; a sweep's jobs are parts of it."""
    if is_run(folder) or is_sweep(folder):
        yield folder
        return
    sweeps = set[Path]()
    for run in job_folders(folder):
        above = [each for each in run.relative_to(folder).parents if is_sweep(folder / each)]
        whole = folder / above[-1] if above else run
        if whole not in sweeps:
            yield whole
        sweeps |= {whole} if above else set()


def _described(folder: Path) -> str:
    """Returns what a run or a sweep came to."""
    if is_sweep(folder):
        with suppress(InputError):
            states = [result.finished for result in Results(folder).read()]
            return f"a sweep of {len(states):,} jobs, {sum(states):,} finished"
        return "a sweep"
    summary = summary_in(folder)
    if summary is None:
        return "a run that hasn't ended"
    said = [str(summary["status"])]
    if "iterations" in summary:
        said.append(f"{summary['iterations']:,} iterations")
    if summary.get("objective") is not None:
        said.append(
            f"{(summary.get('config') or {}).get('objective', 'val_loss')} {format_number(summary['objective'])}"
        )
    return printable(", ".join([*said, _short(summary.get("overrides") or [])]))


def _short(overrides: Sequence[str]) -> str:
    text = printable(" ".join(overrides)) or "the defaults"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
