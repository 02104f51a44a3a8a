"""Puts into words and tables what a sweep came to."""

import math
import shlex
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np

from mtl_cli.console import number
from mtl_cli.errors import InputError
from mtl_cli.files import CONFIGS
from mtl_cli.foreign import read_yaml
from mtl_cli.sweeps.analysis import MOST_OBJECTIVES, Mean
from mtl_cli.sweeps.answer import TRAIN_LOSS, Answer, Setting
from mtl_cli.sweeps.document import Block, Command, Grid, Heading, Paragraph
from mtl_cli.sweeps.results import REPEATS, Result

SHOWN_SETTINGS: Final = 20
"""Settings that a terminal shows; the file has all."""
SHOWN_FAILURES: Final = 5
MOST_SLICES: Final = 6
MOST_VALUES: Final = 12
"""Values of a key that a slice has room for."""
_LONGEST: Final = 200
"""Letters of an error."""


def told(answer: Answer, folder: Path) -> list[Block]:
    """Returns all there is to say of the sweep in this folder."""
    return [
        Paragraph(_counts(answer)),
        *_settings(answer),
        *_alone(answer),
        *_slices(answer),
        *_failures(answer),
        *_best(answer, folder),
    ]


def label(key: str) -> str:
    """Returns a swept key as a column's heading: without `tasks.`, the group's name otherwise kept.

    >>> label("tasks.y1.weight"), label("optimizer.learning_rate")
    ('y1.weight', 'optimizer.learning_rate')
    """
    return key.removeprefix("tasks.")


def with_interval(mean: Mean, sign: str = "") -> str:
    """Returns a mean with its interval, as far as there is one.

    >>> with_interval(Mean(3, 0.97053, 0.00213)), with_interval(Mean(1, 5.0, math.nan), sign="+")
    ('0.9705 +- 0.0021', '+5')
    """
    if not mean.n:
        return ""
    shown = number(mean.mean)
    shown = sign + shown if mean.mean > 0 else shown
    if math.isnan(mean.half):
        return shown
    return f"{shown} +- {number(mean.half) if mean.half >= 1000 else f'{mean.half:.2g}'}"


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
    headings += ["delta_m_gain_%"] if gains else []
    headings += ["mean rank", "Pareto"] if several else []
    headings += ["best"] if answer.best is not None else []
    rows = []
    for each in settings:
        row = list(each.values) or ["all"]
        row += [str(len(each.counted)), *([str(each.failed)] if failures else [])]
        row += [with_interval(mean) for mean in each.metrics] + [with_interval(each.objective)]
        row += [_gained(each)] if gains else []
        row += [number(each.rank) if math.isfinite(each.rank) else "", "*" if each.pareto else ""] if several else []
        row += [_mark(answer, each)] if answer.best is not None else []
        rows.append(row)
    yield Grid(headings, rows, names, _foremost(answer))
    yield Paragraph(_legend(answer, several=several, gains=gains))
    if several:
        yield Paragraph(_volume(answer))


def _gained(setting: Setting) -> str:
    fewer = f" (n={setting.gain.n})" if setting.gain.n not in (0, len(setting.counted)) else ""
    return with_interval(setting.gain, sign="+") + fewer


def _mark(answer: Answer, setting: Setting) -> str:
    return "best" if setting is answer.best else "~" if setting in answer.tied else ""


def _foremost(answer: Answer) -> list[int] | None:
    """Returns the settings that a terminal shows where there are many: those with the best objective."""
    if len(answer.settings) <= SHOWN_SETTINGS:
        return None
    sign = -1 if answer.objective_higher else 1
    values = np.array([sign * each.objective.mean for each in answer.settings])
    return [int(i) for i in np.argsort(values, kind="stable")[:SHOWN_SETTINGS]]


def _legend(answer: Answer, *, several: bool, gains: bool) -> str:
    where = f"on the {answer.split} split" if answer.split != "train" else "of training (there is no other split)"
    text = f"Means over seeds {where}, +- a 95 % interval (Student's t; none below two seeds)."
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
    if answer.best is not None:
        text += " best ~: can't be told from the best one."
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
    others = [each for each in answer.settings if each.counted and each.trains_all and each is not best]
    if others:
        tied = sum(each in answer.tied for each in others)
        said = f"{tied:,} of the other {len(others):,} settings" if len(others) > 1 else "the other setting"
        by = f"in {answer.objective_name}, paired by seed,"
        noise = (
            f"Within the noise: {said} can't be told from it: the 95 % interval of the difference {by} "
            "has 0 in it, or there are fewer than two seeds in common."
            if tied
            else f"No other setting comes close: 95 % intervals of the differences {by} don't have 0 in them."
        )
        yield Paragraph(
            f"{noise} That takes no account of how many settings are compared: the best of many is luckier."
        )
    if best.gain.n:
        yield Paragraph(
            f"Against the tasks alone: delta_m_gain_% {with_interval(best.gain, '+')}, {_verdict(best.gain)}."
        )
    if best.failed:
        yield Paragraph(f"{_counted(best.failed, 'job')} of this setting failed, and are in none of its means.")
    seed = f" with its best seed, {job.seed}," if len(best.counted) > 1 else ""
    yield Paragraph(f"This trains it{seed} again (job {job.name}):")
    yield Command(" ".join(["mtl-train", *_quoted(job.overrides), *_flags(folder / job.name, again=False)]))
    together = _all_seeds(best)
    if together:
        yield Paragraph("And this with all its seeds:")
        yield Command(" ".join(["mtl-train -m", *_quoted(together), *_flags(folder / job.name, again=True)]))


def _verdict(gain: Mean) -> str:
    if gain.contains_0:
        return "which is within the noise (the interval has 0 in it, or there is one seed)"
    return "so training together helps" if gain.mean > 0 else "so training together hurts"


def _quoted(words: Sequence[str]) -> list[str]:
    return [shlex.quote(word) for word in words]


def _all_seeds(setting: Setting) -> list[str] | None:
    """Returns the overrides for all jobs of a setting; None where one is all, or where it takes several commands."""
    given = [{key: job.given[key] for key in REPEATS if key in job.given} for job in setting.counted]
    values = {key: dict.fromkeys(each[key] for each in given if key in each) for key in REPEATS}
    pairs = {tuple(each.items()) for each in given}
    if len(given) < 2 or len(pairs) < len(given) or len(pairs) < math.prod(len(each) or 1 for each in values.values()):
        return None
    kept = [word for word in setting.counted[0].overrides if word.lstrip("+").partition("=")[0] not in REPEATS]
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
