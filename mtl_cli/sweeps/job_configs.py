"""Composes the configs of a sweep's jobs: once for each set of overridden keys, and from there on by their values.

Hydra composes a job's config from all its files, 0.05 - 0.1 s each. Jobs of a grid mostly differ in plain values of the
same keys, which can be set in a config that is there already. That the result is the same is checked where it is
first done for a set of keys: if it isn't, Hydra composes them all.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from mtl_cli.composition.hydra_private import get_overrides_dirname

Shape = tuple[str, ...]
"""What jobs must have in common: their overridden keys, and the overrides that aren't plain values."""


class Composer:
    """Composes jobs of one sweep."""

    def __init__(self, loader: ConfigLoader, sweep: DictConfig) -> None:
        """Takes Hydra's loader, and the sweep's own config."""
        self._loader = loader
        self._sweep = sweep
        self._parser = OverridesParser.create(loader)
        self._composed: dict[Shape, DictConfig] = {}
        self._checked: dict[Shape, bool] = {}
        self._groups: dict[str, bool] = {}
        """Which keys are config groups."""

    def __call__(self, job: Sequence[str]) -> DictConfig:
        """Returns the job's config, as `load_sweep_config` does; it may hold until the next call only."""
        overrides = self._parser.parse_overrides(list(job))
        shape = self._shape(overrides)
        known = self._composed.get(shape)
        if known is None or self._checked.get(shape) is False:
            self._composed[shape] = self._loader.load_sweep_config(self._sweep, list(job))
            return self._composed[shape]
        self._set(known, overrides)
        if shape not in self._checked:
            by_hydra = self._loader.load_sweep_config(self._sweep, list(job))
            self._checked[shape] = _comparable(known) == _comparable(by_hydra)
            if not self._checked[shape]:
                self._composed[shape] = by_hydra
        return self._composed[shape]

    def _shape(self, overrides: Sequence[Override]) -> Shape:
        return tuple(
            override.key_or_group if self._is_plain(override) else str(override.input_line) for override in overrides
        )

    def spare(self, jobs: Iterable[Sequence[str]]) -> None:
        """Spares Hydra's sweeper to compose these jobs once more to see whether it can, which has been seen."""
        seen, compose = {tuple(job) for job in jobs}, self._loader.load_sweep_config

        def load_sweep_config(master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
            if tuple(sweep_overrides) not in seen:
                return compose(master_config, sweep_overrides)
            seen.remove(tuple(sweep_overrides))
            return master_config

        self._loader.load_sweep_config = load_sweep_config  # type: ignore[method-assign]

    def _is_plain(self, override: Override) -> bool:
        """Tells whether the override sets a key that is there to a number, true, false or null."""
        changes = not (override.is_add() or override.is_force_add() or override.is_delete())
        plain = not isinstance(override.value(), dict | list | str)
        if not (changes and plain) or override.package is not None or override.is_hydra_override():
            return False
        key = override.key_or_group
        if key not in self._groups:
            self._groups[key] = bool(self._loader.get_group_options(key))
        return not self._groups[key]

    def _set(self, config: DictConfig, overrides: Sequence[Override]) -> None:
        OmegaConf.set_readonly(config.hydra, False)  # a job that has begun made it so
        for override in filter(self._is_plain, overrides):
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        own = [override for override in overrides if not override.is_hydra_override()]
        config.hydra.overrides.task = [override.input_line for override in own]
        style = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(own, style.exclude_keys, style.item_sep, style.kv_sep)


def _comparable(config: DictConfig) -> str:
    """Returns the config as text, without what a job that began with it has filled in."""
    whole: Any = OmegaConf.to_container(config)
    whole["hydra"]["runtime"].pop("output_dir")
    for key in ("id", "num"):
        whole["hydra"]["job"].pop(key)
    return json.dumps(whole, default=str)
