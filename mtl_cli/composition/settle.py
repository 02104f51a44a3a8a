"""Settles Hydra's own part of a config: its interpolations are resolved once, where it is composed.

Hydra resolves interpolations each time it uses a value, and what they come to may change in between. So those very
values are looked at that Hydra gets.
"""

import os
import re
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from hydra.core.hydra_config import HydraConfig
from omegaconf import MISSING, DictConfig, OmegaConf, flag_override
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from mtl_cli.composition import resolve
from mtl_cli.composition.code_references import below, refuse_code
from mtl_cli.composition.hydra_errors import hydra_message
from mtl_cli.composition.hydra_private import content_of, node_of, set_content
from mtl_cli.errors import InputError

RETIRED: Final = "mtl_cli.main.Check"
"""A callback that sweeps recorded when it checked their configs; the command does that now."""
_TYPED: Final = ("run", "sweep", "job", "runtime")
"""Of Hydra's part, what has a type that it has to keep."""
_UNUSED: Final = {
    "run": ("job.override_dirname", "sweep.dir", "sweep.subdir"),
    "sweep": ("job.override_dirname", "run.dir", "sweep.subdir"),
    "job": ("job.override_dirname", "run.dir"),
}
"""Of it, what Hydra makes no use of in a run, in a sweep's own config and in that of its job."""
_TEXTS: Final = ("help", "hydra_help", "overrides")
"""Of Hydra's part, what it only prints or parses as it stands."""


def settle(config: DictConfig, typed: Sequence[str], overrides: int, kind: str) -> None:
    """Resolves Hydra's part of a composed config, and refuses one that names code, but for keys that were typed.

    What Hydra learns later alone stays an interpolation: a job's number, and the folder that is made of it. What the
    rest has of Hydra's part, as `${hydra:runtime.cwd}`, is resolved, so that it is what the run records.

    Args:
        config: The config, whose part `hydra` is changed.
        typed: The keys that were typed.
        overrides: How many overrides it was composed with.
        kind: `run`, `sweep`, or `job` of a sweep.

    Raises:
        InputError: It names code, or leaves the run's folder.
    """
    with flag_override(config, ["readonly", "struct"], False):
        if len(config.hydra.overrides.task) + len(config.hydra.overrides.hydra) != overrides:
            raise InputError("hydra.overrides: a config can't have overrides; they are typed")
        if OmegaConf.select(config, "hydra.callbacks.check._target_") == RETIRED:
            del config.hydra.callbacks.check
        later = _Later(config.hydra, output_dir=kind != "run")
        before, HydraConfig.instance().cfg = HydraConfig.instance().cfg, config  # type: ignore[assignment]
        try:
            for place in ("run", "sweep"):
                if isinstance(folder := _raw(config.hydra[place], "dir"), str):
                    config.hydra[place].dir = os.path.expanduser(folder)  # noqa: PTH111 (it may have interpolations)
            if kind == "run":
                config.hydra.runtime.output_dir = os.path.abspath(config.hydra.run.dir)  # noqa: PTH100 (as Hydra does)
            for part in config.hydra:
                if part not in _TEXTS:
                    _resolve(config.hydra, str(part), kind)
            if kind != "sweep":
                OmegaConf.register_new_resolver("hydra", partial(_of_hydra, later), replace=True)
                for key in config:
                    if key != "hydra":
                        _fix(config, key)
        except OmegaConfBaseException as error:
            resolve.plain(config)  # names the key, if it is one of the run's own that can't be resolved
            message = hydra_message(error)
            known = message if re.match(r"[\w.]+: ", message) else f"a value that Hydra itself needs: {message}"
            raise InputError(known) from error
        finally:
            HydraConfig.instance().cfg = before
        later.put_back()
    plain: Any = OmegaConf.to_container(config.hydra, resolve=False)
    for path, value in below("hydra", {key: part for key, part in plain.items() if key not in _TEXTS}):
        unused = path.removeprefix("hydra.") in _UNUSED[kind]
        if "${" in str(value) and not unused and not later.stays(path, str(value)):
            raise InputError(f"{path}: {value!r} has ${{ in it once it is resolved; Hydra would resolve it again")
    refuse_code(plain, typed)


def _of_hydra(later: "_Later", path: str) -> Any:
    """Returns what `${hydra:path}` stands for.

    Raises:
        InterpolationResolutionError: Hydra has no such key, or has no value for it as yet.
    """
    value = OmegaConf.select(HydraConfig.instance().cfg.hydra, path)  # type: ignore[union-attr]
    if value is None or later.hides(value):
        raise InterpolationResolutionError(
            f"${{hydra:{path}}} isn't known when a config is composed; what is, is hydra:runtime.cwd, for example"
        )
    return value


def _fix(container: Any, key: Any) -> None:
    """Puts values in the place of interpolations of Hydra's part."""
    node = node_of(container, key)
    raw = None if node is None else content_of(node)
    if OmegaConf.is_config(node):
        if not isinstance(raw, dict | list):  # it is null, missing or an interpolation
            return
        for inner in list(node) if OmegaConf.is_dict(node) else range(len(node)):
            _fix(node, inner)
        return
    if isinstance(raw, str) and "${" in raw and "hydra:" in raw:
        value = container[key]
        if "${" in str(value):
            raise InterpolationResolutionError(f"{raw} comes to {value}, which would be resolved again")
        container[key] = value


def _resolve(hydra: DictConfig, part: str, kind: str) -> None:
    """Resolves a part, but for what isn't used."""
    if OmegaConf.is_missing(hydra, part):
        return
    if part not in _TYPED:
        value: Any = hydra[part]
        hydra[part] = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        return
    kept = {key: _raw(hydra[part], key) for key in hydra[part] if f"{part}.{key}" in _UNUSED[kind]}
    for key in kept:
        hydra[part][key] = MISSING
    OmegaConf.resolve(hydra[part])
    for key, raw in kept.items():
        hydra[part][key] = raw


def _raw(node: Any, key: str) -> Any:
    """Returns a value as it stands, interpolations unresolved."""
    return content_of(node_of(node, key))


class _Later:
    """What Hydra learns later: numbers that occur nowhere else stand for it meanwhile."""

    def __init__(self, hydra: DictConfig, *, output_dir: bool) -> None:
        parts = [("job", "num"), ("job", "id"), *([("runtime", "output_dir")] if output_dir else [])]
        self._hydra = hydra
        self._stands_for = {10**17 + secrets.randbelow(10**17): part for part in parts}
        for number, (group, key) in self._stands_for.items():
            hydra[group][key] = number

    def put_back(self) -> None:
        """Makes interpolations of the numbers again, wherever they came to."""
        for group, key in self._stands_for.values():
            self._hydra[group][key] = MISSING
        self._replace(self._hydra)

    def _replace(self, node: Any) -> None:
        for key in node if OmegaConf.is_dict(node) else range(len(node)):
            inner = node_of(node, key)
            value = content_of(inner)
            if isinstance(value, str | int) and not isinstance(value, bool):
                text = str(value)
                for number, place in self._stands_for.items():
                    text = text.replace(str(number), f"${{hydra.{'.'.join(place)}}}")
                if text != str(value):
                    set_content(inner, text)
            elif OmegaConf.is_config(inner) and isinstance(value, dict | list):
                self._replace(inner)

    def hides(self, value: Any) -> bool:
        """Tells whether a value has one of the numbers in it."""
        return any(str(number) in str(value) for number in self._stands_for)

    def stays(self, path: str, text: str) -> bool:
        """Tells whether a text may have interpolations left: of what Hydra learns later, in the places for that."""
        left = text
        for place in self._stands_for.values():
            left = left.replace(f"${{hydra.{'.'.join(place)}}}", "")
        return "${" not in left and (path == "hydra.sweep.subdir" or path.rpartition(".")[2] == "filename")
