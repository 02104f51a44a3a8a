"""Where a run in a folder goes on: at the newest checkpoint that can be used, with what was on disk then."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat

from mtl_cli.backend import keras
from mtl_cli.config import parse
from mtl_cli.errors import InputError
from mtl_cli.identity import changes, decisive
from mtl_cli.run_folder.atomic_files import Mark, holds, refuse_odd
from mtl_cli.run_folder.checkpoints import Snapshot, snapshots
from mtl_cli.step.draws import Draws
from mtl_cli.training.progress import Progress

SPARE_BYTES: Final = 2**26
"""The most that a checkpoint has beside the state and the best parameters."""


def put_back(
    folder: Path,
    progress: Progress,
    draws: Draws,
    steps: int,
    about: Mapping[str, Any],
    growing: Collection[str],
    say: Callable[[str], None],
) -> dict[str, Mark]:
    """Goes to the newest checkpoint in a run's folder that can be used, if there is one.

    Args:
        folder: The run's.
        progress: That of a run which hasn't begun; set to what it was.
        draws: The run's, likewise.
        steps: How many iterations the run is to have.
        about: The config, and what else results depend on.
        growing: The names of the files that grow as it trains.
        say: Told which files can't be used, and what differs from when the checkpoint was written.

    Returns:
        How far each file was whole then; nothing where the run begins at its first iteration.

    Raises:
        InputError: A checkpoint is whole, and isn't one that this command wrote for such a run, with this config.
    """
    refuse_odd(folder)
    faults: list[str] = []
    for snapshot in snapshots(folder, faults, most_bytes=SPARE_BYTES + 2 * _bytes(progress.state)):
        try:
            _Rest.model_validate(snapshot.rest)
            if set(snapshot.rest["files"]) != set(growing):
                raise ValueError(f"its files are {', '.join(snapshot.rest['files'])}")
            _refuse_other(folder, snapshot, steps, about)
            fault = _fault(folder, snapshot)
            if fault is None:
                progress.put_back(snapshot, draws)
                for line in faults + _differences(snapshot.rest["about"], about):
                    say(line)
                say(f"going on from iteration {progress.iterations:,}")
                return {name: Mark(*mark) for name, mark in snapshot.rest["files"].items()}
        except InputError:
            raise
        except Exception as error:
            what = f"{folder}: its checkpoint of iteration {snapshot.iterations} is of no run like this"
            raise InputError(f"{what} ({' '.join(str(error).split())[:200]})") from error
        faults.append(fault)
    for line in faults:
        say(line)
    if faults:
        say("beginning again at the first iteration")
    return {}


def _refuse_other(folder: Path, snapshot: Snapshot, steps: int, about: Mapping[str, Any]) -> None:
    """Refuses to go on from, or to begin again over, what another config came to."""
    if snapshot.iterations > steps:
        raise InputError(f"steps: {steps} is less than the {snapshot.iterations} iterations that {folder} has")
    before = snapshot.rest["about"]["config"]
    with suppress(InputError):  # keys that are newer than the run have their defaults
        before = decisive(parse(before))
    changed = changes(before, about["config"])
    if changed:
        what = f"{folder}: its checkpoint of iteration {snapshot.iterations} is of a run with another config"
        raise InputError(f"{what} ({'; '.join(changed)}); train this one in another folder")


def _fault(folder: Path, snapshot: Snapshot) -> str | None:
    """Returns why a checkpoint can't be used."""
    iterations, rest = snapshot.iterations, snapshot.rest
    for name, mark in rest["files"].items():
        if not holds(folder / name, Mark(*mark)):
            return f"{folder / name} isn't what it was at iteration {iterations}"
    return None


def _bytes(tensors: Any) -> int:
    return sum(prod(tensor.shape) * tensor.dtype.size for tensor in keras.tree.flatten(tensors))


_Whole = Annotated[int, Field(ge=0, lt=2**63)]


class _Rest(BaseModel):
    """What a checkpoint holds beside tensors; others may have made it."""

    model_config = ConfigDict(strict=True)

    seconds: NonNegativeFloat
    best_iteration: _Whole | None
    objective: float | None
    val: dict[str, dict[str, float]]
    picks: dict[str, _Whole]
    waited: _Whole
    rate: PositiveFloat
    restored: list[dict[str, int | float | str]]
    files: dict[str, Annotated[list[_Whole], Field(min_length=2, max_length=2)]]
    draws: dict[str, Any]
    about: dict[str, Any]


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns how what results depend on, beside the config, differs from what was recorded; a line each.

    >>> differences({"versions": {"keras": "3.1"}}, {"versions": {"keras": "3.2"}})
    ['keras was 3.1 and is 3.2']
    """
    lines = []
    for key in ("versions", "data"):
        before, after = (part if isinstance(part, dict) else {} for part in (recorded.get(key), now.get(key)))
        lines += [
            f"{name} was {before.get(name, 'not there')} and is {after.get(name, 'not there')}"
            for name in dict.fromkeys([*before, *after])
            if before.get(name) != after.get(name)
        ]
    if recorded.get("device") != now.get("device"):
        lines.append(f"the device was {recorded.get('device')} and is {now.get('device')}")
    return lines


def _differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [f"{line}: the numbers may differ from those without an interruption" for line in differences(recorded, now)]
