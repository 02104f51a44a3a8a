"""The columns of a sweep's table of settings."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from mtl_cli.comparison.comparison import Comparison
from mtl_cli.comparison.setting import Setting
from mtl_cli.comparison.statistics import Mean
from mtl_cli.terminal.formatting import format_number

LEAST_INTERVAL: Final = 1e-9
"""As a part of the mean; a smaller interval isn't written with as many decimals."""


@dataclass(frozen=True)
class Column:
    """A column: its heading, and how a setting's cell is made."""

    heading: str
    cell: Callable[[Setting], str]
    naive: float = math.nan
    """What a naive answer has here; NaN where there is none."""


GAIN: Final = "gain over single-task, %"
"""What is shown of `statistics.gain`, which papers call Delta m."""
MOST_LETTERS: Final = 40
"""Of a value in a table."""
SEEDS: Final = Column("n", lambda setting: str(len(setting.counted)))
"""Over how many jobs the means are."""


def name_columns(comparison: Comparison) -> Sequence[Column]:
    """Returns the columns that tell settings apart: one for each swept key; of ordinary runs, a number."""
    if not comparison.is_sweep:
        numbers = {setting: str(number) for number, setting in enumerate(comparison.settings, 1)}
        return [Column("#", numbers.__getitem__)]
    return _key_columns(comparison)


def _key_columns(comparison: Comparison) -> Sequence[Column]:
    if not comparison.keys:
        return [Column("setting", lambda _: "all")]
    short = labels(comparison.keys)
    return [Column(short[key], partial(_value, place)) for place, key in enumerate(comparison.keys)]


def result_columns(comparison: Comparison) -> Sequence[Column]:
    """Returns the columns with the settings' results, as far as there is something to show in them."""
    columns = [SEEDS] if comparison.is_sweep else [*_key_columns(comparison), SEEDS]
    if comparison.seeds_differ and not comparison.is_sweep:
        columns.append(Column("seed", lambda setting: ",".join(dict.fromkeys(job.seed for job in setting.counted))))
    if any(setting.failed for setting in comparison.settings):
        columns.append(Column("failed", lambda setting: str(setting.failed)))
    columns += [
        Column(f"{task.task} {task.metric}", partial(_metric, place), comparison.naive(comparison.split, task))
        for place, task in enumerate(comparison.tasks)
    ]
    columns.append(
        Column(comparison.objective_name, lambda setting: with_interval(setting.objective), comparison.naive_objective)
    )
    if comparison.best is not None and len(comparison.settings) > 1:
        columns.append(Column("difference", partial(_difference, comparison)))
    if comparison.baselines:
        columns.append(Column(GAIN, _gain))
    if len(comparison.tasks) > 1:
        columns.append(Column("mean rank", lambda setting: format_value(setting.rank)))
        columns.append(Column("Pareto", lambda setting: "*" if setting.pareto else ""))
    if not comparison.is_sweep:
        columns.append(Column("run", lambda setting: " ".join(job.name for job in setting.counted[:1])))
    return columns


def _value(place: int, setting: Setting) -> str:
    return shortened(setting.values[place])


def _metric(place: int, setting: Setting) -> str:
    return with_interval(setting.metrics[place])


def _difference(comparison: Comparison, setting: Setting) -> str:
    return "best" if setting is comparison.best else with_interval(comparison.difference(setting), sign="+")


def _gain(setting: Setting) -> str:
    fewer = f" (n={setting.gain.n})" if setting.gain.n not in (0, len(setting.counted)) else ""
    return with_interval(setting.gain, sign="+") + fewer


def format_value(value: float) -> str:
    """Returns a number as text; nothing for NaN."""
    return format_number(value) if math.isfinite(value) else ""


def labels(keys: Sequence[str]) -> dict[str, str]:
    """Returns keys as columns' headings: the last part, or as many of the last ones as tell a key from the others.

    A task's key keeps the task's name.

    >>> list(labels(["optimizer.learning_rate", "tasks.y1.weight", "model.dropout", "data.dropout"]).values())
    ['learning_rate', 'y1.weight', 'model.dropout', 'data.dropout']
    >>> list(labels(["optimizer/schedule", "weighting", "weighting.on"]).values())
    ['schedule', 'weighting', 'on']
    """
    parts = {key: re.split(r"[./]", key.removeprefix("tasks.")) for key in keys}
    short = {key: key.removeprefix("tasks.") for key in keys}
    for length in (2, 1):
        ends = {key: ".".join(of[-length:]) for key, of in parts.items() if length > 1 or not key.startswith("tasks.")}
        counts = Counter((short | ends).values())
        short |= {key: end for key, end in ends.items() if counts[end] == 1}
    return short


def shortened(value: str) -> str:
    """Returns a config's value as a table shows it: fractions with four digits, no long lists; commands have all of it.

    >>> [shortened(value) for value in ("0.19999999999999998", "0.001", "1e-3", "12345", "0.123456", "[20,20]", "mgda")]
    ['0.2', '0.001', '1e-3', '12345', '0.1235', '[20,20]', 'mgda']
    """
    fraction = re.fullmatch(r"-?(\d*)\.(\d+)(e[+-]?\d+)?", value)
    if len(value) > MOST_LETTERS:
        return f"{value[: MOST_LETTERS - 3]}..."
    return f"{float(value):.4g}" if fraction and len((fraction[1] + fraction[2]).lstrip("0")) > 4 else value


def with_interval(mean: Mean, sign: str = "") -> str:
    """Returns a mean with its interval, as far as there is one, with as many decimals.

    >>> with_interval(Mean(3, 0.97053, 0.00213)), with_interval(Mean(1, 5.0, math.nan), sign="+")
    ('0.9705 +- 0.0021', '+5')
    >>> with_interval(Mean(3, 0.5, 0.03)), with_interval(Mean(3, 5012345.6, 1234.5))
    ('0.500 +- 0.030', '5,012,346 +- 1,234')
    >>> with_interval(Mean(3, 3.2e-9, 1e-10)), with_interval(Mean(3, -0.25, 0.0))
    ('(3.20 +- 0.10)e-09', '-0.25 +- 0')
    """
    if not mean.n:
        return ""
    plus = sign if mean.mean > 0 else ""
    if math.isnan(mean.half) or mean.half <= LEAST_INTERVAL * abs(mean.mean):
        return plus + format_number(mean.mean) + ("" if math.isnan(mean.half) else f" +- {format_number(mean.half)}")
    exponent = math.floor(math.log10(max(abs(mean.mean), mean.half)))
    if not -4 <= exponent < 15:
        scaled, half = mean.mean / 10.0**exponent, mean.half / 10.0**exponent
        return f"{plus}({scaled:.{_decimals(half)}f} +- {half:.{_decimals(half)}f})e{exponent:+03d}"
    decimals = _decimals(mean.half)
    return f"{plus}{mean.mean:,.{decimals}f} +- {mean.half:,.{decimals}f}"


def _decimals(half: float) -> int:
    """Returns how many decimals show two digits of it."""
    return max(0, 1 - math.floor(math.log10(half)))
