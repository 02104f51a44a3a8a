"""What overrides of a task mean to Hydra: a key that its config didn't list is one, and a task that goes leaves labels.

A label of a task that `~tasks.<task>` takes out stays one: it becomes no feature of the others.
"""

import re
from collections.abc import Sequence
from copy import copy
from typing import Any

from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict

from mtl_cli.composition.hydra_private import apply_overrides, apply_overrides_by
from mtl_cli.errors import InputError, closest
from mtl_cli.tasks import KINDS

_KEYS = {key for kind in KINDS for key in kind.model_fields}


def _apply_to_tasks(overrides: Sequence[Override], config: DictConfig) -> None:
    """Applies overrides; notes in `data.dropped_labels` which columns are labels of tasks that they delete."""
    dropped: list[str] = []
    for override in overrides:
        _refuse_misspelt(override, config)
        deleted = re.fullmatch(r"tasks\.(\w+)", override.key_or_group) if override.is_delete() else None
        if deleted:
            dropped += _columns(config, deleted[1])
        apply_overrides([_adding(override, config)], config)
    known: Any = OmegaConf.select(config, "data.dropped_labels")
    if dropped and known is not None:
        with open_dict(config):
            config.data.dropped_labels = list(dict.fromkeys([*known, *dropped]))


def _refuse_misspelt(override: Override, config: DictConfig) -> None:
    """Refuses an override of a task that there isn't, where there is one with nearly its name.

    Raises:
        InputError: It is one.
    """
    key, tasks = override.key_or_group, OmegaConf.select(config, "tasks")
    named = re.match(r"tasks\.(\w+)", key)
    if named is None or override.is_add() or not OmegaConf.is_dict(tasks) or named[1] in tasks:
        return
    meant = closest(named[1], [str(task) for task in tasks])
    if meant is not None:
        more = "" if override.is_delete() else " A new task's key needs a plus"
        raise InputError(f"{key}: there is no task {named[1]!r}; did you mean {meant!r}?{more}")


def _adding(override: Override, config: DictConfig) -> Override:
    """Returns an override of a key that a task can have and its config doesn't list as one that adds it."""
    key = re.fullmatch(r"tasks\.(\w+)\.(\w+)", override.key_or_group)
    if override.type != OverrideType.CHANGE or key is None or key[2] not in _KEYS:
        return override
    task: Any = OmegaConf.select(config, f"tasks.{key[1]}")
    if not OmegaConf.is_dict(task) or key[2] in task:
        return override
    adding = copy(override)
    adding.type = OverrideType.ADD
    return adding


def _columns(config: DictConfig, task: str) -> list[str]:
    column: Any = OmegaConf.select(config, f"tasks.{task}.column") or task
    return [str(each) for each in column] if OmegaConf.is_list(column) else [str(column)]


def read_task_overrides() -> None:
    """Has Hydra read them so."""
    apply_overrides_by(_apply_to_tasks)
