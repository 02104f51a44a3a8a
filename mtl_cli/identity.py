"""What counts as the same: the keys that tell runs, data and draws apart, derived from the marks on config fields.

`settings` has the marks, which stand on the fields of `Config` and its parts. A key that a function here returns is a
text which is equal for two runs if, and only if, they have that thing in common. Imports no TensorFlow.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, get_args

from mtl_cli.config import Config
from mtl_cli.config_errors import in_yaml
from mtl_cli.settings import (
    Balance,
    Cosmetic,
    Extends,
    Repeat,
    Rollback,
    Settings,
    Undrawn,
    fields_with,
    marked,
    signature,
    without,
)

_GONE: Final = ": it is gone"
_SHARES: Final = ("weight", "prob")
"""Of a task, what depends on the others."""


def config_hash(config: Config) -> str:
    """Returns a hash of all that decides the results; summary.json has it."""
    return hashlib.sha256(json.dumps(decisive(config), sort_keys=True).encode()).hexdigest()[:16]


def decisive(config: Config) -> dict[str, Any]:
    """Returns all that decides the results, as JSON can hold it: a run that may go back does so to a checkpoint."""
    plain = without(config, Cosmetic, Rollback)
    if config.on_divergence == "restore":
        plain["checkpoint"] = {"every_steps": config.checkpoints().every_steps}
    return plain


def program_key(config: Config) -> str:
    """Returns a key of the compiled program, as far as it can be told before the data and their shapes are there."""
    described = [without(config.data, Repeat), config.device, config.diagnostics.every is not None]
    return "\n".join([signature(config), json.dumps(described)])


def data_key(config: Config) -> str:
    """Returns a key of the data that is loaded, which is checked for what the run needs it for."""
    own_seed = any(seed is not None for seed in marked(config.data, Repeat).values())
    uses = [config.objective, config.early_stopping.patience is None]
    uses += [config.weighting.compares_rows, config.sampling.uses_rows]
    loaded = [config.data.model_dump(mode="json"), _tasks(config), None if own_seed else config.seed, config.batch_size]
    return json.dumps([*loaded, *uses])


def data_description_key(config: Config) -> str:
    """Returns a key of the data as it is described, whatever the seed."""
    return json.dumps([without(config.data, Repeat), _tasks(config)])


def draws_key(config: Config) -> str:
    """Returns a key of what the host draws in all iterations, learning rates apart, for runs of one program."""
    return json.dumps(without(config, Undrawn))


def baseline_key(config: Mapping[str, Any]) -> str:
    """Returns a key of what a job has in common with its single-task baselines, from its config as plain JSON.

    The objective isn't in it, as a baseline's may be about its own task.
    """
    kept = _unmarked(config, _pattern(Config, Cosmetic, Balance))
    kept.pop("objective", None)
    return json.dumps(kept, sort_keys=True)


def changes(before: Any, now: Any, key: str = "") -> list[str]:
    """Returns how a config differs from what it was, a line for each thing, but for values in which a run may.

    What follows from another thing has no line: the keys of another choice, shares that other tasks leave.

    >>> changes({"steps": 1, "model": {"units": 3}}, {"steps": 2, "model": {"units": 4}})
    ['model.units: it was 3 and is 4']
    """
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        same = before == now or is_marked(key, Extends)
        return [] if same else [f"{key}: it was {in_yaml(before)} and is {in_yaml(now)}"]
    for tag in ("name", "kind"):
        if key and before.get(tag) != now.get(tag):
            return [f"{key}: it was {in_yaml(before.get(tag))} and is {in_yaml(now.get(tag))}"]
    if key == "tasks":
        return _task_changes(before, now)
    lines = [
        line
        for name in dict.fromkeys([*before, *now])
        for line in changes(before.get(name), now.get(name), f"{key}.{name}".lstrip("."))
    ]
    gone = any(line.endswith(_GONE) for line in lines)
    return [line for line in lines if not (gone and line.startswith("data.dropped_labels:"))]


def _task_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    lines = [f"tasks.{task}: it is a task more" for task in now if task not in before]
    lines += [f"tasks.{task}{_GONE}" for task in before if task not in now]
    same_tasks, kept = not lines, [task for task in before if task in now]
    for task in kept:
        then, new = ({key: each[task][key] for key in each[task] if key not in _SHARES} for each in (before, now))
        lines += changes(then, new, f"tasks.{task}")
    for share in _SHARES if same_tasks else ():
        moved = [task for task in kept if before[task].get(share) != now[task].get(share)]
        was, made = (", ".join(f"{each[task].get(share):g} ({task})" for task in moved) for each in (before, now))
        lines += [f"tasks.*.{share}: it was {was} and is {made}"] if moved else []
    return lines


def keys(mark: type) -> tuple[str, ...]:
    """Returns the config's keys that have a mark, by section; `*` stands for every task's name.

    >>> keys(Extends)
    ('steps', 'early_stopping.patience', 'optimizer.schedule_steps', 'optimizer.rate_after_schedule')
    >>> keys(Balance)
    ('weighting', 'sampling', 'tasks.*.weight', 'tasks.*.prob')
    """
    return _keys(Config, mark)


def is_marked(key: str, *marks: type) -> bool:
    """Tells whether a key of the config, as `tasks.price.weight`, has one of these marks, or lies in one that has.

    >>> [is_marked(key, Balance) for key in ("tasks.price.weight", "weighting.alpha", "tasks.price")]
    [True, True, False]
    """
    return _pattern(Config, *marks).fullmatch(key) is not None


def _tasks(config: Config) -> dict[str, Any]:
    return {name: without(task, Balance) for name, task in config.tasks.items()}


def _unmarked(tree: Any, marked_keys: re.Pattern[str], prefix: str = "") -> Any:
    """Returns a config's plain JSON without the keys that are marked."""
    if not isinstance(tree, Mapping):
        return tree
    kept = {key: value for key, value in tree.items() if not marked_keys.fullmatch(prefix + key)}
    return {key: _unmarked(value, marked_keys, f"{prefix}{key}.") for key, value in kept.items()}


@cache
def _pattern(schema: type[Settings], *marks: type) -> re.Pattern[str]:
    found = [re.escape(key).replace(r"\*", r"[^.]+") for key in _keys(schema, *marks)]
    return re.compile(rf"(?:{'|'.join(found) or '(?!)'})(?:\..*)?")


@cache
def _keys(schema: type[Settings], *marks: type) -> tuple[str, ...]:
    found = dict.fromkeys(_walk(schema, "", *marks))
    return tuple(sorted(found, key=lambda key: key.rpartition(".")[0]))


def _walk(annotation: Any, prefix: str, *marks: type) -> Iterator[str]:
    """Yields the marked keys of what an annotation may hold, of each member of a family too."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        for key, field in annotation.model_fields.items():
            if key in fields_with(annotation, *marks):
                yield prefix + key
            else:
                yield from _walk(field.annotation, f"{prefix}{key}.", *marks)
    else:
        within = f"{prefix}*." if getattr(annotation, "__origin__", None) is dict else prefix
        for part in get_args(annotation):
            yield from _walk(part, within, *marks)
