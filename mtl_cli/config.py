"""The typed, frozen config of a run, and the messages for what is wrong with one. Imports no TensorFlow."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

import mtl_cli.data
import mtl_cli.models
import mtl_cli.modes
import mtl_cli.optimizers
import mtl_cli.sampling
import mtl_cli.schedules
import mtl_cli.weighting
from mtl_cli.config_errors import describe
from mtl_cli.data.base import Data
from mtl_cli.errors import InputError, nearest
from mtl_cli.families import any_of, members
from mtl_cli.models.base import Model
from mtl_cli.modes.base import Mode
from mtl_cli.optimizers.adam import Adam
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.sampling.base import Sampling
from mtl_cli.schedules.base import Schedule
from mtl_cli.settings import Balance, Cosmetic, Extends, Host, Repeat, Rollback, Settings, Undrawn
from mtl_cli.tasks import MOST_TASKS, TASK_NAME, AnyTask, Count, Task
from mtl_cli.weighting.base import Weighting

FAMILIES: Mapping[str, tuple[type[Settings], ...]] = {
    "data": members(mtl_cli.data, Data),
    "model": members(mtl_cli.models, Model),
    "mode": members(mtl_cli.modes, Mode),
    "weighting": members(mtl_cli.weighting, Weighting),
    "sampling": members(mtl_cli.sampling, Sampling),
    "optimizer": tuple(sorted(members(mtl_cli.optimizers, Optimizer), key=lambda cls: cls is not Adam)),
}
"""The members of every config group that has them. The first is the one that a message suggests."""
GROUPS: Mapping[str, tuple[type[Settings], ...]] = {
    **FAMILIES,
    "optimizer/schedule": members(mtl_cli.schedules, Schedule),
}
"""Those of groups within groups too."""

if TYPE_CHECKING:
    AnyData: TypeAlias = Data
    AnyModel: TypeAlias = Model
    AnyMode: TypeAlias = Mode
    AnyWeighting: TypeAlias = Weighting
    AnySampling: TypeAlias = Sampling
    AnyOptimizer: TypeAlias = Optimizer
    AnyTaskKind: TypeAlias = Task
else:
    AnyData, AnyModel, AnyMode = any_of(FAMILIES["data"]), any_of(FAMILIES["model"]), any_of(FAMILIES["mode"])
    AnyWeighting, AnySampling = any_of(FAMILIES["weighting"]), any_of(FAMILIES["sampling"])
    AnyOptimizer, AnyTaskKind = any_of(FAMILIES["optimizer"]), AnyTask

RESTORABLE_STEPS = 10_000
"""`checkpoint.every_steps` of runs that go back to a checkpoint where they diverge."""
RESERVED = {"joint"}
"""Task names that would clash with columns of losses.csv."""


class Eval(Settings):
    """When to look at the validation data."""

    every: Count = 500


class EarlyStopping(Settings):
    """When to give up."""

    patience: Annotated[Count | None, Extends()] = None


class Diagnostics(Settings):
    """What is looked into."""

    every: Count | None = None


class Checkpoint(Settings):
    """When a run's whole state is saved, and how many of these files are kept."""

    every: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 60.0
    every_steps: Count | None = None
    keep: Count = 2


MOST_JOBS: Final = 100_000
"""Of a sweep: they are composed, some 400 a second, before the first one trains."""


class Sweep(Settings):
    """How the jobs of a sweep are trained."""

    runs_at_once: Count | None = None
    baselines: bool = False
    dry_run: bool = False
    fail_fast: bool = False
    test_for_all: bool = False
    max_jobs: Annotated[Count, Field(le=MOST_JOBS)] = 1000


def _seconds(given: Any) -> Any:
    """Returns a duration in seconds.

    >>> _seconds("1h30m"), _seconds("45s"), _seconds(90)
    (5400.0, 45.0, 90)
    """
    if not isinstance(given, str):
        return given
    found = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", given)
    if not found or not given:
        raise ValueError(f"a duration is a number of seconds, or like 2h, 90m, 1d12h, 45s; got {given!r}")
    return float(sum(int(count or 0) * unit for count, unit in zip(found.groups(), (86400, 3600, 60, 1), strict=True)))


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0, allow_inf_nan=False)]
"""In seconds."""


class Log(Settings):
    """What is written, and what is shown."""

    every: Count = 1
    console: Literal["auto", "progress", "lines", "quiet"] = "auto"


class Config(Settings):
    """A run, as composed from `conf/` and the command line."""

    name: Annotated[str, Field(min_length=1, max_length=200), Cosmetic(), Undrawn()] = "mtl"
    seed: Annotated[int, Field(ge=0, lt=2**63), Repeat()] = 0
    steps: Annotated[Count, Extends()] = 10000
    batch_size: Count = 10
    tasks: dict[str, AnyTaskKind]
    data: Annotated[AnyData, Host()]
    model: AnyModel
    mode: AnyMode
    weighting: Annotated[AnyWeighting, Balance()]
    sampling: Annotated[AnySampling, Balance(), Host()]
    optimizer: Annotated[AnyOptimizer, Undrawn()]
    eval: Annotated[Eval, Undrawn(), Host()] = Eval()
    objective: Annotated[str, Host()] = "val_loss"
    early_stopping: Annotated[EarlyStopping, Host()] = EarlyStopping()
    diagnostics: Annotated[Diagnostics, Host()] = Diagnostics()
    checkpoint: Annotated[Checkpoint, Rollback()] = Checkpoint()
    max_time: Annotated[Duration | None, Cosmetic()] = None
    on_divergence: Annotated[Literal["fail", "restore"], Host()] = "fail"
    sweep: Annotated[Sweep, Cosmetic(), Undrawn()] = Sweep()
    log: Annotated[Log, Cosmetic(), Undrawn()] = Log()
    device: Annotated[Literal["auto", "cpu", "gpu"], Cosmetic(), Undrawn()] = "auto"

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\- ]*", name):
            raise ValueError(f"{name!r} can't be a folder's name: use letters, digits, '_', '-', '.' and spaces")
        return name

    @field_validator("tasks", mode="before")
    @classmethod
    def _check_task_names(cls, tasks: Any) -> Any:
        if not isinstance(tasks, dict):
            raise ValueError(f"these are the tasks by name, as '+tasks.price.kind=regression' adds one, got {tasks!r}")
        if not tasks:
            raise ValueError("there must be at least one task, e.g. '+tasks.price.kind=regression'")
        if len(tasks) > MOST_TASKS:
            raise ValueError(f"these are {len(tasks):,} tasks, and one network learns {MOST_TASKS:,} at most")
        for task in tasks:
            if not isinstance(task, str) or not TASK_NAME.fullmatch(task):
                raise ValueError(f"{task!r} is no task name: a letter followed by letters, digits or '_'")
            if task in RESERVED:
                raise ValueError(f"{task!r} can't be a task's name: losses.csv has a column of that name")
        return tasks

    @model_validator(mode="after")
    def _check_idle(self) -> Self:
        """Refuses a weighting or a sampling that the mode has no use for."""
        idle: dict[str, Weighting | Sampling] = {"weighting": self.weighting, "sampling": self.sampling}
        del idle[self.mode.chooser]
        for group, chosen in idle.items():
            if not chosen.neutral:
                raise ValueError(f"{group}: {chosen.name!r} {chosen.acts}; this run is mode={self.mode.name}")
        return self

    @model_validator(mode="after")
    def _check_probs(self) -> Self:
        """Refuses probabilities that the sampling has no use for."""
        trained = {name: task.prob for name, task in self.tasks.items() if task.prob != 0}
        for task, prob in trained.items():
            if prob is not None and abs(prob - 1 / len(trained)) > 1e-6 and not self.sampling.uses_prob:
                raise ValueError(
                    f"tasks.{task}.prob: {prob:g}, but sampling={self.sampling.name} has no use for it (other than 0, "
                    "which leaves a task out); choose sampling=fixed, or leave it null"
                )
        return self

    @model_validator(mode="after")
    def _fill_shares(self) -> Self:
        """Gives every task its weight and its probability: what is null shares what the given ones leave of 1."""
        weights = _shares({name: task.weight for name, task in self.tasks.items()}, "weight", must_sum=False)
        probs = _shares({name: task.prob for name, task in self.tasks.items()}, "prob", must_sum=True)
        filled = {
            name: task.model_copy(update={"weight": weights[name], "prob": probs[name]})
            for name, task in self.tasks.items()
        }
        object.__setattr__(self, "tasks", filled)
        return self

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        """Refuses weights that the weighting has no meaning for."""
        weights = {name: task.weight for name, task in self.tasks.items()}
        if is_unequal(weights) and not self.weighting.honours_weights:
            listed = ", ".join(f"tasks.{task}.weight={weight:g}" for task, weight in weights.items())
            raise ValueError(
                f"weighting: {self.weighting.name!r} finds its own weights and has no use for unequal ones ({listed}); "
                "leave them null, or take a weighting that honours them, as weighting=fixed does"
            )
        return self

    @model_validator(mode="after")
    def _check_objective(self) -> Self:
        choices = ["val_loss"]
        for name, task in self.tasks.items():
            choices += [f"val/{name}/{metric}" for metric in ("loss", *task.metric_names())]
        if self.objective not in choices:
            raise ValueError(
                f"objective: {self.objective!r} is neither val_loss nor val/<task>/<metric> (test data takes no part "
                f"in choosing); {nearest(self.objective, choices)}"
            )
        return self

    def checkpoints(self) -> Checkpoint:
        """Returns when they are due: by iterations alone where a run may go back to one, so that it can be repeated."""
        if self.on_divergence == "fail":
            return self.checkpoint
        return self.checkpoint.model_copy(
            update={"every": None, "every_steps": self.checkpoint.every_steps or RESTORABLE_STEPS}
        )


def is_unequal(given: Mapping[str, float | None]) -> bool:
    """Tells whether tasks' weights differ, once the nulls share what the others leave of 1.

    >>> is_unequal({"y1": 0.5, "y2": None}), is_unequal({"y1": 0.3, "y2": None})
    (False, True)

    Raises:
        ValueError: They are no weights.
    """
    weights = _shares(given, "weight", must_sum=False).values()
    return max(weights) - min(weights) > 1e-6 * max(weights)


def _shares(given: Mapping[str, float | None], key: str, *, must_sum: bool) -> dict[str, float]:
    """Returns every task's share, from the given ones and the nulls.

    >>> _shares({"y1": 0.3, "y2": None}, "prob", must_sum=True)
    {'y1': 0.3, 'y2': 0.7}
    """
    total = sum(share for share in given.values() if share is not None)
    nulls = [task for task, share in given.items() if share is None]
    listed = " + ".join(f"{share:g}" for share in given.values() if share is not None)
    summed = f"{listed} = {total:g}" if " " in listed else listed
    if nulls:
        rest = 1.0 - total
        if rest < -1e-6 or (rest <= 1e-6 and must_sum) or rest <= 0:
            raise ValueError(
                f"tasks.*.{key}: tasks without one share what the given ones leave of 1, and {summed} "
                f"{'leaves' if summed == listed else 'leave'} nothing of 1 for {', '.join(nulls)}; give less, or set "
                f"tasks.{nulls[0]}.{key}"
            )
        return {task: rest / len(nulls) if share is None else share for task, share in given.items()}
    if must_sum and abs(total - 1.0) > 1e-6:
        raise ValueError(f"tasks.*.{key}: the probabilities {summed} must add up to 1, or leave one null")
    if total <= 0:
        raise ValueError(f"tasks.*.{key}: all are 0; at least one must be above 0")
    return {task: share for task, share in given.items() if share is not None}


def parse(plain: Mapping[str, Any]) -> Config:
    """Returns the config of a plain dict, as composed by Hydra.

    Raises:
        InputError: Something in it is wrong; the message has a line for each thing.
    """
    try:
        return Config.model_validate(dict(plain))
    except ValidationError as error:
        lines = dict.fromkeys(describe(Config, detail) for detail in error.errors())
        raise InputError("\n".join(lines)) from None
