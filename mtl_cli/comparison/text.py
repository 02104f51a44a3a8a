"""Puts into words and tables what a sweep came to."""

import math
import shlex
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from mtl_cli.comparison.comparison import TRAIN_LOSS, Answer, Setting
from mtl_cli.comparison.results import Result
from mtl_cli.comparison.statistics import MOST_OBJECTIVES, Mean
from mtl_cli.comparison.verdict import told_of_gain, verdict
from mtl_cli.errors import InputError
from mtl_cli.identity import is_marked, keys
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.settings import Repeat
from mtl_cli.terminal.markdown import Block, Command, Grid, Heading, Paragraph
from mtl_cli.terminal.run_view import number
from mtl_cli.untrusted.files import read_yaml

SHOWN_SETTINGS: Final = 20
"""Settings that a terminal shows; the file has all."""
SHOWN_FAILURES: Final = 5
MOST_SLICES: Final = 6
MOST_VALUES: Final = 12
"""Values of a key that a slice has room for."""
LEAST_INTERVAL: Final = 1e-9
"""As a part of the mean; a smaller interval isn't written with as many decimals."""
_LONGEST: Final = 200
"""Letters of an error."""


def told(answer: Answer, folder: Path) -> list[Block]:
    """Returns all there is to say of the sweep in this folder."""
    return [
        *([Paragraph(said)] if (said := verdict(answer)) else []),
        Paragraph(_counts(answer)),
        *_settings(answer),
        *_alone(answer),
        *_slices(answer),
        *_failures(answer),
        *_best(answer, folder),
        *_tested(answer),
    ]


def label(key: str) -> str:
    """Returns a swept key as a column's heading: without `tasks.`, the group's name otherwise kept.

    >>> label("tasks.y1.weight"), label("optimizer.learning_rate")
    ('y1.weight', 'optimizer.learning_rate')
    """
    return key.removeprefix("tasks.")


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
        return plus + number(mean.mean) + ("" if math.isnan(mean.half) else f" +- {number(mean.half)}")
    exponent = math.floor(math.log10(max(abs(mean.mean), mean.half)))
    if not -4 <= exponent < 15:
        scaled, half = mean.mean / 10.0**exponent, mean.half / 10.0**exponent
        return f"{plus}({scaled:.{_decimals(half)}f} +- {half:.{_decimals(half)}f})e{exponent:+03d}"
    decimals = _decimals(mean.half)
    return f"{plus}{mean.mean:,.{decimals}f} +- {mean.half:,.{decimals}f}"


def _decimals(half: float) -> int:
    """Returns how many decimals show two digits of it."""
    return max(0, 1 - math.floor(math.log10(half)))


def _counts(answer: Answer) -> str:
    counts = [
        f"{answer.count(status):,} {status}" for status in ("finished", "failed", "stopped") if answer.count(status)
    ]
    counts += [f"{answer.unfinished:,} not finished yet"] if answer.unfinished else []
    text = f"{_counted(len(answer.results), 'job')}: {', '.join(counts)}."
    if answer.twice:
        text += f" {_counted(answer.twice, 'job')} with the config of another: counted once."
    if answer.count("stopped"):
        text += " Stopped jobs don't count: they trained for less than the others."
    return text


def _settings(answer: Answer) -> Iterator[Block]:
    settings, several = answer.settings, len(answer.tasks) > 1
    if not any(setting.counted for setting in settings):
        yield Paragraph("No setting has a finished job, so there is nothing to compare.")
        return
    yield Heading("Settings")
    gains, failures = bool(answer.baselines), any(each.failed for each in settings)
    headings = [*map(label, answer.keys), "n", *(["failed"] if failures else [])]
    names = max(len(answer.keys), 1)
    headings = headings if answer.keys else ["setting", *headings]
    headings += [f"{each.task} {each.metric}" for each in answer.tasks] + [answer.objective_name]
    headings += ["difference"] if answer.best is not None and len(settings) > 1 else []
    headings += ["delta_m_gain_%"] if gains else []
    headings += ["mean rank", "Pareto"] if several else []
    rows = []
    for each in settings:
        row = list(each.values) or ["all"]
        row += [str(len(each.counted)), *([str(each.failed)] if failures else [])]
        row += [with_interval(mean) for mean in each.metrics] + [with_interval(each.objective)]
        row += [_difference(answer, each)] if "difference" in headings else []
        row += [_gained(each)] if gains else []
        row += [number(each.rank) if math.isfinite(each.rank) else "", "*" if each.pareto else ""] if several else []
        rows.append(row)
    naive = [answer.naive(answer.split, each) for each in answer.tasks] + [answer.naive_objective]
    if any(map(math.isfinite, naive)):
        before = ["naive", *[""] * (names + failures)]
        after = [""] * (len(headings) - len(before) - len(naive))
        rows.append([*before, *map(_number, naive), *after])
    yield Grid(headings, rows, names, [*range(min(len(settings), SHOWN_SETTINGS)), *range(len(settings), len(rows))])
    yield Paragraph(_legend(answer, several=several, gains=gains, naive=len(rows) > len(settings)))
    if several:
        yield Paragraph(_volume(answer))


def _difference(answer: Answer, setting: Setting) -> str:
    return "best" if setting is answer.best else with_interval(answer.difference(setting), sign="+")


def _number(value: float) -> str:
    return number(value) if math.isfinite(value) else ""


def _gained(setting: Setting) -> str:
    fewer = f" (n={setting.gain.n})" if setting.gain.n not in (0, len(setting.counted)) else ""
    return with_interval(setting.gain, sign="+") + fewer


def _legend(answer: Answer, *, several: bool, gains: bool, naive: bool) -> str:
    where = "on the validation rows" if answer.split == "val" else "on the training rows, as there are no others"
    text = f"Sorted by {answer.objective_name}" if answer.comparable else "In the order of the jobs"
    text += f". Means over seeds {where}, +- a 95 % interval (Student's t; none below two seeds)."
    if answer.splits_vary is True:
        text += " Each seed has its own split of the rows; data.split_seed=0 keeps one for all."
    if answer.splits_vary is False and answer.repeats > 1:
        text += " All seeds have the same split of the rows (data.split_seed), so the intervals are of training alone."
    for more, word in ((True, "more"), (False, "less")):
        named = dict.fromkeys(each.metric for each in answer.tasks if each.higher is more)
        text += f" Of {', '.join(named)}, {word} is better." if named else ""
    if gains:
        text += (
            " delta_m_gain_%: how much better than each task alone, 100 times the mean over the tasks of "
            "(together - alone) / |alone|, its sign turned where less is better, paired by seed; above 0, training "
            "together helps."
        )
        if any(each.gain.n < len(each.counted) for each in answer.settings):
            text += (
                " It is empty, or of fewer seeds, where a baseline is missing, or 0, which nothing can be measured by."
            )
    if several:
        text += " Mean rank: of the setting's means, averaged over the tasks; 1 is best."
        text += " Pareto *: no other setting is as good in every task and better in one."
    if answer.best is not None and len(answer.settings) > 1:
        text += (
            f" difference: by how much {answer.objective_name} is more than the best one's, paired by seed; with 0 in "
            "the interval none can be told. That takes no account of how many settings are compared: the best of many "
            "is luckier."
        )
    if naive:
        text += " naive: the same answer for all rows, from the mean of the training labels or their classes' shares."
    return text


def _volume(answer: Answer) -> str:
    if math.isnan(answer.volume):
        few = f"it is computed for up to {MOST_OBJECTIVES} tasks"
        none = "no setting has the main metrics of all tasks"
        return f"No hypervolume: {few if len(answer.tasks) > MOST_OBJECTIVES else none}."
    point = ", ".join(
        f"{each.task} {each.metric} {value:.6g}" for each, value in zip(answer.tasks, answer.reference, strict=True)
    )
    return (
        f"Hypervolume of the Pareto set {answer.volume:.6g}, from the reference point {point}: each task's worst mean, "
        "moved out by 10 % of the range. Sweeps can be compared by it from the same point only."
    )


def _tested(answer: Answer) -> Iterator[Block]:
    """Shows all settings on the test rows, if that is asked for."""
    asked = any(result.config.get("sweep", {}).get("test_for_all") for result in answer.results)
    if not asked or not answer.is_tested:
        return
    yield Heading("All settings on the test rows: not for choosing")
    names = max(len(answer.keys), 1)
    headings = [*(map(label, answer.keys) if answer.keys else ["setting"]), "n"]
    headings += [f"test {each.task} {each.metric}" for each in answer.main]
    rows = [
        [*(each.values or ["all"]), str(len(each.counted)), *map(with_interval, answer.on_test(each))]
        for each in answer.settings
        if each.counted
    ]
    yield Grid(headings, rows, names, range(min(len(rows), SHOWN_SETTINGS)))
    yield Paragraph(
        "In the order of the table by which one chooses. A setting that is chosen by this table has no test rows left: "
        "the best of many is luckier, and what it has here says too much of it."
    )


def _alone(answer: Answer) -> Iterator[Block]:
    if not answer.alone:
        return
    yield Heading("Each task alone")
    metrics = {each.task: each.metric for each in answer.tasks}
    rows = [
        [values[0], *values[1:], str(mean.n), metrics[values[0]], with_interval(mean)]
        for values, mean in answer.alone.items()
    ]
    headings = ["task", *map(label, answer.baseline_keys), "n", "metric", answer.split]
    yield Grid(headings, rows, 1 + len(answer.baseline_keys))
    yield Paragraph("The single-task baselines: one task has all of the weight (or is always picked), 1, the others 0.")


def _best(answer: Answer, folder: Path) -> Iterator[Block]:
    best, job = answer.best, answer.best_job
    if best is None or job is None:
        if not answer.comparable:
            yield Paragraph("The jobs have different objectives, so none of the settings is called the best.")
        return
    yield Heading("Best setting")
    of = f" of {', '.join(f'{key}={value}' for key, value in zip(answer.keys, best.values, strict=True))}"
    text = f"The best mean {answer.objective_name}{of if answer.keys else ''}: {with_interval(best.objective)}."
    if answer.objective_name == TRAIN_LOSS:
        text += (
            " The data has no validation split, so this is the training loss, a mean over the tasks: it says what was "
            "fitted best, not what does best on other data."
        )
    yield Paragraph(text)
    if best.gain.n:
        yield Paragraph(
            f"Against the tasks alone: delta_m_gain_% {with_interval(best.gain, '+')}: {told_of_gain(best.gain)}."
        )
    if answer.is_tested:
        yield from _test_rows(answer, best)
    if best.failed:
        yield Paragraph(f"{_counted(best.failed, 'job')} of this setting failed, and are in none of its means.")
    seed = f" with its best seed, {job.seed}," if len(best.counted) > 1 else ""
    yield Paragraph(f"This trains it{seed} again (job {job.name}):")
    yield Command(" ".join(["mtl-train", *_quoted(job.overrides), *_flags(folder / job.name, again=False)]))
    together = _all_seeds(best)
    if together:
        yield Paragraph("And this with all its seeds:")
        yield Command(" ".join(["mtl-train -m", *_quoted(together), *_flags(folder / job.name, again=True)]))


def _test_rows(answer: Answer, best: Setting) -> Iterator[Block]:
    """Shows the best setting and its baselines on the rows that had no part in choosing it."""
    alone, gained = answer.alone_on_test(best), answer.gain_on_test(best)
    naive = [answer.naive("test", each) for each in answer.main]
    columns = {"together": [with_interval(mean) for mean in answer.on_test(best)]}
    if any(mean.n for mean in alone):
        columns["alone"] = [with_interval(mean) for mean in alone]
    if any(map(math.isfinite, naive)):
        columns["naive"] = [_number(value) for value in naive]
    rows = [[each.task, each.metric, *(cells[i] for cells in columns.values())] for i, each in enumerate(answer.main)]
    yield Paragraph("On the test rows, which had no part in choosing it:")
    yield Grid(["task", "metric", *columns], rows, 2)
    if gained.n:
        yield Paragraph(
            f"Against the tasks alone on the test rows: delta_m_gain_% {with_interval(gained, '+')}: "
            f"{told_of_gain(gained)}."
        )


def _quoted(words: Sequence[str]) -> list[str]:
    return [shlex.quote(word) for word in words]


def _all_seeds(setting: Setting) -> list[str] | None:
    """Returns the overrides for all jobs of a setting; None where one is all, or where it takes several commands."""
    given = [{key: job.given[key] for key in keys(Repeat) if key in job.given} for job in setting.counted]
    values = {key: dict.fromkeys(each[key] for each in given if key in each) for key in keys(Repeat)}
    pairs = {tuple(each.items()) for each in given}
    if len(given) < 2 or len(pairs) < len(given) or len(pairs) < math.prod(len(each) or 1 for each in values.values()):
        return None
    kept = [word for word in setting.counted[0].overrides if not is_marked(word.lstrip("+").partition("=")[0], Repeat)]
    return kept + [f"{key}={','.join(each)}" for key, each in values.items() if each]


def _flags(folder: Path, *, again: bool) -> list[str]:
    """Returns what the command line needs besides overrides: where configs were, and to leave a grid in them alone."""
    try:
        settings: Any = read_yaml(folder / CONFIGS / "hydra.yaml")["hydra"]
        sources = [each["path"] for each in settings["runtime"]["config_sources"] if each["provider"] == "command-line"]
        flags = [word for path in sources for word in ("--config-dir", shlex.quote(path))]
        if settings["job"]["config_name"] != "config":
            flags += ["-cn", shlex.quote(settings["job"]["config_name"])]
        if settings["sweeper"].get("params"):
            flags.append("hydra.sweeper.params=null" if again else "hydra.mode=RUN")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError):
        return []
    return flags


def _slices(answer: Answer) -> Iterator[Block]:
    pairs = list(combinations(answer.keys, 2)) if answer.comparable else []
    left_out: list[str] = []
    told_of = 0
    for first, second in pairs:
        firsts, seconds, means = answer.crossed(first, second)
        if told_of == MOST_SLICES or len(seconds) > MOST_VALUES or len(firsts) > MOST_VALUES:
            left_out.append(f"{label(first)} by {label(second)}")
        elif len(firsts) > 1 and len(seconds) > 1:
            told_of += 1
            yield Heading(f"{answer.objective_name}: {label(first)} at each {label(second)}")
            headings = [f"{label(first)} \\ {label(second)}", *seconds]
            none = Mean(0, math.nan, math.nan)
            rows = [[a, *(with_interval(means.get((a, b), none)) for b in seconds)] for a in firsts]
            yield Grid(headings, rows, 1)
    if told_of:
        yield Paragraph("Means, and intervals, over everything else that was swept, seeds included.")
    if left_out:
        listed = ", ".join(left_out[:MOST_SLICES]) + (
            f" and {len(left_out) - MOST_SLICES} more" * (len(left_out) > MOST_SLICES)
        )
        yield Paragraph(f"Left out for their length: {listed}.")


def _failures(answer: Answer) -> Iterator[Block]:
    failed = [result for result in answer.results if result.status == "failed"]
    if not failed:
        return
    yield Heading("Failed")
    rows = [[job.name, " ".join(_said(job, answer)), _brief(str(job.summary.get("error")))] for job in failed]
    yield Grid(["job", "setting", "error"], rows, 3, list(range(min(SHOWN_FAILURES, len(rows)))))


def _said(job: Result, answer: Answer) -> list[str]:
    return [f"{label(key)}={value}" for key in answer.swept if (value := job.value(key))] + [f"seed={job.seed}"]


def _brief(error: str) -> str:
    text = " ".join(error.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
