"""What Hydra composed, as plain Python; and what it found wrong, in words."""

import re
from typing import Any

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mtl_cli.config import Config
from mtl_cli.errors import InputError, nearest
from mtl_cli.interpolations import bounded
from mtl_cli.messages import suggest


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


def hydra_message(error: Exception) -> str:
    """Returns what Hydra found wrong, with the nearest valid choice."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}: there is no choice {choice!r}; {nearest(choice, error.options)}"
    first = str(error).strip().partition("\n")[0]
    key = re.match(r"Could not override '([^']+)'", first)
    if key:
        return f"{key[1]}: there is no such key; {suggest(Config, key[1])}"
    if isinstance(error, OverrideParseException):
        return f"can't read the override {error.override!r}: quote values with spaces or other special characters"
    if first.startswith("Ambiguous value"):
        return f"{first}: several values need -m (a sweep), a list needs brackets"
    place = re.search(r"full_key: (\S+)", str(error))
    cause = str(error.__cause__).partition("\n")[0] if error.__cause__ and not place else ""
    return (f"{place[1]}: " if place else "") + first + (f": {cause}" if cause else "")
