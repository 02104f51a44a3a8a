"""Configs that others made are data: what Hydra would do for them is refused where it can name code.

A config is composed of YAML files, which may come from anywhere, and of what was typed. Of Hydra's own part a file may
say what is harmless; what names a class, a command, a file elsewhere or a variable of the environment has to be typed.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import hydra._internal.config_loader_impl
import hydra._internal.hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.core_plugins import file_config_source, importlib_resources_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

from mtl_cli.errors import InputError
from mtl_cli.foreign import MOST_NODES, check_yaml
from mtl_cli.interpolations import bounded, size

MOST_VALUES: Final = 6 * MOST_NODES
"""Of the files that a config is composed of, each as often as Hydra asks for it: three times where it is named once."""
A_FILE: Final = 300
"""What a file counts besides its values; ours are asked for some 60 times."""
A_DEFAULT: Final = 100
"""What an item of a defaults list counts."""
SHARE_OF_REST: Final = 50
"""What a file is merged with counts by this part: it is copied each time."""
_PLUGINS: Final = ("hydra_plugins.", "hydra._internal.core_plugins.")
"""Where launchers and sweepers come from; Hydra takes only those that it knows as such."""
_OPTUNA: Final = re.compile(r"optuna\.(samplers|pruners)\.[A-Z]\w+")
_HANDLERS: Final = ("logging.StreamHandler", "logging.FileHandler", "logging.NullHandler")
_PARTS: Final = (
    "callbacks", "launcher", "sweeper", "job_logging", "hydra_logging", "job.env_set", "job.name", "output_subdir",
    "verbose",
)  # fmt: skip
_STREAMS: Final = ("ext://sys.stdout", "ext://sys.stderr")
_LOG_FILE: Final = re.compile(r"\$\{hydra\.runtime\.output_dir\}/([\w-]+|\$\{hydra\.job\.name\})\.\w+")
_COMMANDS: Final = {
    "setup", "python", "runtime_env", "srun_args", "additional_parameters", "custom_search_space"
}  # fmt: skip
"""Keys of launchers and sweepers that hold commands, an environment for them, or a function's name."""


def guard_hydra(words: Sequence[str]) -> None:
    """Makes Hydra refuse configs that name code before it acts on them; `words` are what was typed."""
    SourcesRegistry.instance().types |= {"file": FileConfigSource, "pkg": ImportlibResourcesConfigSource}
    _Loader.typed = tuple(word.lstrip("+~").partition("=")[0] for word in words)
    hydra._internal.hydra.ConfigLoaderImpl = _Loader  # type: ignore[attr-defined]
    hydra._internal.config_loader_impl.CachingConfigRepository = _Repository  # type: ignore[attr-defined]


class _Loader(ConfigLoaderImpl):
    typed: tuple[str, ...] = ()
    """The keys that were typed."""

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self.typed = _Loader.typed  # goes to other processes

    def load_configuration(self, *args: Any, **kwargs: Any) -> DictConfig:
        """Composes a config, of a run or of a sweep's job."""
        with bounded():
            config = super().load_configuration(*args, **kwargs)
            refuse_code(config, self.typed)
        return config


class _Repository(CachingConfigRepository):
    """The files that one config is composed of."""

    def __init__(self, delegate: IConfigRepository) -> None:
        super().__init__(delegate)
        self._values = 0
        self._taken = 0

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Reads a file, unless they are too many: defaults lists may multiply each other."""
        found = super().load_config(config_path)
        if found is not None:
            values = size(found.config, 32) + A_DEFAULT * size(found.defaults_list, 32)
            self._values += values
            self._taken += A_FILE + values + self._values // SHARE_OF_REST
        if self._taken > MOST_VALUES:
            raise InputError(f"{config_path}: the defaults lists of the config name too many files, or too large ones")
        return found


class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's, with its name: one of another name would not be let stand in other processes."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Reads a file that isn't too large."""
        file = Path(self.path, self._normalize_file_name(config_path))
        if file.is_file():
            check_yaml(file)
        return super().load_config(config_path)


class ImportlibResourcesConfigSource(importlib_resources_config_source.ImportlibResourcesConfigSource):
    """Hydra's, with its name, for the same reason."""

    def __init__(self, provider: str, path: str) -> None:
        if provider == "hydra.searchpath in main":
            raise InputError(f"hydra.searchpath: {path} names code; only the command line can do that")
        super().__init__(provider, path)


def refuse_code(config: DictConfig, typed: Sequence[str]) -> None:
    """Refuses a composed config that names code, but for keys that were typed.

    Raises:
        InputError: It does.
    """
    for path, value in _leaves(config):
        if not _harmless(path, value) and not any(f"{path}.".startswith(f"{key}.") for key in typed):
            raise InputError(f"{path}: {value!r} can name code, or leave the run's folder; a config can't do that")


def _leaves(config: DictConfig) -> Iterator[tuple[str, Any]]:
    """Yields path and value of what may name code; logging's interpolations stand for what isn't known yet."""
    for part in _PARTS:
        node = OmegaConf.select(config.hydra, part)
        resolve = not part.endswith("_logging")
        known = OmegaConf.to_container(node, resolve=resolve) if OmegaConf.is_config(node) else node
        yield from _below(f"hydra.{part}", known)


def _below(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _below(f"{path}.{key}", inner)
    else:
        yield path, value


def _harmless(path: str, value: Any) -> bool:
    """Tells whether a file may hold this value of Hydra's."""
    parts, key, text = path.split("."), path.rpartition(".")[2], str(value)
    match parts[1]:
        case "callbacks":
            return (path, value) == ("hydra.callbacks.check._target_", "mtl_cli.main.Check")
        case "launcher" | "sweeper" if key == "_target_":
            return text.startswith(_PLUGINS) if len(parts) == 3 else _OPTUNA.fullmatch(text) is not None
        case "launcher" | "sweeper":
            return value is None or not _COMMANDS & {*parts}
        case "output_subdir":
            return value is None or re.fullmatch(r"\.?[\w-]+", text) is not None
        case "job" if parts[2] == "name":
            return re.fullmatch(r"[\w.-]+", text) is not None
        case "job":  # what hydra.job.env_copy has made of the environment may stay
            return not value or value == os.environ.get(key)
    if key == "filename":
        return _LOG_FILE.fullmatch(text) is not None
    if key in ("class", "()"):
        return text in (_HANDLERS if key == "class" else ("colorlog.ColoredFormatter",))
    return key != "" and ("://" not in text or text in _STREAMS) and "${" not in text
