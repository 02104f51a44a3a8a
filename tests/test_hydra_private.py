"""What the package uses of Hydra's and OmegaConf's private parts is named in one file, and listed here."""

import ast
from importlib import import_module
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.plugins.completion_plugin import CompletionPlugin
from hydra.plugins.config_source import ConfigSource
from omegaconf import Container, DictConfig

from mtl_cli.composition import hydra_private

PACKAGE = Path(hydra_private.__file__).parent.parent
ROOMS = {"cli", "composition", "sweeps"}
"""They alone know Hydra and OmegaConf."""
MODULES = {
    "hydra._internal.config_loader_impl": {"ConfigLoaderImpl", "get_overrides_dirname"},
    "hydra._internal.config_repository": {"CachingConfigRepository", "IConfigRepository"},
    "hydra._internal.core_plugins.basic_launcher": {"BasicLauncher"},
    "hydra._internal.core_plugins.basic_sweeper": {"BasicSweeper"},
    "hydra._internal.core_plugins.file_config_source": {"FileConfigSource"},
    "hydra._internal.core_plugins.importlib_resources_config_source": {"ImportlibResourcesConfigSource"},
    "hydra._internal.core_plugins.structured_config_source": {"StructuredConfigSource"},
    "hydra._internal.hydra": {"Hydra"},
    "hydra._internal.sources_registry": {"SourcesRegistry"},
    "hydra._internal.utils": {"get_args_parser"},
    "omegaconf._utils": {"get_omega_conf_dumper"},
}
"""Private modules, and what is imported from them."""
REPLACED = {
    "hydra._internal.hydra": {"Hydra", "ConfigLoaderImpl"},
    "hydra._internal.config_loader_impl": {"CachingConfigRepository"},
}
"""Private modules, and the names in them that come to stand for classes of the package."""
ATTRIBUTES = {
    "_apply_overrides_to_config": ConfigLoaderImpl,
    "_evaluate_custom_resolver": Container,
    "_get_header_dict": ConfigSource,
    "_get_node": DictConfig,
    "_load_single_config": ConfigLoaderImpl,
    "_normalize_file_name": ConfigSource,
    "_process_config_searchpath": ConfigLoaderImpl,
    "_query": CompletionPlugin,
    "_set_value": DictConfig,
    "_value": DictConfig,
}
"""Private attributes, and a class that has them."""
LIBRARIES = ("hydra", "omegaconf")


def imports(tree: ast.AST) -> dict[str, set[str]]:
    """Returns the libraries' modules that a file imports, and the names it takes from them."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name: set() for alias in node.names if alias.name not in found}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return {module: names for module, names in found.items() if module.partition(".")[0] in LIBRARIES}


def private(module: str, names: set[str]) -> bool:
    return any(part.startswith("_") for part in [*module.split("."), *names])


def private_attributes(tree: ast.AST) -> set[str]:
    """Returns the private names that stand behind a dot in a file, and those of methods that are Hydra's."""
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | own_names(tree) & set(ATTRIBUTES)
    return {name for name in used - {"_internal"} if name.startswith("_") and not name.endswith("_")}


def own_names(tree: ast.AST) -> set[str]:
    """Returns the attributes that a file sets, and its functions."""
    nodes = list(ast.walk(tree))
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return functions | {node.attr for node in nodes if isinstance(node, ast.Attribute) and is_set(node)}


def is_set(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store)


def replaced(tree: ast.AST) -> set[str]:
    """Returns the dotted names of what a file replaces in the libraries' modules."""
    targets = [target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets]
    names = {ast.unparse(target) for target in targets if isinstance(target, ast.Attribute)}
    return {name for name in names if name.partition(".")[0] in LIBRARIES}


def test_one_file_names_private_parts_and_the_list_has_all_of_them() -> None:
    tree = ast.parse(Path(hydra_private.__file__).read_text())
    assert {module: names for module, names in imports(tree).items() if names and private(module, names)} == MODULES
    assert replaced(tree) == {f"{module}.{name}" for module, names in REPLACED.items() for name in names}
    assert private_attributes(tree) == set(ATTRIBUTES)


def test_no_other_file_does() -> None:
    for path in PACKAGE.rglob("*.py"):
        tree, file = ast.parse(path.read_text()), path.relative_to(PACKAGE)
        found = imports(tree)
        if path == Path(hydra_private.__file__) or not found:
            continue
        assert file.parts[0] in ROOMS, file
        assert not any(private(module, names) for module, names in found.items()), file
        assert not replaced(tree), file
        assert private_attributes(tree) <= own_names(tree) - set(ATTRIBUTES), file


def test_the_libraries_have_what_is_listed() -> None:
    for module, names in (*MODULES.items(), *REPLACED.items()):
        assert names <= vars(import_module(module)).keys(), module
    assert [name for name, cls in ATTRIBUTES.items() if not hasattr(cls, name)] == []
