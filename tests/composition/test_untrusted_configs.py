"""What a file may say of Hydra's part, and what has to be typed, value by value."""

from collections.abc import Mapping
from typing import Any

import pytest

from mtl_cli.composition.code_references import refuse_code
from mtl_cli.errors import InputError

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def changed(path: str, value: Any) -> dict[str, Any]:
    """Returns Hydra's part of a config that says nothing special, but for one value."""
    plain: dict[str, Any] = {
        "sweep": {"dir": "s", "subdir": "${hydra.job.num}"}, "callbacks": {}, "launcher": {"_target_": BASIC},
        "sweeper": {"_target_": SWEEPER, "params": {}}, "job_logging": {}, "hydra_logging": {},
        "job": {"name": "mtl", "env_set": {}}, "output_subdir": ".hydra", "verbose": False,
        "runtime": {"output_dir": "out"}, "help": {"template": "a\nb"},
    }  # fmt: skip
    *above, key = path.split(".")
    inside = plain
    for part in above:
        inside = inside.setdefault(part, {})
    inside[key] = value
    return plain


HARMLESS: list[tuple[str, Any]] = [
    ("verbose", True),
    ("verbose", "mtl_cli.training"),
    ("output_subdir", None),
    ("sweep.subdir", "seed_${hydra.job.num}"),
    ("job.name", "my-run.2"),
    ("launcher.n_jobs", 4),
    ("launcher.partition", "gpu"),
    ("launcher.qos", None),
    ("sweeper.params", {"seed": "0,1"}),
    ("job_logging.handlers.file", {"class": "logging.FileHandler", "filename": "out/train.log", "mode": "a"}),
    ("job_logging.root.level", "DEBUG"),
    ("job_logging.formatters.simple.format", "%(message)s"),
]
CODE: list[tuple[str, Any]] = [
    ("callbacks.x", {"_target_": "os.getcwd"}),
    ("callbacks.x", {}),
    ("launcher._target_", "os.getcwd"),
    ("launcher._target_", SWEEPER),
    ("launcher.setup", ["touch owned"]),
    ("launcher.additional_parameters.mem", 3),
    ("launcher.partition", "x\ntouch owned"),
    ("launcher.partition", "-x"),
    ("launcher.unknown", "text"),
    ("launcher.a-b", 1),
    ("sweeper.params.x._target_", "os.getcwd"),
    ("sweeper.storage", "sqlite:///owned.db"),
    ("sweep.subdir", "/elsewhere"),
    ("sweep.subdir", "a/../../b"),
    ("job.env_set.PATH", "here"),
    ("job.name", "../owned"),
    ("output_subdir", "other"),
    ("verbose", "a b"),
    ("help.template", "\x1b[31m"),
    ("hydra_logging.handlers.file.filename", "out/train.log"),
    ("job_logging.handlers.file.filename", "out/other.log"),
    ("job_logging.handlers.file.filename", "elsewhere/train.log"),
    ("job_logging.handlers.file.mode", "w"),
    ("job_logging.handlers.x.class", "logging.handlers.SocketHandler"),
    ("job_logging.formatters.x.()", "os.getcwd"),
    ("job_logging.handlers.x.stream", "ext://os.environ"),
    ("job_logging.handlers.x.target", "x"),
]


@pytest.mark.parametrize(("path", "value"), HARMLESS)
def test_what_is_harmless_may_be_said(path: str, value: Any) -> None:
    refuse_code(changed(path, value), ())


def test_what_is_nothing_special_may_be_said() -> None:
    refuse_code(changed("verbose", False), ())


@pytest.mark.parametrize(("path", "value"), CODE)
def test_what_can_name_code_is_refused_unless_it_is_typed(path: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^hydra\.{path.rpartition('.')[0]}"):
        refuse_code(changed(path, value), ())
    leaf = f"{path}.{next(iter(value))}" if isinstance(value, Mapping) and value else path
    if path != "sweep.subdir":  # what stays in the sweep's folder holds for all
        refuse_code(changed(path, value), (f"hydra.{leaf}",))


def test_what_is_typed_holds_for_all_below_it_and_nothing_beside() -> None:
    plain = changed("launcher.setup", ["a", "b"])
    refuse_code(plain, ("hydra.launcher.setup",))
    refuse_code(plain, ("hydra.launcher",))
    for typed in ("hydra.launcher.set", "hydra.launcher.setups", "hydra.launcher.setup.0"):
        with pytest.raises(InputError, match=r"^hydra\.launcher\.setup"):
            refuse_code(plain, (typed,))


def test_what_was_copied_of_the_environment_may_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTL_HERE", "1")
    refuse_code(changed("job.env_set.MTL_HERE", "1"), ())
    with pytest.raises(InputError, match="MTL_HERE"):
        refuse_code(changed("job.env_set.MTL_HERE", "2"), ())
