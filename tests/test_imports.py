"""Imports go one way, and TensorFlow is imported in one place."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from mtl_cli.config import FAMILIES

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "mtl_cli"
ROOMS = [
    *("errors", "settings", "families", "paths", "config_errors", "backend", "randomness", "signals", "tasks"),
    *("untrusted", "run_folder", "datasets", "tables", "data"),
    *("linalg", "schedules", "optimizers", "networks", "models", "sampling", "weighting", "step", "modes", "config"),
    *("reference", "identity", "composition", "terminal", "training", "comparison", "sweeps", "cli", "__main__"),
]
"""Each needs only those before it."""
ROOMS_OF_FAMILIES = ["data", "models", "modes", "weighting", "sampling", "optimizers", "schedules"]


def imports(path: Path) -> set[str]:
    """Returns the modules of the package that a file imports, without the package's name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name.removeprefix("mtl_cli.") in modules() else node.module for name in names}
    return {name.removeprefix("mtl_cli.") for name in found if name.startswith("mtl_cli.")}


@cache
def modules() -> dict[str, Path]:
    """Returns every module of the package."""
    paths = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in paths}


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_is_in_a_room() -> None:
    assert {room(module) for module in modules()} == set(ROOMS)


def test_imports_go_one_way() -> None:
    found = modules()
    assert len(found) > 30
    for module, path in found.items():
        for other in imports(path):
            assert ROOMS.index(room(other)) <= ROOMS.index(room(module)), f"{module} imports {other}"


def test_imports_go_in_no_circle() -> None:
    TopologicalSorter({module: imports(path) & modules().keys() for module, path in modules().items()}).prepare()


def test_tests_import_no_other_tests() -> None:
    """What several of them need is in tests/support."""
    paths = list(TESTS.rglob("*.py"))
    assert len(paths) > 50
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [f"{node.module}.{each.name}" for each in node.names] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                shared = name.startswith("tests.support.") and ".test_" not in name
                assert shared or name.partition(".")[0] != "tests", f"{path} imports {name}"


@pytest.mark.parametrize("family", ROOMS_OF_FAMILIES)
def test_a_member_needs_no_other_one(family: str) -> None:
    """What several have in common is in `base`, or in a module that has no member."""
    members = {cls.__module__.removeprefix("mtl_cli.") for classes in FAMILIES.values() for cls in classes}
    for module, path in modules().items():
        if room(module) == family:
            assert not {other for other in imports(path) & members if room(other) == family} - {module}, module


def test_tensorflow_is_imported_in_one_place() -> None:
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] in ("tensorflow", "keras") for name in names), module


def test_no_module_needs_tensorflow_to_be_imported() -> None:
    every = "; ".join(f"import mtl_cli.{module}" for module in modules() if module != "__main__")
    code = f"import sys; {every}; assert 'tensorflow' not in sys.modules; assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_refusing_a_config_needs_no_polars() -> None:
    """It takes a while to import, and catches Ctrl-C until the command does."""
    subprocess.run(
        [sys.executable, "-c", "import sys, mtl_cli.cli.main; assert 'polars' not in sys.modules"], check=True
    )


def test_tensorflow_comes_without_scikit_learn() -> None:
    """Keras imports it for wrappers of its own, which takes half a second; whoever wants it later still gets it."""
    program = (
        "import sys; from mtl_cli.backend import start; start('cpu'); print('sklearn' in sys.modules); import sklearn;"
        "print(sklearn.base.BaseEstimator.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "BaseEstimator"]
