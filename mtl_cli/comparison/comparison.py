"""What a sweep came to: its settings compared over seeds, with each other and with tasks trained alone.

Test rows take no part in comparing: they say how good the setting is that was chosen, and what it was chosen from.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

import numpy as np

from mtl_cli.comparison.results import UNFINISHED, Result, differing, differing_configs, natural
from mtl_cli.comparison.setting import Setting, TaskMetric
from mtl_cli.comparison.statistics import (
    Mean,
    Numbers,
    gain,
    hypervolume,
    mean_of,
    mean_ranks,
    paired,
    pareto_set,
    reference_point,
)
from mtl_cli.identity import is_marked
from mtl_cli.settings import Balance, Repeat
from mtl_cli.tasks import HIGHER_IS_BETTER

TRAIN_LOSS: Final = "train_loss"
"""What settings are compared by where there is no validation split: the mean over the tasks."""


class Comparison:
    """The settings of a sweep, or of ordinary runs, compared. Only finished ones count, each config once."""

    def __init__(self, results: Sequence[Result], *, is_sweep: bool = True) -> None:
        self.results = results
        self.is_sweep = is_sweep
        """Whether these are a sweep's jobs, which differ in what was overridden alone."""
        differs = differing if is_sweep else differing_configs
        single_task = [result for result in results if result.single_task is not None]
        if len(single_task) == len(results):  # then it is about one task, and there is nothing to compare it with
            single_task = []
        self.baseline_tasks = {result.name: result.single_task for result in single_task}
        """The tasks of the single-task baselines, by job."""
        self.baselines: Sequence[Result] = _counted(single_task)
        self._settled = [result for result in results if result.name not in self.baseline_tasks]
        self.swept = [key for key in differs(self._settled) if key != "seed"]
        """The swept keys but the seed."""
        self.keys = [key for key in self.swept if not is_marked(key, Repeat)]
        """Those that make settings."""
        self._finished: Sequence[Result] = _counted(self._settled)
        given = [dict(result.metrics()) for result in self._finished or self.baselines]
        splits = {split for metrics in given for split, _, _ in metrics}
        self.split = "val" if "val" in splits else "train"
        """The one by whose metrics settings are compared."""
        self.is_tested = "test" in splits

    @property
    def noun(self) -> str:
        """What a result is called."""
        return "job" if self.is_sweep else "run"

    @cached_property
    def tasks(self) -> Sequence[TaskMetric]:
        """The tasks that some job trained, with what they are compared by."""
        return [replace(each, metric="loss") if self.split == "train" else each for each in self.main]

    @cached_property
    def main(self) -> Sequence[TaskMetric]:
        """The tasks that some job trained, with their main metrics."""
        found: dict[str, TaskMetric] = {}
        for result in self._finished or self.baselines:
            for task in result.trained:
                metric = result.config.get("tasks", {}).get(task, {}).get("metric", "loss")
                found.setdefault(task, TaskMetric(task, metric))
        return list(found.values())

    @cached_property
    def repeats(self) -> int:
        """How many seeds the settings have in common with the best one, at least; 0 without a best one."""
        if self.best is None:
            return 0
        best = self._by_repeat(self.best).keys()
        return min(len(best & self._by_repeat(each).keys()) for each in self._compared)

    @property
    def _compared(self) -> Sequence[Setting]:
        return [each for each in self.settings if each.trains_all] if self.best is not None else []

    @property
    def seeds_differ(self) -> bool:
        """Tells whether some settings have seeds that others haven't."""
        return len({frozenset(self._by_repeat(each)) for each in self.settings if each.counted}) > 1

    @property
    def splits_vary(self) -> bool | None:
        """Tells whether each seed has its own split of the rows; None where that isn't known, or there is none."""
        sources = [result.config.get("data", {}) for result in self._finished]
        given = any(data.get("split_column") or (data.get("val_path") and data.get("test_path")) for data in sources)
        if not sources or "split_seed" not in sources[0] or given:
            return None
        seeds = {data["split_seed"] for data in sources if data.get("split_seed") is not None}
        return len(seeds) > 1 or (not seeds and len({result.seed for result in self._finished}) > 1)

    @cached_property
    def objective_name(self) -> str:
        """What the settings are compared by."""
        names = dict.fromkeys(result.objective_name for result in self._finished)
        validated = any(math.isfinite(result.objective) for result in self._finished)
        return ", ".join(names) if validated else TRAIN_LOSS

    @property
    def objective_higher(self) -> bool:
        """Tells whether more of it is better."""
        return self.objective_name.rpartition("/")[2] in HIGHER_IS_BETTER

    @property
    def comparable(self) -> bool:
        """Tells whether all settings have the same objective."""
        return len({result.objective_name for result in self._finished}) < 2 or self.objective_name == TRAIN_LOSS

    def objective(self, result: Result) -> float:
        """Returns what the job is compared by."""
        return result.train_loss if self.objective_name == TRAIN_LOSS else result.objective

    @cached_property
    def settings(self) -> Sequence[Setting]:
        """The settings of which a job has finished or failed, the best ones first."""
        by_values: defaultdict[tuple[str, ...], list[Result]] = defaultdict(list)
        for result in self._settled:
            by_values[tuple(result.value(key) or "" for key in self.keys)].append(result)
        names = {result.name for result in self._finished}
        settings = [
            self._setting(values, jobs, [job for job in jobs if job.name in names])
            for values, jobs in by_values.items()
        ]
        settings = [setting for setting in settings if setting.counted or setting.failed]
        if self.comparable:
            settings.sort(key=self._place)
        if not self.tasks:
            return settings
        means_ST, higher_T = self._means(settings)
        ranks, pareto = mean_ranks(means_ST, higher_T), pareto_set(means_ST, higher_T)
        return [
            replace(setting, rank=float(rank), pareto=bool(member))
            for setting, rank, member in zip(settings, ranks, pareto, strict=True)
        ]

    def _place(self, setting: Setting) -> tuple[bool, bool, float]:
        """Returns a sort key: those that train all tasks come first, by their objective."""
        mean = setting.objective.mean
        missing = not math.isfinite(mean)
        return not setting.trains_all, missing, 0.0 if missing else -mean if self.objective_higher else mean

    def _setting(self, values: tuple[str, ...], jobs: Sequence[Result], counted: Sequence[Result]) -> Setting:
        metrics = [mean_of([job.metric(self.split, t.task, t.metric) for job in counted]) for t in self.tasks]
        objective = mean_of([self.objective(job) for job in counted])
        complete = bool(counted) and all(map(self._trains_all, counted))
        gains = mean_of([self._gain(job, self.split, self.tasks) for job in counted])
        return Setting(values, jobs, counted, complete, metrics, objective, gains)

    def _trains_all(self, job: Result) -> bool:
        return {each.task for each in self.tasks} <= set(job.trained)

    def _gain(self, job: Result, split: str, tasks: Sequence[TaskMetric]) -> float:
        """Returns the gain of a job over the single-task baselines of its seed; NaN where one of those isn't there."""
        if not self._trains_all(job):
            return math.nan
        together = [job.metric(split, each.task, each.metric) for each in tasks]
        baselines = [self._baseline_metric(job, split, each) for each in tasks]
        return gain(together, baselines, [each.higher for each in tasks])

    def _baseline_metric(self, job: Result, split: str, task: TaskMetric) -> float:
        """Returns the metric of the task's baseline of the job's seed, a mean where several baselines do the same."""
        same = self._baselines_by_key.get((task.task, job.pairing_key(task.task)), ())
        return mean_of([baseline.metric(split, task.task, task.metric) for baseline in same]).mean

    @cached_property
    def _baselines_by_key(self) -> Mapping[tuple[str, str], Sequence[Result]]:
        """By task, and by what they have in common with jobs."""
        found: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
        for job in self.baselines:
            if job.single_task is not None:
                found[job.single_task, job.pairing_key(job.single_task)].append(job)
        return found

    def on_test(self, setting: Setting) -> Sequence[Mean]:
        """Returns the main metrics of a setting on the test rows, by task."""
        return [mean_of([job.metric("test", each.task, each.metric) for job in setting.counted]) for each in self.main]

    def baselines_on_test(self, setting: Setting) -> Sequence[Mean]:
        """Returns the main metrics of a setting's baselines on the test rows, by task."""
        return [mean_of([self._baseline_metric(job, "test", each) for job in setting.counted]) for each in self.main]

    def gain_on_test(self, setting: Setting) -> Mean:
        """Returns the gain of a setting over its baselines on the test rows."""
        return mean_of([self._gain(job, "test", self.main) for job in setting.counted])

    def task_gains(self, setting: Setting, split: str) -> Mapping[str, Mean]:
        """Returns the gain of a setting over its baselines on the rows of a split, by task."""
        tasks = self.main if split == "test" else self.tasks
        return {each.task: mean_of([self._gain(job, split, [each]) for job in setting.counted]) for each in tasks}

    def naive(self, split: str, task: TaskMetric) -> float:
        """Returns what a naive answer has, a mean over the seeds."""
        by_repeat = {job.repeat: job.naive(split, task.task, task.metric) for job in self._finished}
        return mean_of(list(by_repeat.values())).mean

    @property
    def naive_objective(self) -> float:
        """What a naive answer is compared by; NaN where that isn't known."""
        if self.objective_name.startswith("val/"):
            _, task, metric = self.objective_name.split("/")
            return self.naive("val", TaskMetric(task, metric))
        losses = [self.naive(self.split, TaskMetric(each.task, "loss")) for each in self.tasks]
        return math.fsum(losses) / len(losses) if losses else math.nan

    def _by_repeat(self, setting: Setting) -> Mapping[tuple[str, ...], float]:
        return {job.repeat: self.objective(job) for job in setting.counted}

    def _means(self, settings: Sequence[Setting]) -> tuple[Numbers, list[bool]]:
        means = [[mean.mean for mean in setting.metrics] for setting in settings]
        return np.array(means, float).reshape(len(settings), len(self.tasks)), [each.higher for each in self.tasks]

    def _best_of(self, settings: Sequence[Setting]) -> Setting | None:
        valued = [each for each in settings if each.trains_all and math.isfinite(each.objective.mean)]
        if not valued or not self.comparable:
            return None
        return (max if self.objective_higher else min)(valued, key=lambda each: each.objective.mean)

    @cached_property
    def best(self) -> Setting | None:
        """The setting with the best mean objective among those that train every task."""
        return self._best_of(self.settings)

    @property
    def takes_middle_seed(self) -> bool:
        """Tells whether of the best setting the job with the middle objective is taken: each seed has its own split.

        The best one has the rows that are easiest to predict then, not the best model.
        """
        return bool(self.splits_vary) and self.best is not None and len(self.best.counted) > 1

    @cached_property
    def best_job(self) -> Result | None:
        """The best setting's job with the best objective, or the middle one."""
        if self.best is None:
            return None
        valued = sorted((job for job in self.best.counted if math.isfinite(self.objective(job))), key=self.objective)
        if self.objective_higher:
            valued.reverse()
        return valued[(len(valued) - 1) // 2 if self.takes_middle_seed else 0]

    @cached_property
    def tied(self) -> frozenset[Setting]:
        """The settings that can't be told from the best one: 0 is in the interval of the difference."""
        return frozenset(each for each in self._compared if each is not self.best and self.difference(each).contains_0)

    def difference(self, setting: Setting) -> Mean:
        """Returns by how much a setting's objective is more than the best one's, paired by seed."""
        if self.best is None or not setting.trains_all:
            return mean_of([])
        return paired(self._by_repeat(setting), self._by_repeat(self.best))

    @cached_property
    def reference(self) -> Numbers:
        """The point that the hypervolume is measured from, by task."""
        return reference_point(*self._means(self.settings))

    @cached_property
    def volume(self) -> float:
        """The hypervolume of the settings."""
        return hypervolume(*self._means(self.settings), self.reference)

    @cached_property
    def baseline_keys(self) -> Sequence[str]:
        """The keys in which baselines differ from each other."""
        return [key for key in differing(self.baselines) if not is_marked(key, Repeat, Balance)]

    @cached_property
    def single_task(self) -> Mapping[tuple[str, ...], Mean]:
        """By task and values of `baseline_keys`, the main metric of the single-task baselines."""
        found: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
        metric = {each.task: each.metric for each in self.tasks}
        for job in self.baselines:
            if job.single_task in metric:
                values = (job.single_task, *(job.value(key) or "" for key in self.baseline_keys))
                found[values].append(job.metric(self.split, job.single_task, metric[job.single_task]))
        return {values: mean_of(metrics) for values, metrics in found.items()}

    def crossed(self, first: str, second: str) -> tuple[list[str], list[str], Mapping[tuple[str, str], Mean]]:
        """Returns the values of two swept keys, and the objective at each pair, over everything else that was swept."""
        found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for setting in self.settings:
            if setting.trains_all:
                values = dict(zip(self.keys, setting.values, strict=True))
                found[values[first], values[second]] += map(self.objective, setting.counted)
        firsts, seconds = ({pair[i] for pair in found} for i in (0, 1))
        means = {pair: mean_of(values) for pair, values in found.items()}
        return sorted(firsts, key=natural), sorted(seconds, key=natural), means

    def count(self, status: str) -> int:
        """Returns how many jobs have a status."""
        return sum(result.status == status for result in self.results)

    @property
    def duplicates(self) -> int:
        """How many finished jobs have the same config as another."""
        return self.count("finished") - len(self._finished) - len(self.baselines)

    @property
    def unfinished(self) -> int:
        """How many jobs haven't come to an end."""
        return self.count(UNFINISHED)


def _counted(results: Sequence[Result]) -> list[Result]:
    first: dict[str, Result] = {}
    for result in results:
        if result.finished:
            first.setdefault(result.config_hash, result)
    return list(first.values())
