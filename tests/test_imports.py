"""Imports go one way, and TensorFlow is imported in one place."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "mtl_cli"
LAYERS = [
    ["errors", "texts", "interrupt", "settings", "families", "backend", "git_state"],
    ["files", "foreign", "interpolations", "paths", "locks"],
    ["tasks", "schedules.base", "messages", "checkpoint", "linalg"],
    ["records", "schedules"],
    ["optimizers.base"],
    ["optimizers", "data.base", "sampling.base", "console"],
    ["weighting.base", "signs"],
    ["tables"],
    ["data", "models.base", "weighting", "sampling"],
    ["models", "modes.base", "gradients", "saving"],
    ["modes", "program", "observing", "progress", "pace", "divergence"],
    ["evaluation"],
    ["config", "loop"],
    ["continuing"],
    ["schema", "hydra_messages", "job"],
    ["composed", "overview", "inspect", "predict"],
    ["first_config"],
    ["guard", "task_overrides"],
    ["resuming", "experiment"],
    ["sweeps"],
    ["report"],
    ["verbs", "command"],
    ["main"],
    ["__main__"],
]


def imports(path: Path) -> set[str]:
    """Returns the modules of the package that a file imports, without the package's name."""
    tree = ast.parse(path.read_text())
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return {name.removeprefix("mtl_cli.") for name in names if name.startswith("mtl_cli.")}


def layer(module: str) -> int:
    """Returns the number of the layer a module is in."""
    names = [module, module.partition(".")[0]]
    for name in names:
        for number, layer_names in enumerate(LAYERS):
            if name in layer_names:
                return number
    raise AssertionError(f"{module} is in no layer")


def modules() -> dict[str, Path]:
    """Returns every module of the package."""
    paths = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in paths}


def test_imports_go_one_way() -> None:
    found = modules()
    assert len(found) > 30
    for module, path in found.items():
        for other in imports(path):
            same_family = layer(other) == layer(module) and "." not in other
            assert layer(other) < layer(module) or same_family or _part_of(module, other), f"{module} imports {other}"


def _part_of(module: str, other: str) -> bool:
    """Tells whether `other` is a part, not a member, of the family that `module` is in."""
    parts = {"data.rows", "data.splits", "data.regressions"}
    reading = other.startswith("tables.") and module.startswith("tables.")
    solving = other == "linalg.gram" and module.startswith("linalg.")
    sweeping = other.startswith("sweeps.") and module.startswith("sweeps.")
    return reading or solving or sweeping or (other in parts and module.startswith("data."))


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
    subprocess.run([sys.executable, "-c", "import sys, mtl_cli.main; assert 'polars' not in sys.modules"], check=True)


def test_tensorflow_comes_without_scikit_learn() -> None:
    """Keras imports it for wrappers of its own, which takes half a second; whoever wants it later still gets it."""
    program = (
        "import sys; from mtl_cli.backend import start; start('cpu'); print('sklearn' in sys.modules); import sklearn;"
        "print(sklearn.base.BaseEstimator.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "BaseEstimator"]
