"""All that the package uses of Hydra's and OmegaConf's private parts; `tests/test_hydra_private.py` lists it by name.

Another release may change these without notice. What is patched here stays so for the process.
"""

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from types import SimpleNamespace
from typing import Any

import hydra._internal.config_loader_impl
import hydra._internal.hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.core_plugins.structured_config_source import StructuredConfigSource
from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.types import Override
from hydra.plugins.completion_plugin import CompletionPlugin
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.types import RunMode, TaskFunction
from omegaconf import Container, DictConfig
from omegaconf._utils import get_omega_conf_dumper

__all__ = [
    "BasicLauncher",
    "BasicSweeper",
    "CachingConfigRepository",
    "FileConfigSource",
    "IConfigRepository",
    "ImportlibResourcesConfigSource",
    "StructuredConfigSource",
    "get_args_parser",
    "get_omega_conf_dumper",
    "get_overrides_dirname",
]

apply_overrides: Callable[[list[Override], DictConfig], None] = ConfigLoaderImpl._apply_overrides_to_config
"""Hydra's own way to apply overrides to a config."""


@dataclass(frozen=True)
class Hooks:
    """What Hydra's command line asks of the program.

    Attributes:
        composed: Called with a config that is to be trained, before Hydra makes anything for it.
        help: Returns the text of `--help`, of its template and of Hydra's way to fill one.
    """

    composed: Callable[[DictConfig, RunMode], None]
    help: Callable[[str, Callable[[str], str]], str]


_hooks: ContextVar[Hooks] = ContextVar("_hooks")


class Application(Hydra):
    """Hydra's, with the hooks; launchers pickle it by its name, which is why it holds none of them itself."""

    def compose_config(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        with_log_configuration: bool = False,
        *options: Any,
        **others: Any,
    ) -> DictConfig:
        """Composes a config, and shows it if it is to be trained, not only looked at."""
        config = super().compose_config(config_name, overrides, run_mode, with_log_configuration, *options, **others)
        if with_log_configuration:
            _hooks.get().composed(config, run_mode)
        return config

    def get_help(self, help_cfg: DictConfig, *options: Any, **others: Any) -> str:
        """Returns the text of `--help`."""
        fill = super().get_help

        def filled(template: str) -> str:
            given: Any = SimpleNamespace(template=template)
            return fill(given, *options, **others)

        return _hooks.get().help(help_cfg.template, filled)


def run_hydra(task_function: TaskFunction, configs: Path, hooks: Hooks) -> None:
    """Runs Hydra's command line: the arguments of the process, with the main config in a folder."""
    hydra._internal.hydra.Hydra = Application  # type: ignore[misc]
    token = _hooks.set(hooks)
    try:
        hydra.main(version_base="1.3", config_path=str(configs), config_name="config")(task_function)()
    finally:
        _hooks.reset(token)


class Loader(ConfigLoaderImpl):
    """Hydra's config loader, which shows what it is about to follow."""

    def check_search_path(self, overrides: Sequence[Override]) -> None:
        """Is called with the overrides that may name further places of configs."""

    def check_file(self, default: ResultDefault, found: ConfigResult) -> None:
        """Is called with each file of a config, and the item of a defaults list that names it."""

    def _process_config_searchpath(
        self, config_name: str | None, parsed_overrides: list[Override], repo: CachingConfigRepository
    ) -> None:
        self.check_search_path(parsed_overrides)
        super()._process_config_searchpath(config_name, parsed_overrides, repo)

    def _load_single_config(self, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
        found = super()._load_single_config(default, repo)
        self.check_file(default, found)
        return found


def load_by(
    loader: type[Loader], repository: type[CachingConfigRepository], sources: Sequence[type[ConfigSource]]
) -> None:
    """Has Hydra load configs by these classes instead of its own."""
    SourcesRegistry.instance().types |= {source.scheme(): source for source in sources}
    hydra._internal.hydra.ConfigLoaderImpl = loader  # type: ignore[attr-defined]
    hydra._internal.config_loader_impl.CachingConfigRepository = repository  # type: ignore[attr-defined]


def apply_overrides_by(apply: Callable[[list[Override], DictConfig], None]) -> None:
    """Has Hydra apply overrides to a config by a function."""
    ConfigLoaderImpl._apply_overrides_to_config = staticmethod(apply)  # type: ignore[assignment]


split_grid = BasicSweeper.split_arguments
"""Hydra's own way to make a grid's jobs of its overrides, in batches."""


def sweep_over(jobs: Sequence[Sequence[str]]) -> None:
    """Has Hydra's own sweeper train these jobs, in batches of the size that it is asked for."""

    def split_arguments(overrides: list[Override], size: int | None) -> list[list[list[str]]]:
        return list(BasicSweeper.split_overrides_to_chunks(list(map(list, jobs)), size))

    its: Any = import_module(BasicSweeper.__module__)  # Hydra has loaded it anew, with another class
    its.BasicSweeper.split_arguments = staticmethod(split_arguments)


_complete = CompletionPlugin._query


def complete_only(wanted: Callable[[str], object]) -> None:
    """Has a shell complete words only that are wanted."""

    def query(*args: Any, **kwargs: Any) -> list[str]:
        return [word for word in _complete(*args, **kwargs) if wanted(word)]

    CompletionPlugin._query = query  # type: ignore[method-assign]


def complete_with(own: Callable[[str], tuple[list[str], str | None]]) -> None:
    """Has a shell complete the program's words as well; `own` returns them, and the line that Hydra completes."""
    complete = CompletionPlugin._query

    def query(*args: Any, **kwargs: Any) -> list[str]:
        words, left = own(kwargs["line"])
        return words if left is None else [*words, *complete(*args, **kwargs | {"line": left})]

    CompletionPlugin._query = query  # type: ignore[method-assign]


def resolve_by(tree: Callable[[Any], Any], call: Callable[[Any], Any]) -> None:
    """Wraps the methods by which OmegaConf resolves an interpolation, and calls a resolver."""
    Container.resolve_parse_tree = tree(Container.resolve_parse_tree)  # type: ignore[method-assign]
    Container._evaluate_custom_resolver = call(Container._evaluate_custom_resolver)  # type: ignore[method-assign]


def file_name(source: ConfigSource, config_path: str) -> str:
    """Returns the name of the file that a source has a config in."""
    return source._normalize_file_name(config_path)


def header_of(source: ConfigSource, text: str) -> dict[str, str | None]:
    """Returns what the first lines of a config say of it, such as its package.

    Raises:
        ValueError: They can't be understood.
    """
    return source._get_header_dict(text)


def node_of(container: Any, key: Any) -> Any:
    """Returns the node of a key or index, interpolations unresolved; None where there is none."""
    return container._get_node(key)


def content_of(node: Any) -> Any:
    """Returns what a node holds as it stands: a value, an interpolation's text, or a dict or list of nodes."""
    return node._value()


def set_content(node: Any, content: Any) -> None:
    """Changes what a node holds."""
    node._set_value(content)


def loader_at(error: Exception) -> ConfigLoader | None:
    """Returns the config loader that was at work; None where no files were looked for."""
    found = [local for _, local in _locals(error, "self") if isinstance(local, ConfigLoader)]
    return found[0] if found else None


def override_at(error: Exception) -> Override | None:
    """Returns the override that Hydra was at."""
    found = [local for _, local in _locals(error, "override") if isinstance(local, Override)]
    return found[-1] if found else None


def typed_at(error: Exception) -> list[str]:
    """Returns the overrides that Hydra composed a config with, as they were typed."""
    found = [local for frame, local in _locals(error, "overrides") if frame == "load_configuration"]
    return list(map(str, found[0])) if found and isinstance(found[0], list) else []


def merged_at(error: Exception) -> list[str]:
    """Returns the keys, from the outermost to the one that OmegaConf was at, of configs that it merged."""
    return [str(local) for frame, local in _locals(error, "key") if frame == "_map_merge"]


def files_at(error: Exception) -> list[str]:
    """Returns the files that Hydra was reading."""
    return [str(path) for frame, path in _locals(error, "config_path") if frame == "load_config"]


def _locals(error: Exception, name: str) -> Iterator[tuple[str, Any]]:
    """Yields what a name stands for in the frames that the exception came through, with their functions' names."""
    for frame, _ in walk_tb(error.__traceback__):
        if name in frame.f_locals:
            yield frame.f_code.co_name, frame.f_locals[name]
