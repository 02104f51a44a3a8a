"""Configs that others made are data: what Hydra would do for them is refused where it can name code.

A config is composed of YAML files, which may come from anywhere, and of what was typed. Of Hydra's own part a file may
say what is harmless; what names a class, a command, a file elsewhere or a variable of the environment has to be typed.

Hydra resolves interpolations each time it uses a value, and what they come to may change in between. So its own part is
resolved once, here, where it is composed; those very values are looked at, and those are what Hydra gets.
"""

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Final

import hydra._internal.config_loader_impl
import hydra._internal.hydra
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.core_plugins import (
    file_config_source,
    importlib_resources_config_source,
    structured_config_source,
)
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.default_element import ResultDefault
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import ConfigCompositionException, HydraException
from hydra.plugins.completion_plugin import CompletionPlugin
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf, flag_override
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from mtl_cli.composition import resolve
from mtl_cli.composition.hydra_errors import GLOBAL
from mtl_cli.composition.resolve import hydra_message
from mtl_cli.config import Config
from mtl_cli.errors import InputError
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.untrusted.escaping import not_utf8
from mtl_cli.untrusted.files import MOST_NODES, yaml_text
from mtl_cli.untrusted.interpolations import bounded, size

RETIRED: Final = "mtl_cli.main.Check"
"""A callback that sweeps recorded when it checked their configs; the command does that now."""
MOST_VALUES: Final = 6 * MOST_NODES
"""Of the files that a config is composed of, each as often as Hydra asks for it: three times where it is named once."""
A_FILE: Final = 300
"""What a file counts besides its values; ours are asked for some 60 times."""
A_DEFAULT: Final = 100
"""What an item of a defaults list counts."""
SHARE_OF_REST: Final = 50
"""What a file is merged with counts by this part: it is copied each time."""

_CLASSES: Final = {
    "launcher": (
        "hydra_plugins.mtl_launcher.SweepLauncher",
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
        "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher",
    ),
    "sweeper": (
        "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
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


def guard_hydra(words: Sequence[str]) -> None:
    """Makes Hydra refuse configs that name code before it acts on them; `words` are what was typed."""
    sources = (FileConfigSource, ImportlibResourcesConfigSource, StructuredConfigSource)
    SourcesRegistry.instance().types |= {source.scheme(): source for source in sources}
    _Loader.typed = tuple(key for key, _ in _typed(words))
    _Loader.searched = tuple(value for key, value in _typed(words) if key.startswith("hydra.searchpath."))
    CompletionPlugin._query = _plain_only  # type: ignore[method-assign]
    hydra._internal.hydra.ConfigLoaderImpl = _Loader  # type: ignore[attr-defined]
    hydra._internal.config_loader_impl.CachingConfigRepository = _Repository  # type: ignore[attr-defined]


_complete: Final = CompletionPlugin._query


def _plain_only(*args: Any, **kwargs: Any) -> list[str]:
    """Completes without words that a shell would expand: names of files may be anybody's."""
    return [word for word in _complete(*args, **kwargs) if re.fullmatch(r"[\w./=,:@+~%-]*", word)]


def _typed(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yields keys and values that words give: of those below `hydra.launcher` that `hydra.launcher={x: 1}` has, `x`."""
    parser = OverridesParser.create()
    for word in words:
        try:
            override = parser.parse_override(word)
            yield from _below(override.key_or_group, override.value())
        except (HydraException, ValueError):
            continue  # an option, or a mistake, which Hydra names


class _Loader(ConfigLoaderImpl):
    typed: tuple[str, ...] = ()
    """The keys that were typed."""
    searched: tuple[Any, ...] = ()
    """The places of configs that were typed."""

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self.typed, self.searched = _Loader.typed, _Loader.searched  # go to other processes

    def load_configuration(
        self, config_name: str | None, overrides: list[str], run_mode: RunMode, *args: Any, **kwargs: Any
    ) -> DictConfig:
        """Composes a config, of a run or of a sweep, which records the working folder."""
        here = Path.cwd()
        if "${" in str(here):
            raise InputError(f"the working folder {here} has ${{ in its name, which Hydra replaces; work in another")
        with bounded():
            try:
                config = super().load_configuration(config_name, overrides, run_mode, *args, **kwargs)
            except (AssertionError, AttributeError) as error:  # Hydra's own sweeper has null for its parameters
                word = next((word for word in overrides if word.lstrip("+").startswith("hydra.sweeper.params")), None)
                if word is None:
                    raise
                raise InputError(
                    f"{word}: hydra.sweeper.params is null, which takes no keys; type the grid itself, as -m "
                    "'seed=0,1', or let a config file have hydra: {sweeper: {params: {seed: '0,1'}}}"
                ) from error
            settle(config, self.typed, len(overrides), "run" if run_mode == RunMode.RUN else "sweep")
        return config

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Composes the config of a sweep's job, which is in the sweep's folder."""
        typed: Any = OmegaConf.to_container(master_config.hydra.overrides.hydra, resolve=False)
        overrides = [*typed, *sweep_overrides]
        with bounded():
            config = super().load_configuration(master_config.hydra.job.config_name, overrides, RunMode.RUN)
            OmegaConf.copy_cache(from_config=master_config, to_config=config)
            settle(config, self.typed, len(overrides), "job")
            with flag_override(config, ["readonly", "struct"], False):
                config.hydra.sweep.dir = master_config.hydra.sweep.dir
        return config

    def _process_config_searchpath(
        self, config_name: str | None, parsed_overrides: list[Override], repo: CachingConfigRepository
    ) -> None:
        """Refuses modules as places of configs, from wherever an override may come, unless those were typed."""
        for override in parsed_overrides:
            places = override.value() if override.key_or_group == "hydra.searchpath" else ()
            for place in places if isinstance(places, list) else ():
                if place not in self.searched:
                    _refuse_module(str(place))
        super()._process_config_searchpath(config_name, parsed_overrides, repo)

    def _load_single_config(self, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
        found = super()._load_single_config(default, repo)
        top = (default.package or "").partition(".")[0]
        if top not in ("", "hydra", *Config.model_fields) and OmegaConf.select(found.config, default.package or ""):
            raise InputError(
                f"{found.path.removeprefix('file://')}/{default.config_path}.yaml: its keys would stand below {top!r}, "
                f"which a config doesn't have; let its first line be {GLOBAL!r}"
            )
        for item in found.defaults_list or () if not default.is_self and not default.primary else ():
            group = str(getattr(item, "group", "")).lstrip("/")
            if group == "hydra/launcher" and item.is_override() and group not in self.typed:
                raise InputError(
                    f"{default.config_path}: override /{group}: the main config has chosen it, which counts more in "
                    f"Hydra; type {group}={getattr(item, 'value', None)}"
                )
        return found


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
        """Reads a file that isn't too large, and says which it is where something is wrong with it."""
        file = Path(os.path.realpath(Path(self.path, self._normalize_file_name(config_path))))
        if not file.is_file():
            return super().load_config(config_path)
        try:
            text = yaml_text(file)
            header, config = self._head(text[:512]), OmegaConf.load(StringIO(text))
        except UnicodeDecodeError as error:
            wrong = not_utf8(error)
        except yaml.MarkedYAMLError as error:
            wrong = f"line {error.problem_mark.line + 1} is not YAML: {error.problem}"
        except (yaml.YAMLError, ValueError) as error:
            wrong = str(error).partition("\n")[0]
        except OSError as error:
            wrong = error.strerror or "it is a single value, and a config has keys"
        else:
            if OmegaConf.is_dict(config):
                return ConfigResult(self.provider, f"{self.scheme()}://{self.path}", config, header)
            wrong = "it is a list, and a config has keys"
        raise ConfigCompositionException(f"{file}: {wrong}")

    def _head(self, text: str) -> dict[str, str | None]:
        try:
            return self._get_header_dict(text)
        except ValueError as error:
            raise ValueError(f"{error}; a file may begin with {GLOBAL!r}") from error


class ImportlibResourcesConfigSource(importlib_resources_config_source.ImportlibResourcesConfigSource):
    """Hydra's, with its name, for the same reason."""

    def __init__(self, provider: str, path: str) -> None:
        if provider == "hydra.searchpath in main":
            _refuse_module(path)
        super().__init__(provider, path)


class StructuredConfigSource(structured_config_source.StructuredConfigSource):
    """Hydra's, with its name, for the same reason."""

    def __init__(self, provider: str, path: str) -> None:
        if provider == "hydra.searchpath in main":
            _refuse_module(path)
        super().__init__(provider, path)


def _refuse_module(place: str) -> None:
    """Refuses a place of configs that Hydra would import a module for.

    Raises:
        InputError: It is one.
    """
    if "://" in place and not place.startswith("file://"):
        raise InputError(f"hydra.searchpath: {place} names code; only the command line can do that")


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
    for path, value in _below("hydra", {key: part for key, part in plain.items() if key not in _TEXTS}):
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
    node = container._get_node(key)
    if OmegaConf.is_dict(node) or OmegaConf.is_list(node):
        if node._is_none() or node._is_missing() or node._is_interpolation():
            return
        for inner in list(node) if OmegaConf.is_dict(node) else range(len(node)):
            _fix(node, inner)
        return
    raw = None if node is None else node._value()
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
    return node._get_node(key)._value()


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
            inner = node._get_node(key)
            value = inner._value()
            if isinstance(value, str | int) and not isinstance(value, bool):
                text = str(value)
                for number, place in self._stands_for.items():
                    text = text.replace(str(number), f"${{hydra.{'.'.join(place)}}}")
                if text != str(value):
                    inner._set_value(text)
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
    for path, value in _below("hydra", {part: plain.get(part) for part in ("help", "hydra_help")}):
        if not str(value).replace("\n", "").isprintable() and path not in typed:
            raise InputError(f"{path}: {str(value)[:60]!r} has a character that isn't printable")
    for path, value in _leaves(plain):
        if not _harmless(path, value, plain) and not any(f"{path}.".startswith(f"{key}.") for key in typed):
            raise InputError(f"{path}: {value!r} can name code, or leave the run's folder; a config can't do that")
    for name, of in (plain["callbacks"] or {}).items():
        if not of and not any(f"hydra.callbacks.{name}.".startswith(f"{key}.") for key in typed):
            raise InputError(f"hydra.callbacks.{name}: callbacks are code; a config can't do that")


def _leaves(plain: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields path and value of what may name code."""
    for part in _PARTS:
        group, _, key = part.partition(".")
        yield from _below(f"hydra.{part}", plain[group].get(key) if key else plain.get(group))


def _below(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _below(f"{path}.{key}", inner)
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
            found += [(path.split(".")[1:], value) for path, value in _below(".".join(["", *place]), known)]
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
