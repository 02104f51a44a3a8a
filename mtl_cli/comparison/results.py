"""The results of a sweep's jobs, read from their folders. Imports no TensorFlow."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from mtl_cli.comparison.sweeper_objective import objective_of
from mtl_cli.errors import InputError
from mtl_cli.identity import baseline_key, is_marked, keys
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.settings import Balance, Cosmetic, Repeat
from mtl_cli.untrusted.files import read_summary, read_yaml

UNFINISHED: Final = "unfinished"
"""The status of a job without summary.json."""
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DEPTH: Final = 4
"""How deep job folders are looked for."""


@dataclass(frozen=True)
class Result:
    """A job, from its overrides and, once it has ended, its summary.json."""

    name: str
    """The job's folder, from the sweep's."""
    overrides: Sequence[str]
    summary: Mapping[str, Any] = field(default_factory=dict)
    as_configured: bool = False
    """Whether keys have the values of the config, where it is known, rather than as they were typed (1e-3)."""

    @property
    def status(self) -> str:
        """How it ended, if it did."""
        return str(self.summary.get("status", UNFINISHED))

    @property
    def finished(self) -> bool:
        """Tells whether it trained to its end: then its numbers count."""
        return self.status == "finished"

    @property
    def config(self) -> Mapping[str, Any]:
        """Its config as plain JSON; empty where it isn't known."""
        return self.summary.get("config") or {}

    @property
    def objective(self) -> float:
        """The validation objective, NaN where there is none."""
        return nan_if_null(self.summary.get("objective"))

    @property
    def objective_name(self) -> str:
        """The config's `objective`."""
        return str(self.config.get("objective", "val_loss"))

    @cached_property
    def shares(self) -> Mapping[str, float]:
        """The tasks' shares; as far as they are overridden where the job hasn't ended."""
        known: Mapping[str, float] | None = self.summary.get("shares")
        if known is not None:
            return known
        overridden = ((key.split("."), value) for key, value in self.given.items() if is_marked(key, Balance))
        return {
            parts[1]: float(value) for parts, value in overridden if parts[0] == "tasks" and _NUMBER.fullmatch(value)
        }

    @cached_property
    def trained(self) -> Sequence[str]:
        """The tasks that have a share."""
        return [task for task, share in self.shares.items() if share > 0]

    @property
    def single_task(self) -> str | None:
        """The task of a single-task run: it has all of the share there is, 1."""
        is_single = [self.shares[task] for task in self.trained] == [1]
        return self.trained[0] if is_single and (self.summary or len(self.shares) > 1) else None

    @cached_property
    def given(self) -> Mapping[str, str]:
        """The overridden keys and their values, as text."""
        pairs = (override.lstrip("+").partition("=") for override in self.overrides)
        return {key: _unquoted(value) if equals else "(deleted)" for key, equals, value in pairs}

    def value(self, key: str) -> str | None:
        """Returns a key's value as text, as overridden, or as the config has it; None where that isn't known."""
        if key in self.given and not (self.as_configured and self._configured(key)):
            return self.given[key]
        return self._configured(key)

    def _configured(self, key: str) -> str | None:
        inner: Any = self.config
        for part in re.split(r"[./]", key.partition("@")[0].lstrip("~")):
            if not isinstance(inner, Mapping) or part not in inner:
                return "" if self.config else None
            inner = inner[part]
        chosen = inner.get("name", "") if isinstance(inner, Mapping) else inner
        return chosen if isinstance(chosen, str) else json.dumps(chosen)

    @property
    def seed(self) -> str:
        """The seed."""
        return str(self.summary["seed"]) if "seed" in self.summary else self.given.get("seed", "")

    @property
    def repeat(self) -> tuple[str, ...]:
        """What tells it from repetitions of the same setting."""
        return tuple(self.value(key) or "" for key in keys(Repeat))

    @property
    def config_hash(self) -> str:
        """Equal for jobs with the same config, which are the same run."""
        return str(self.summary.get("config_hash", self.name))

    def pairing_key(self, task: str) -> str:
        """Equal for a job and its single-task baseline of the same seed for this task."""
        metric = self.config.get("tasks", {}).get(task, {}).get("metric", "loss")
        return f"{self._baseline_key} {objective_of(self.objective_name, task, metric)}"

    @cached_property
    def _baseline_key(self) -> str:
        return baseline_key(self.config)

    def metric(self, split: str, task: str, metric: str) -> float:
        """Returns a metric, NaN where it isn't there, or where the task wasn't trained."""
        if task not in self.trained:
            return math.nan
        return nan_if_null(self.summary.get("metrics", {}).get(split, {}).get(task, {}).get(metric))

    def naive(self, split: str, task: str, metric: str) -> float:
        """Returns a metric of a naive answer, NaN where it isn't there."""
        return nan_if_null(self.summary.get("naive", {}).get(split, {}).get(task, {}).get(metric))

    def metrics(self) -> Iterator[tuple[tuple[str, str, str], float | None]]:
        """Yields (split, task, metric) and the value of all there are, of tasks that weren't trained too."""
        for split, tasks in self.summary.get("metrics", {}).items():
            for task, metrics in tasks.items():
                for metric, value in metrics.items():
                    yield (split, task, metric), value

    @property
    def train_loss(self) -> float:
        """The mean over the trained tasks of the training loss."""
        losses = [self.metric("train", task, "loss") for task in self.trained]
        return math.fsum(losses) / len(losses) if losses else math.nan


class Results:
    """Reads the jobs' folders, each again only when its file has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, tuple[tuple[int, int, int], Result]] = {}

    def read(self) -> list[Result]:
        """Returns the jobs, in the order of their numbers.

        Raises:
            InputError: A file can't be read.
        """
        folders = {folder.relative_to(self._folder).as_posix(): folder for folder in job_folders(self._folder)}
        return [self._result(name, folders[name]) for name in sorted(folders, key=natural)]

    def _result(self, name: str, folder: Path) -> Result:
        for file in (folder / "summary.json", folder / CONFIGS / "overrides.yaml"):
            try:
                seen = file.stat()
            except FileNotFoundError:
                continue
            stamp = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
            known = self._known.get(file)
            if known is None or known[0] != stamp:
                known = self._known[file] = stamp, _read(name, file)
            return known[1]
        return Result(name, [])  # its files were taken away meanwhile


def _read(name: str, file: Path) -> Result:
    try:
        if file.suffix == ".json":
            summary = read_summary(file.parent)
            return Result(name, summary.get("overrides") or [], summary)
        return Result(name, [str(override) for override in read_yaml(file) or []])
    except (ValueError, TypeError):
        return Result(name, [])  # torn, or another process is about to write it: as if it hadn't ended
    except OSError as error:
        raise InputError(f"{file}: it can't be read as the file of a job: {' '.join(str(error).split())}") from error


def is_run(folder: Path) -> bool:
    """Tells whether a folder is that of a run."""
    names = ("summary.json", "losses.csv", ".hydra/overrides.yaml")
    return any((folder / name).exists() for name in names)


def is_sweep(folder: Path) -> bool:
    """Tells whether a folder is that of a sweep: Hydra's own sweeper leaves one of the files, the tables the other."""
    return any((folder / name).is_file() for name in ("multirun.yaml", "sweep.csv"))


def job_folders(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Yields the folders below this one that are those of jobs."""
    for inner in folder.iterdir() if depth else ():
        if inner.is_dir() and not (inner.is_symlink() or inner.name.startswith(".")):
            if is_run(inner):
                yield inner
            else:
                yield from job_folders(inner, depth - 1)


def differing(results: Sequence[Result]) -> list[str]:
    """Returns the overridden keys whose values differ between these jobs, in the order they come in."""
    overridden = dict.fromkeys(key for result in results for key in result.given)
    return [key for key in overridden if len({result.value(key) for result in results} - {None}) > 1]


def differing_configs(results: Sequence[Result]) -> list[str]:
    """Returns the keys in which runs differ: the overridden ones, and others, as after an edit of a config's file.

    What changes no result isn't among them, nor what follows from an overridden key: a group's own keys, and the other
    tasks' shares.
    """
    overridden = [key for key in differing(results) if not is_marked(key, Cosmetic)]
    sections = tuple(re.sub(r"@.*", "", key.lstrip("~")).replace("/", ".") + "." for key in overridden)
    apart = (Cosmetic, Repeat, *([Balance] if any(is_marked(key, Balance) for key in overridden) else []))
    found = _unlike([result.config for result in results if result.config])
    return overridden + [key for key in found if not f"{key}.".startswith(sections) and not is_marked(key, *apart)]


def _unlike(values: Sequence[Any], key: str = "") -> Iterator[str]:
    """Yields the keys in which parts of configs differ; one alone where another member of a family is chosen."""
    parts = [value for value in values if isinstance(value, Mapping)]
    inner = dict.fromkeys(name for part in parts for name in part)
    if all(value == values[0] for value in values):
        return
    if not parts or (key and len({part.get("name") for part in parts}) > 1):
        yield key
    elif len(parts) < len(values):
        yield f"{key}.{'kind' if 'kind' in inner else next(iter(inner), '')}"
    else:
        for name in inner:
            yield from _unlike([part.get(name) for part in parts], f"{key}.{name}".lstrip("."))


def nan_if_null(value: Any) -> float:
    """Returns a JSON number, NaN for null."""
    return math.nan if value is None else float(value)


def natural(text: str) -> list[tuple[int, float, str]]:
    """Returns a sort key by which numbers inside texts count as numbers.

    >>> sorted(["10", "9", "1e-3", "0.01", "adam"], key=natural)
    ['1e-3', '0.01', '9', '10', 'adam']
    """
    try:
        whole = float(text)
    except ValueError:
        whole = math.nan
    if math.isfinite(whole):
        return [(0, whole, text)]
    parts = re.split(r"(\d+)", text)
    return [(1, float(part), "") if i % 2 else (2, 0.0, part) for i, part in enumerate(parts)]


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
