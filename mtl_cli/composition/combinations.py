"""Which of a sweep's overrides mean something to each of its jobs.

A key that the job's choice of a group doesn't have, and another choice in the sweep has, is left out of the job's
overrides: `weighting=fixed,cagrad weighting.c=0.2,0.5` makes three jobs. Unequal weights of tasks are null where the
job's weighting finds its own, and another one in the sweep honours them. The schema tells: a choice that is a file of
the user's own keeps everything, and nothing is left out of other jobs for it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from mtl_cli.composition.interpolations import bounded
from mtl_cli.composition.resolve import as_typed
from mtl_cli.config import GROUPS, is_unequal
from mtl_cli.settings import Settings
from mtl_cli.weighting.base import Weighting

_WEIGHT: Final = re.compile(r"tasks\.\w+\.weight")
_NAMED: Final = 5
"""Choices that are named; the rest are counted."""


def overrides_of(sweep: DictConfig) -> list[str]:
    """Returns what makes a sweep's jobs: the overrides that a config has for its sweeper, and the typed ones."""
    params: Any = sweep.hydra.sweeper.get("params") or {}
    return [*(f"{key}={value}" for key, value in params.items()), *as_typed(sweep.hydra.overrides.task)]


def apart(loader: ConfigLoader, lines: Sequence[str]) -> list[str]:
    """Returns a sweep's overrides, with a sweep of one value for each key that not all choices of a swept group have.

    Hydra would set a plain value in the sweep's own config too, whose choice may be yet another one.
    """
    overrides = OverridesParser.create(loader).parse_overrides(list(lines))
    classes = [(group, cls) for group in _swept(overrides) for cls in GROUPS[group]]
    return [
        f"{override.get_key_element()}=choice({override.get_value_element_as_str()})"
        if not (override.is_sweep_override() or override.is_delete())
        and any(_lacks(cls, group, override.key_or_group) for group, cls in classes)
        else line
        for line, override in zip(lines, overrides, strict=True)
    ]


class Combinations:
    """The combinations of a sweep's values that make sense."""

    def __init__(self, loader: ConfigLoader, sweep: DictConfig) -> None:
        """Takes Hydra's loader, and the sweep's own config."""
        self._sweep = sweep
        choices = [line for line in overrides_of(sweep) if _key(line) in GROUPS]
        self._swept = _swept(OverridesParser.create(loader).parse_overrides(choices))
        self._left_out: dict[tuple[str, str], dict[str, None]] = {}

    def of(self, jobs: Sequence[Sequence[str]]) -> list[list[str]]:
        """Returns the jobs with what means something to them; those that become equal by that are there once."""
        if not self._swept:
            return list(map(list, jobs))
        idle = any(map(self._has_idle_weights, jobs))
        sensible = [self._sensible(job, finds_weights=idle and self._finds_weights(job)) for job in jobs]
        changed = {tuple(after) for before, after in zip(jobs, sensible, strict=True) if after != list(before)}
        seen: set[tuple[str, ...]] = set()
        kept = []
        for job in sensible:
            if tuple(job) not in seen:
                kept.append(job)
            if tuple(job) in changed:
                seen.add(tuple(job))
        return kept

    def of_job(self, job: Sequence[str]) -> list[str]:
        """Returns what of a single job means something to it."""
        return self.of([job])[0]

    def left_out(self) -> str:
        """Returns in a line what was left out of which jobs; nothing if that is nothing."""
        keys: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for (key, group), choices in self._left_out.items():
            keys[group, *choices].append(key)
        parts = []
        for (group, *names), of_place in keys.items():
            more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
            parts.append(f"{', '.join(of_place)} where {group}={','.join(names[:_NAMED])}{more}")
        return f"left out, as it means nothing there: {'; '.join(parts)}" if parts else ""

    def _sensible(self, job: Sequence[str], *, finds_weights: bool) -> list[str]:
        kept = [line for line in job if not self._is_foreign(_key(line), job)]
        if not finds_weights:
            return kept
        given = [key for key, weight in self._weights.items() if weight is not None]
        lines = [*kept, *(key for key in given if key not in map(_key, kept))]
        ((choice, _),) = self._chosen(job, "weighting")
        for key in filter(_WEIGHT.fullmatch, map(_key, lines)):
            self._left_out.setdefault((key, "weighting"), {})[choice] = None
        return [f"{line.partition('=')[0]}=null" if _WEIGHT.fullmatch(_key(line)) else line for line in lines]

    def _is_foreign(self, key: str, job: Sequence[str]) -> bool:
        """Tells whether a job's choice of a group doesn't have a key, and another choice in the sweep does."""
        for group, choices in self._swept.items():
            for choice, cls in self._chosen(job, group):
                if _lacks(cls, group, key) and not all(_lacks(other, group, key) for other in choices.values()):
                    self._left_out.setdefault((key, group), {})[choice] = None
                    return True
        return False

    def _chosen(self, job: Sequence[str], group: str) -> Iterator[tuple[str, type[Settings]]]:
        """Yields a job's choice of a group, with its class, if the group is swept and the choice is in the schema."""
        choices = self._swept.get(group, {})
        for line in job:
            key, _, choice = line.partition("=")
            if key == group and choice in choices:
                yield choice, choices[choice]

    def _finds_weights(self, job: Sequence[str]) -> bool:
        """Tells whether a job's weighting has no use for weights, and another one in the sweep has."""
        honours = [_honours_weights(cls) for cls in self._swept.get("weighting", {}).values()]
        return any(honours) and any(not _honours_weights(cls) for _, cls in self._chosen(job, "weighting"))

    def _has_idle_weights(self, job: Sequence[str]) -> bool:
        """Tells whether a job has unequal weights that its weighting has no use for, and another one in the sweep."""
        if not self._finds_weights(job):
            return False
        given = {_key(line): line.partition("=")[2] for line in job if _WEIGHT.fullmatch(_key(line))}
        try:
            own = {key: None if value == "null" else float(value) for key, value in given.items()}
            return is_unequal(self._weights | own)
        except (TypeError, ValueError):  # the job is refused for it
            return False

    @cached_property
    def _weights(self) -> dict[str, float | None]:
        """The weights in the sweep's own config, by key."""
        tasks: Any = OmegaConf.select(self._sweep, "tasks")
        named = tasks.items() if OmegaConf.is_dict(tasks) else ()
        with bounded():
            return {f"tasks.{name}.weight": task.get("weight") for name, task in named if OmegaConf.is_dict(task)}


def _swept(overrides: Sequence[Override]) -> dict[str, dict[str, type[Settings]]]:
    """Returns the groups that are swept, with their choices and what those are in the schema."""
    found: dict[str, dict[str, type[Settings]]] = {}
    for override in overrides:
        group = override.key_or_group
        if group in GROUPS and override.is_choice_sweep():
            classes = {str(cls.model_fields["name"].default): cls for cls in GROUPS[group]}
            found[group] = {name: classes[name] for name in override.sweep_string_iterator() if name in classes}
    return found


def _honours_weights(cls: type[Settings]) -> bool:
    return issubclass(cls, Weighting) and cls.honours_weights


def _lacks(cls: type[Settings], group: str, key: str) -> bool:
    """Tells whether a key stands below a group, and a choice of it hasn't got it.

    >>> from mtl_cli.weighting.cagrad import CaGrad
    >>> [_lacks(CaGrad, "weighting", key) for key in ("weighting.c", "weighting.alpha", "steps")]
    [False, True, False]
    """
    below = f"{group.replace('/', '.')}."
    return key.startswith(below) and key.removeprefix(below).partition(".")[0] not in cls.model_fields


def _key(line: str) -> str:
    return line.lstrip("+~").partition("=")[0]
