"""How Hydra loads configs that others made: within bounds, and following nothing that names code but what was typed."""

import os
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final

import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, flag_override

from mtl_cli.composition import hydra_private
from mtl_cli.composition.code_references import below, refuse_module
from mtl_cli.composition.combinations import Combinations, apart
from mtl_cli.composition.hydra_errors import GLOBAL
from mtl_cli.composition.hydra_private import CachingConfigRepository, IConfigRepository
from mtl_cli.composition.interpolations import bounded, size
from mtl_cli.composition.settle import settle
from mtl_cli.config import Config
from mtl_cli.errors import InputError
from mtl_cli.untrusted.escaping import not_utf8
from mtl_cli.untrusted.files import MOST_NODES, yaml_text

MOST_VALUES: Final = 6 * MOST_NODES
"""Of the files that a config is composed of, each as often as Hydra asks for it: three times where it is named once."""
A_FILE: Final = 300
"""What a file counts besides its values; ours are asked for some 60 times."""
A_DEFAULT: Final = 100
"""What an item of a defaults list counts."""
SHARE_OF_REST: Final = 50
"""What a file is merged with counts by this part: it is copied each time."""


def guard_hydra(words: Sequence[str]) -> None:
    """Makes Hydra refuse configs that name code before it acts on them; `words` are what was typed."""
    sources = (FileConfigSource, ImportlibResourcesConfigSource, StructuredConfigSource)
    Loader.typed = tuple(key for key, _ in _typed(words))
    Loader.searched = tuple(value for key, value in _typed(words) if key.startswith("hydra.searchpath."))
    hydra_private.load_by(Loader, Repository, sources)
    hydra_private.complete_only(re.compile(r"[\w./=,:@+~%-]*").fullmatch)  # a shell would expand other names of files


def _typed(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yields keys and values that words give: of those below `hydra.launcher` that `hydra.launcher={x: 1}` has, `x`."""
    parser = OverridesParser.create()
    for word in words:
        try:
            override = parser.parse_override(word)
            yield from below(override.key_or_group, override.value())
        except (HydraException, ValueError):
            continue  # an option, or a mistake, which Hydra names


class Loader(hydra_private.Loader):
    """Loads configs, of which files hold data alone."""

    typed: tuple[str, ...] = ()
    """The keys that were typed."""
    searched: tuple[Any, ...] = ()
    """The places of configs that were typed."""

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self.typed, self.searched = Loader.typed, Loader.searched  # go to other processes

    def load_configuration(
        self, config_name: str | None, overrides: list[str], run_mode: RunMode, *args: Any, **kwargs: Any
    ) -> DictConfig:
        """Composes a config, of a run or of a sweep, which records the working folder."""
        here = Path.cwd()
        if "${" in str(here):
            raise InputError(f"the working folder {here} has ${{ in its name, which Hydra replaces; work in another")
        with bounded():
            overrides = apart(self, overrides) if run_mode == RunMode.MULTIRUN else overrides
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
        overrides = [*typed, *Combinations(self, master_config).of_job(sweep_overrides)]
        with bounded():
            config = super().load_configuration(master_config.hydra.job.config_name, overrides, RunMode.RUN)
            OmegaConf.copy_cache(from_config=master_config, to_config=config)
            settle(config, self.typed, len(overrides), "job")
            with flag_override(config, ["readonly", "struct"], False):
                config.hydra.sweep.dir = master_config.hydra.sweep.dir
        return config

    def check_search_path(self, overrides: Sequence[Override]) -> None:
        """Refuses modules as places of configs, from wherever an override may come, unless those were typed."""
        for override in overrides:
            places = override.value() if override.key_or_group == "hydra.searchpath" else ()
            for place in places if isinstance(places, list) else ():
                if place not in self.searched:
                    refuse_module(str(place))

    def check_file(self, default: ResultDefault, found: ConfigResult) -> None:
        """Refuses a file whose keys would stand below one that there isn't, or whose choice wouldn't count."""
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


class Repository(CachingConfigRepository):
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


class FileConfigSource(hydra_private.FileConfigSource):
    """Hydra's, with its name: one of another name would not be let stand in other processes."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Reads a file that isn't too large, and says which it is where something is wrong with it."""
        file = Path(os.path.realpath(Path(self.path, hydra_private.file_name(self, config_path))))
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
            return hydra_private.header_of(self, text)
        except ValueError as error:
            raise ValueError(f"{error}; a file may begin with {GLOBAL!r}") from error


class ImportlibResourcesConfigSource(hydra_private.ImportlibResourcesConfigSource):
    """Hydra's, with its name, for the same reason."""

    def __init__(self, provider: str, path: str) -> None:
        if provider == "hydra.searchpath in main":
            refuse_module(path)
        super().__init__(provider, path)


class StructuredConfigSource(hydra_private.StructuredConfigSource):
    """Hydra's, with its name, for the same reason."""

    def __init__(self, provider: str, path: str) -> None:
        if provider == "hydra.searchpath in main":
            refuse_module(path)
        super().__init__(provider, path)
