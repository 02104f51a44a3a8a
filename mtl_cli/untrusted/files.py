"""Files of runs and configs that others may have made: read in bounded time and memory, and looked at before use."""

import json
import stat
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict

from mtl_cli.errors import InputError

MOST_BYTES: Final = 2**22
"""Of a YAML file."""
MOST_NODES: Final = 300_000
"""Values of a YAML file, what is repeated by aliases counted as often as it is."""
DEEPEST: Final = 50
"""Levels of a YAML file."""
MOST_JSON: Final = 2**25
"""Bytes of a JSON file."""
MOST_LAYERS: Final = 25_000
"""Of a model; Keras takes a few milliseconds for each."""
MOST_WEIGHTS: Final = 2**28
"""Of a layer of a model whose file is smaller than that."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where it is there: it is ten times faster."""


def check_yaml(file: Path) -> None:
    """Refuses a YAML file that is too large or too deep, with what its aliases repeat; one that is wrong passes."""
    with suppress(UnicodeDecodeError):
        yaml_text(file)


def yaml_text(file: Path) -> str:
    """Returns a YAML file's text, without a byte order mark, once its size is known to be bounded.

    Who parses this very text, rather than the file once more, can't be given another one.

    Raises:
        OSError, ValueError: It can't be read, or isn't UTF-8.
        InputError: It is too large or too deep, with what its aliases repeat.
    """
    _check_plain(file)
    with file.open("rb") as opened:
        content = opened.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{file}: it has {file.stat().st_size:,} bytes, and a config has {MOST_BYTES:,} at most")
    text = content.decode("utf-8-sig")
    nodes, sizes = 0, dict[str, int]()
    inside: list[tuple[str | None, int]] = []
    with suppress(yaml.YAMLError):
        for event in yaml.parse(text, _LOADER):
            match event:
                case yaml.AliasEvent(anchor=anchor):
                    inside_itself = anchor in dict(inside)
                    nodes += MOST_NODES if inside_itself else sizes.get(anchor, 0)  # who parses it finds it undefined
                case yaml.ScalarEvent(anchor=anchor, value=value):
                    sizes[anchor] = 1 + len(value) // (4 if "${" in value else 32)  # an interpolation takes long
                    nodes += sizes[anchor]
                case yaml.CollectionStartEvent(anchor=anchor):
                    inside.append((anchor, nodes))
                    nodes += 1
                case yaml.CollectionEndEvent():
                    anchor, before = inside.pop()
                    sizes[anchor or ""] = nodes - before
            if nodes >= MOST_NODES or len(inside) > DEEPEST:
                most = f"{MOST_NODES:,} values and {DEEPEST} levels at most, aliases followed"
                raise InputError(f"{file}: it is too large or too deep; a config has {most}")
    return text


def read_yaml(file: Path) -> Any:
    """Returns what a YAML file holds.

    Raises:
        OSError, ValueError: It can't be read, or isn't YAML.
        InputError: It is too large.
    """
    try:
        return yaml.load(yaml_text(file), _LOADER)
    except yaml.YAMLError as error:
        raise ValueError(f"{file} isn't YAML") from error


def read_json(file: Path) -> dict[str, Any]:
    """Returns the object that a JSON file holds.

    Raises:
        OSError, ValueError: It can't be read, is too large or too deep, or holds something else.
    """
    _check_plain(file)
    if file.stat().st_size > MOST_JSON:
        raise ValueError(f"{file} has {file.stat().st_size:,} bytes, more than {MOST_JSON:,}")
    try:
        content = json.loads(file.read_text())
    except RecursionError as error:
        raise ValueError(f"{file} is too deep") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} holds no object")
    return content


def _check_plain(file: Path) -> None:
    """Refuses a pipe, say, whose reading never ends."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise ValueError(f"{file} is no plain file")


def check_model(file: Path) -> None:
    """Refuses a saved model that names other code than Keras' own, or is larger than its file.

    Keras has a safe mode besides, which keeps to what is in the file.

    Raises:
        OSError, ValueError, KeyError: It is one, or none at all.
    """
    whole = file.stat().st_size
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > 2 * whole + 2**20:  # Keras doesn't compress
            raise ValueError(f"it is {whole:,} bytes that unpack to {unpacked:,}")
        if any(".." in name or name.startswith("/") for name in archive.namelist()):
            raise ValueError("it has files for other folders")
        if archive.getinfo("config.json").file_size > MOST_JSON:
            raise ValueError("its config.json is too large")
        try:
            config = json.loads(archive.read("config.json"))
        except (RuntimeError, zlib.error) as error:  # too deep, encrypted, damaged
            raise ValueError("its config.json can't be read") from error
    sizes, layers = [0, 0], 0
    inside = [config]
    while inside:
        part = inside.pop()
        inside += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        if not isinstance(part, dict):
            continue
        module = part.get("module")
        if not (module is None or module == "builtins" or str(module).partition(".")[0] == "keras"):
            raise ValueError(f"it names code of the module {str(module)[:100]!r}")
        if part.get("class_name") in ("Lambda", "__lambda__"):
            raise ValueError("it has Python code in it, a Lambda layer")
        layers += "class_name" in part and str(module).startswith("keras.layers")
        shape = part.get("batch_shape")
        named = [part.get(key) for key in ("units", "input_dim", "output_dim", "max_tokens")]
        sizes += [n for n in [*named, *(shape if isinstance(shape, list) else ())] if isinstance(n, int)]
    if layers > MOST_LAYERS:
        raise ValueError(f"it has {layers:,} layers, and {MOST_LAYERS:,} are the most")
    first, second = sorted(sizes)[-2:]
    if max(first * second, second) > max(whole, MOST_WEIGHTS):
        raise ValueError(f"its layers are of {first:,} x {second:,} numbers, and the file has {whole:,} bytes")


class _Loose(BaseModel):
    model_config = ConfigDict(strict=True)


class _Task(_Loose):
    metric: str = "loss"


class _Config(_Loose):
    objective: str = "val_loss"
    tasks: dict[str, _Task] = {}


class _Gate(_Loose):
    level: int = 0
    experts: dict[str, float]
    usage_entropy: float


class _Summary(_Loose):
    """What is made use of."""

    status: str
    ended_by: str | None = None
    error: str | None = None
    iterations: int = 0
    train_seconds: float = 0.0
    seconds: float | None = None
    iterations_per_second: float | None = None
    best_iteration: int | None = None
    objective: float | None = None
    best_val_loss: float | None = None
    seed: int = 0
    config_hash: str = ""
    config: _Config | None = None
    overrides: list[str] | None = None
    shares: dict[str, float] | None = None
    weights: dict[str, float] | None = None
    probs: dict[str, float] | None = None
    picks: dict[str, int] | None = None
    epochs: dict[str, float | None] | None = None
    metrics: dict[str, dict[str, dict[str, float | None]]] = {}
    naive: dict[str, dict[str, dict[str, float | None]]] = {}
    gates: dict[str, _Gate] = {}


def read_summary(folder: Path) -> dict[str, Any]:
    """Returns what a run's `summary.json` holds, by the old names of its keys also where it has the new ones alone.

    Raises:
        OSError, ValueError: There is none that is one.
    """
    summary = read_json(folder / "summary.json")
    read = _Summary.model_validate(summary)
    if (shares := read.weights or read.probs) is not None:
        summary.setdefault("shares", shares)
    if "best_val_loss" in summary and (read.config or _Config()).objective == "val_loss":
        summary.setdefault("objective", read.best_val_loss)
    return summary


def summary_in(folder: Path) -> dict[str, Any] | None:
    """Returns what a run's `summary.json` holds; None where there is none that is one."""
    try:
        return read_summary(folder)
    except (OSError, ValueError):
        return None
