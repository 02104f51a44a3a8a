"""Tasks that an override takes out of a config: the columns of their labels stay labels, and become no features."""

import re
from collections.abc import Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

_apply = ConfigLoaderImpl._apply_overrides_to_config


def _noting(overrides: Sequence[Override], config: DictConfig) -> None:
    """Applies overrides, and notes in `data.dropped_labels` which columns are labels of tasks that they delete."""
    dropped = [
        column
        for override in overrides
        if override.is_delete() and (task := re.fullmatch(r"tasks\.(\w+)", override.key_or_group))
        for column in _columns(config, task[1])
    ]
    _apply(list(overrides), config)
    known: Any = OmegaConf.select(config, "data.dropped_labels")
    if dropped and known is not None:
        with open_dict(config):
            config.data.dropped_labels = list(dict.fromkeys([*known, *dropped]))


def _columns(config: DictConfig, task: str) -> list[str]:
    column: Any = OmegaConf.select(config, f"tasks.{task}.column") or task
    return [str(each) for each in column] if OmegaConf.is_list(column) else [str(column)]


def note_dropped_tasks() -> None:
    """Has Hydra note them where it applies overrides."""
    ConfigLoaderImpl._apply_overrides_to_config = staticmethod(_noting)  # type: ignore[assignment]
