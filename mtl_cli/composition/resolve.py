"""The composed config as plain Python."""

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mtl_cli.composition.hydra_errors import hydra_message
from mtl_cli.composition.interpolations import bounded
from mtl_cli.errors import InputError


def as_typed(overrides: ListConfig | list[str]) -> list[str]:
    """Returns overrides as they were typed: their interpolations are those of the config that is composed of them."""
    typed: Any = OmegaConf.to_container(overrides, resolve=False)
    return list(typed)


def plain(composed: DictConfig) -> dict[str, Any]:
    """Returns the config without Hydra's part, as plain Python.

    Raises:
        InputError: A value can't be resolved.
    """
    try:
        with bounded():
            parts = {str(key): composed[key] for key in composed if key != "hydra"}
            values = {
                key: OmegaConf.to_container(part, resolve=True, throw_on_missing=True)
                if OmegaConf.is_config(part)
                else part
                for key, part in parts.items()
            }
    except OmegaConfBaseException as error:
        raise InputError(hydra_message(error)) from error
    return values
