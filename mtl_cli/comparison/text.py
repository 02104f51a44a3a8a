"""Renders the comparison of a sweep's settings as Markdown blocks."""

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Final

from mtl_cli.comparison.columns import (
    GAIN,
    SEEDS,
    format_value,
    labels,
    name_columns,
    result_columns,
    shortened,
    with_interval,
)
from mtl_cli.comparison.commands import train_again, train_all_seeds_again
from mtl_cli.comparison.comparison import TRAIN_LOSS, Comparison
from mtl_cli.comparison.results import Result
from mtl_cli.comparison.setting import Setting
from mtl_cli.comparison.statistics import MOST_OBJECTIVES, Mean
from mtl_cli.comparison.verdict import NAMED, told, verdict, verdict_on_gain
from mtl_cli.terminal.markdown import Block, CodeBlock, Grid, Heading, Paragraph

SHOWN_SETTINGS: Final = 20
"""Settings that a terminal shows; the file has all."""
SHOWN_FAILURES: Final = 5
MOST_SLICES: Final = 6
MOST_VALUES: Final = 12
"""Values of a key that a slice has room for."""
_LONGEST: Final = 200
"""Letters of an error."""


def rendered(comparison: Comparison, folder: Path) -> list[Block]:
    """Returns the whole report of the sweep in a folder."""
    return [
        *([Paragraph(said)] if (said := verdict(comparison)) else []),
        Paragraph(_counts(comparison)),
        *_settings(comparison),
        *_single_task(comparison),
        *_slices(comparison),
        *_failures(comparison),
        *_best(comparison, folder),
        *_tested(comparison),
    ]


def _counts(comparison: Comparison) -> str:
    counts = [
        f"{comparison.count(status):,} {status}"
        for status in ("finished", "failed", "stopped")
        if comparison.count(status)
    ]
    counts += [f"{comparison.unfinished:,} not finished yet"] if comparison.unfinished else []
    noun = comparison.noun
    asked = _counted(len(comparison.results), noun)
    alone = [job for job in comparison.results if job.name in comparison.baseline_tasks and len(job.shares) > 1]
    asked += of_which_baselines(len(comparison.results), len(alone))
    text = f"{asked}: {', '.join(counts)}."
    if comparison.duplicates:
        text += f" {_counted(comparison.duplicates, noun)} with the config of another: counted once."
    if comparison.count("stopped"):
        text += f" Stopped {noun}s don't count: they trained for less than the others."
    return text


def _settings(comparison: Comparison) -> Iterator[Block]:
    settings = comparison.settings
    if not any(setting.counted for setting in settings):
        yield Paragraph(f"No setting has a finished {comparison.noun}, so there is nothing to compare.")
        return
    yield Heading("Settings")
    names, results = name_columns(comparison), result_columns(comparison)
    columns = [*names, *results]
    rows = [[column.cell(setting) for column in columns] for setting in settings]
    shown = [*range(min(len(rows), SHOWN_SETTINGS))]
    naive = any(math.isfinite(column.naive) for column in results)
    if naive:
        shown.append(len(rows))
        rows.append(["naive", *(format_value(column.naive) for column in columns[1:])])
    yield Grid([column.heading for column in columns], rows, len(names), shown)
    several = len(comparison.tasks) > 1
    yield Paragraph(_legend(comparison, several=several, gains=bool(comparison.baselines), naive=naive))
    if several and comparison.is_sweep:
        yield Paragraph(_volume(comparison))


def _legend(comparison: Comparison, *, several: bool, gains: bool, naive: bool) -> str:
    where = "on the validation rows" if comparison.split == "val" else "on the training rows, as there are no others"
    text = (
        f"Sorted by {comparison.objective_name}" if comparison.comparable else f"In the order of the {comparison.noun}s"
    )
    text += f". Means over seeds {where}, +- a 95 % interval (Student's t; none below two seeds)."
    if comparison.splits_vary is True:
        text += " Each seed has its own split of the rows; data.split_seed=0 keeps one for all."
    if comparison.splits_vary is False and comparison.repeats > 1:
        text += " All seeds have the same split of the rows (data.split_seed), so the intervals are of training alone."
    for more, word in ((True, "more"), (False, "less")):
        named = dict.fromkeys(each.metric for each in comparison.tasks if each.higher is more)
        text += f" Of {', '.join(named)}, {word} is better." if named else ""
    if comparison.objective_name == TRAIN_LOSS:
        text += f" {TRAIN_LOSS}: the mean over the tasks of the mean loss over the training rows."
    if gains:
        text += (
            f" {GAIN}: Delta m, how much better than each task alone, 100 times the mean over the tasks of "
            "(together - alone) / |alone|, its sign turned where less is better, paired by seed; above 0, training "
            "together helps."
        )
        if any(each.gain.n < len(each.counted) for each in comparison.settings):
            text += (
                " It is empty, or of fewer seeds, where a baseline is missing, or 0, which nothing can be measured by."
            )
    if several:
        text += " Mean rank: of the setting's means, averaged over the tasks; 1 is best."
        text += " Pareto *: no other setting is as good in every task and better in one."
    if comparison.best is not None and len(comparison.settings) > 1:
        text += (
            f" difference: by how much {comparison.objective_name} is more than the best one's, paired by seed; with 0 "
            "in the interval none can be told. That takes no account of how many settings are compared: the best of "
            "many is luckier."
        )
    if naive:
        text += " naive: the same answer for all rows, from the mean of the training labels or their classes' shares."
    return text


def _volume(comparison: Comparison) -> str:
    if math.isnan(comparison.volume):
        few = f"it is computed for up to {MOST_OBJECTIVES} tasks"
        none = "no setting has the main metrics of all tasks"
        return f"No hypervolume: {few if len(comparison.tasks) > MOST_OBJECTIVES else none}."
    point = ", ".join(
        f"{each.task} {each.metric} {value:.6g}"
        for each, value in zip(comparison.tasks, comparison.reference, strict=True)
    )
    return (
        f"Hypervolume of the Pareto set {comparison.volume:.6g}, from the reference point {point}: each task's worst "
        "mean, moved out by 10 % of the range. Sweeps can be compared by it from the same point only."
    )


def _tested(comparison: Comparison) -> Iterator[Block]:
    """Shows all settings on the test rows, if that is asked for."""
    asked = any(result.config.get("sweep", {}).get("test_for_all") for result in comparison.results)
    if not asked or not comparison.is_tested:
        return
    yield Heading("All settings on the test rows: not for choosing")
    names = name_columns(comparison)
    headings = [column.heading for column in [*names, SEEDS]]
    headings += [f"test {each.task} {each.metric}" for each in comparison.main]
    rows = [
        [*(column.cell(each) for column in [*names, SEEDS]), *map(with_interval, comparison.on_test(each))]
        for each in comparison.settings
        if each.counted
    ]
    yield Grid(headings, rows, len(names), range(min(len(rows), SHOWN_SETTINGS)))
    yield Paragraph(
        "In the order of the table by which one chooses. A setting that is chosen by this table has no test rows left: "
        "the best of many is luckier, and what it has here says too much of it."
    )


def _single_task(comparison: Comparison) -> Iterator[Block]:
    if not comparison.single_task:
        return
    yield Heading("Each task alone")
    metrics = {each.task: each.metric for each in comparison.tasks}
    rows = [
        [values[0], *map(shortened, values[1:]), str(mean.n), metrics[values[0]], with_interval(mean)]
        for values, mean in comparison.single_task.items()
    ]
    headings = ["task", *labels(comparison.baseline_keys).values(), "n", "metric", comparison.split]
    yield Grid(headings, rows, 1 + len(comparison.baseline_keys))
    yield Paragraph("The single-task baselines: one task has all of the weight (or is always picked), 1, the others 0.")


def _best(comparison: Comparison, folder: Path) -> Iterator[Block]:
    best, job = comparison.best, comparison.best_job
    if best is None or job is None:
        if not comparison.comparable:
            yield Paragraph(
                f"The {comparison.noun}s have different objectives, so none of the settings is called the best."
            )
        return
    yield Heading("Best setting")
    values = ", ".join(f"{key}={value}" for key, value in zip(comparison.keys, best.values, strict=True) if value)
    where = f" of {values}" if comparison.keys else ""
    text = f"The best mean {comparison.objective_name}{where}: {with_interval(best.objective)}."
    if comparison.objective_name == TRAIN_LOSS:
        text += (
            " The data has no validation split, so this is the training loss, a mean over the tasks: it says what was "
            "fitted best, not what does best on other data."
        )
    yield Paragraph(text)
    if best.gain.n:
        gains = comparison.task_gains(best, comparison.split)
        yield Paragraph(_against_alone("Against the tasks alone", best.gain, gains))
    if comparison.is_tested:
        yield from _test_rows(comparison, best)
    if best.failed:
        yield Paragraph(
            f"{_counted(best.failed, comparison.noun)} of this setting failed, and are in none of its means."
        )
    which = "the seed in the middle (each has its own split)" if comparison.takes_middle_seed else "its best seed"
    seed = f" with {which}, {job.seed}," if len(best.counted) > 1 else ""
    yield Paragraph(f"This trains it{seed} again ({comparison.noun} {job.name}):")
    yield CodeBlock(train_again(job, folder))
    if command := train_all_seeds_again(best, job, folder):
        yield Paragraph("And this with all its seeds:")
        yield CodeBlock(command)


def _test_rows(comparison: Comparison, best: Setting) -> Iterator[Block]:
    """Shows the best setting and its baselines on the rows that had no part in choosing it."""
    baselines, gain = comparison.baselines_on_test(best), comparison.gain_on_test(best)
    gains = comparison.task_gains(best, "test")
    naive = [comparison.naive("test", each) for each in comparison.main]
    columns = {"together": [with_interval(mean) for mean in comparison.on_test(best)]}
    if any(mean.n for mean in baselines):
        columns["alone"] = [with_interval(mean) for mean in baselines]
    if any(map(math.isfinite, naive)):
        columns["naive"] = [format_value(value) for value in naive]
    rows = [
        [each.task, each.metric, *(cells[i] for cells in columns.values())] for i, each in enumerate(comparison.main)
    ]
    yield Paragraph("On the test rows, which had no part in choosing it:")
    yield Grid(["task", "metric", *columns], rows, 2)
    if gain.n:
        text = _against_alone("Against the tasks alone on the test rows", gain, gains)
        if told(gain) != told(best.gain):
            text += f" The {comparison.split} rows say otherwise, so take it as open."
        yield Paragraph(text)


def _against_alone(against: str, gain: Mean, by_task: Mapping[str, Mean]) -> str:
    each = ", ".join(f"{task} {with_interval(own, '+')}" for task, own in list(by_task.items())[:NAMED])
    more = f" and {len(by_task) - NAMED:,} more" if len(by_task) > NAMED else ""
    return f"{against}: {GAIN}: {with_interval(gain, '+')} ({each}{more}); {verdict_on_gain(gain, by_task)}."


def _slices(comparison: Comparison) -> Iterator[Block]:
    pairs = list(combinations(comparison.keys, 2)) if comparison.comparable and comparison.is_sweep else []
    left_out: list[str] = []
    short = labels(comparison.keys)
    slices = 0
    for first, second in pairs:
        firsts, seconds, means = comparison.crossed(first, second)
        if slices == MOST_SLICES or len(seconds) > MOST_VALUES or len(firsts) > MOST_VALUES:
            left_out.append(f"{short[first]} by {short[second]}")
        elif len(firsts) > 1 and len(seconds) > 1:
            slices += 1
            yield Heading(f"{comparison.objective_name}: {short[first]} at each {short[second]}")
            headings = [f"{short[first]} \\ {short[second]}", *map(shortened, seconds)]
            none = Mean(0, math.nan, math.nan)
            rows = [[shortened(a), *(with_interval(means.get((a, b), none)) for b in seconds)] for a in firsts]
            yield Grid(headings, rows, 1)
    if slices:
        yield Paragraph("Means, and intervals, over everything else that was swept, seeds included.")
    if left_out:
        listed = ", ".join(left_out[:MOST_SLICES]) + (
            f" and {len(left_out) - MOST_SLICES} more" * (len(left_out) > MOST_SLICES)
        )
        yield Paragraph(f"Left out for their length: {listed}.")


def _failures(comparison: Comparison) -> Iterator[Block]:
    failed = [result for result in comparison.results if result.status == "failed"]
    if not failed:
        return
    yield Heading("Failed")
    rows = [[job.name, " ".join(_said(job, comparison)), _brief(str(job.summary.get("error")))] for job in failed]
    yield Grid([comparison.noun, "setting", "error"], rows, 3, list(range(min(SHOWN_FAILURES, len(rows)))))


def _said(job: Result, comparison: Comparison) -> list[str]:
    short, values = labels(comparison.swept), {key: job.value(key) for key in comparison.swept}
    return [f"{short[key]}={shortened(value)}" for key, value in values.items() if value] + [f"seed={job.seed}"]


def _brief(error: str) -> str:
    text = " ".join(error.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def of_which_baselines(jobs: int, baselines: int) -> str:
    """Returns what jobs are made up of, in brackets; nothing where they are of one kind.

    >>> of_which_baselines(21, 9), of_which_baselines(12, 0)
    (' (12 runs + 9 single-task baselines)', '')
    """
    if baselines in (0, jobs):
        return ""
    return f" ({_counted(jobs - baselines, 'run')} + {_counted(baselines, 'single-task baseline')})"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
