"""The command lines that train the best setting of a sweep again."""

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtl_cli.comparison.results import Result
from mtl_cli.comparison.setting import Setting
from mtl_cli.errors import InputError
from mtl_cli.identity import is_marked, keys
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.settings import Repeat
from mtl_cli.untrusted.files import read_yaml


def train_again(job: Result, sweep: Path) -> str:
    """Returns the command that trains a job of the sweep in a folder again."""
    return " ".join(["mtl-train", *_quoted(job.overrides), *_flags(sweep / job.name, all_seeds=False)])


def train_all_seeds_again(setting: Setting, job: Result, sweep: Path) -> str | None:
    """Returns the command that trains all jobs of a setting again, as one of them was; None where one is all."""
    overrides = _all_seeds(setting)
    if overrides is None:
        return None
    return " ".join(["mtl-train -m", *_quoted(overrides), *_flags(sweep / job.name, all_seeds=True)])


def _quoted(words: Sequence[str]) -> list[str]:
    return [shlex.quote(word) for word in words]


def _all_seeds(setting: Setting) -> list[str] | None:
    """Returns the overrides for all jobs of a setting; None where one is all, or where it takes several commands."""
    typed = [key for key in keys(Repeat) if any(key in job.given for job in setting.counted)]
    given = [{key: job.given.get(key, job.value(key) or "") for key in typed} for job in setting.counted]
    values = {key: dict.fromkeys(each[key] for each in given) for key in typed}
    pairs = {tuple(each.items()) for each in given}
    combinations = math.prod(map(len, values.values()))
    if not all(map(all, values.values())) or len(given) < 2 or len(pairs) < max(len(given), combinations):
        return None
    kept = [word for word in setting.counted[0].overrides if not is_marked(word.lstrip("+").partition("=")[0], Repeat)]
    return kept + [f"{key}={','.join(each)}" for key, each in values.items()]


def _flags(folder: Path, *, all_seeds: bool) -> list[str]:
    """Returns what the command line needs besides overrides: where configs were, and to leave a grid in them alone."""
    try:
        settings: Any = read_yaml(folder / CONFIGS / "hydra.yaml")["hydra"]
        sources = [each["path"] for each in settings["runtime"]["config_sources"] if each["provider"] == "command-line"]
        flags = [word for path in sources for word in ("--config-dir", shlex.quote(path))]
        if settings["job"]["config_name"] != "config":
            flags += ["-cn", shlex.quote(settings["job"]["config_name"])]
        if settings["sweeper"].get("params"):
            flags.append("hydra.sweeper.params=null" if all_seeds else "hydra.mode=RUN")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError):
        return []
    return flags
