"""Values of Hydra's own part of a config that may name code, and those of them that a file may have.

A config is composed of YAML files, which may come from anywhere, and of what was typed. Of Hydra's own part a file may
say what is harmless; what names a class, a command, a file elsewhere or a variable of the environment has to be typed.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import MISSING, OmegaConf

from mtl_cli.composition.hydra_private import BasicLauncher, BasicSweeper
from mtl_cli.errors import InputError
from mtl_cli.run_folder.atomic_files import CONFIGS


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__name__}"


_CLASSES: Final = {
    "launcher": (
        "hydra_plugins.mtl_launcher.SweepLauncher",
        _path(BasicLauncher),
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
        "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher",
    ),
    "sweeper": (
        _path(BasicSweeper),
        "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper",
    ),
}
"""The classes that a file may choose; others, also installed ones, are typed."""
_WORDS: Final = {
    "account", "batch_size", "comment", "constraint", "direction", "max_nbytes", "mem_per_cpu", "name", "nodelist",
    "exclude", "gres", "partition", "pre_dispatch", "qos", "study_name",
}  # fmt: skip
"""Keys of launchers and sweepers that a file may give a text: a name or a size, which becomes a line of a script."""
_WORD: Final = re.compile(r"[A-Za-z0-9_][\w.,:+@%*-]*", re.ASCII)
_COMMANDS: Final = {
    "setup", "python", "runtime_env", "srun_args", "additional_parameters", "custom_search_space"
}  # fmt: skip
"""Keys of launchers and sweepers that hold commands, options for them, or a function's name, whatever their type."""
LOG: Final = "train.log"
"""The file of a run's log; one of another name isn't looked for where a run is resumed."""
_HANDLERS: Final = ("logging.StreamHandler", "logging.FileHandler", "logging.NullHandler")
_STREAMS: Final = ("ext://sys.stdout", "ext://sys.stderr")
_LOGGING: Final = {
    "version", "disable_existing_loggers", "incremental", "formatters", "handlers", "loggers", "root", "level",
    "format", "datefmt", "style", "validate", "class", "()", "formatter", "filename", "stream", "mode", "encoding",
    "delay", "propagate", "log_colors",
}  # fmt: skip
"""Keys that a file may give the log's settings; what is below some of them has a name of its own."""
_NAMED: Final = ("formatters", "handlers", "loggers", "log_colors")
_PARTS: Final = (
    "callbacks", "launcher", "sweeper", "job_logging", "hydra_logging", "job.env_set", "job.name", "output_subdir",
    "verbose",
)  # fmt: skip
"""Of Hydra's part, what may name code or a file."""


def refuse_module(place: str) -> None:
    """Refuses a place of configs that Hydra would import a module for.

    Raises:
        InputError: It is one.
    """
    if "://" in place and not place.startswith("file://"):
        raise InputError(f"hydra.searchpath: {place} names code; only the command line can do that")


def refuse_code(plain: Mapping[str, Any], typed: Sequence[str]) -> None:
    """Refuses Hydra's part of a config, as plain values, where it names code and wasn't typed.

    Raises:
        InputError: It does.
    """
    subdir = str(plain["sweep"]["subdir"])
    if Path(subdir).is_absolute() or ".." in Path(subdir).parts:
        raise InputError(
            f"hydra.sweep.subdir: {subdir!r} leaves the sweep's folder; a job's is in there, as ${{hydra.job.num}} is"
        )
    for path, value in below("hydra", {part: plain.get(part) for part in ("help", "hydra_help")}):
        if not str(value).replace("\n", "").isprintable() and path not in typed:
            raise InputError(f"{path}: {str(value)[:60]!r} has a character that isn't printable")
    for path, value in _leaves(plain):
        if not _harmless(path, value, plain) and not any(f"{path}.".startswith(f"{key}.") for key in typed):
            raise InputError(f"{path}: {value!r} can name code, or leave the run's folder; a config can't do that")
    for name, settings in (plain["callbacks"] or {}).items():
        if not settings and not any(f"hydra.callbacks.{name}.".startswith(f"{key}.") for key in typed):
            raise InputError(f"hydra.callbacks.{name}: callbacks are code; a config can't do that")


def _leaves(plain: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields path and value of what may name code."""
    for part in _PARTS:
        group, _, key = part.partition(".")
        yield from below(f"hydra.{part}", plain[group].get(key) if key else plain.get(group))


def below(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yields path and value of each value in a nest of plain ones."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from below(f"{path}.{key}", inner)
    else:
        yield path, value


def _harmless(path: str, value: Any, plain: Mapping[str, Any]) -> bool:
    """Tells whether a file may hold this value of Hydra's."""
    parts, text = path.split("."), str(value)
    match parts[1]:
        case "callbacks":
            return False
        case "launcher" | "sweeper":
            return _harmless_plugin(parts, value, plain)
        case "output_subdir":
            return value in (None, CONFIGS)
        case "job" if parts[2] == "name":
            return re.fullmatch(r"[\w.-]+", text) is not None
        case "job":  # what hydra.job.env_copy has made of the environment may stay
            return bool(value == os.environ.get(parts[-1]))
        case "verbose":
            return isinstance(value, bool) or re.fullmatch(r"[\w.]+", text) is not None
        case "hydra_logging" if parts[-1] in ("filename", "mode"):  # it is opened before the folder is looked at
            return False
    return _harmless_log(parts[2:], value, str(plain["runtime"]["output_dir"]))


def _harmless_plugin(parts: Sequence[str], value: Any, plain: Mapping[str, Any]) -> bool:
    """Tells whether a file may hold this value of a launcher or sweeper."""
    kind, keys, key = parts[1], parts[2:], parts[-1]
    if keys == ["_target_"]:
        return value in _CLASSES[kind] and value in Plugins.instance().class_name_to_class
    if (keys, value) in _of_plugins(kind):
        return True
    if value is None:
        return True
    if any(part.startswith("_") or not re.fullmatch(r"\w+", part) for part in keys if keys[0] != "params"):
        return False
    if _COMMANDS & {*keys}:
        return False
    if isinstance(value, bool | int | float) or (keys[0] == "params" and "_target_" not in keys):
        return True
    if keys == ["submitit_folder"]:
        return bool(value == f"{plain['sweep']['dir']}/.submitit/%j")
    return key in _WORDS and _WORD.fullmatch(str(value)) is not None


def _of_plugins(kind: str) -> list[tuple[list[str], Any]]:
    """Returns the keys and values that installed plugins have by themselves, as they registered them with Hydra."""
    found: list[tuple[list[str], Any]] = []
    group = ConfigStore.instance().repo.get("hydra", {}).get(kind, {})
    inside: list[tuple[list[str], Any]] = [([], group)]
    while inside:
        above, node = inside.pop()
        if isinstance(node, dict):
            inside += [
                ([] if key.endswith(".yaml") and not above else [*above, key.removesuffix(".yaml")], inner)
                for key, inner in node.items()
            ]
        elif OmegaConf.is_config(getattr(node, "node", None)):
            place = above[:-1] if len(above) > 1 else []
            known: Any = OmegaConf.to_container(node.node, resolve=False)
            found += [(path.split(".")[1:], value) for path, value in below(".".join(["", *place]), known)]
    return [(keys, value) for keys, value in found if "${" not in str(value) and keys != ["_target_"]]


def _harmless_log(keys: Sequence[str], value: Any, output_dir: str) -> bool:
    """Tells whether a file may hold this value of the log's settings."""
    names = [key for above, key in zip(("", *keys), keys, strict=False) if above not in _NAMED and not key.isdecimal()]
    text, key = str(value), keys[-1] if keys else ""
    if not _LOGGING.issuperset(names):
        return False
    match key:
        case "filename":
            places = {output_dir, "${hydra.runtime.output_dir}"} - {MISSING}
            return text in {f"{folder}/{LOG}" for folder in places}
        case "mode":
            return text == "a"
        case "class":
            return text in _HANDLERS
        case "()":
            return text == "colorlog.ColoredFormatter"
        case "style":
            return text == "%"
    return "://" not in text or (key == "stream" and text in _STREAMS)
