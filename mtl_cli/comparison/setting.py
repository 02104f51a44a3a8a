"""A setting of a sweep: the results of its jobs over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mtl_cli.comparison.results import Result
from mtl_cli.comparison.statistics import Mean
from mtl_cli.tasks import HIGHER_IS_BETTER


@dataclass(frozen=True)
class TaskMetric:
    """The metric by which a task is compared."""

    task: str
    metric: str

    @property
    def higher(self) -> bool:
        """Tells whether more is better."""
        return self.metric in HIGHER_IS_BETTER


@dataclass(frozen=True, eq=False)
class Setting:
    """The results of jobs that differ in nothing but seeds."""

    values: tuple[str, ...]
    jobs: Sequence[Result]
    counted: Sequence[Result]
    """Those that finished, each config once."""
    trains_all: bool
    """Whether it trains every task that some setting trains."""
    metrics: Sequence[Mean]
    """By task."""
    objective: Mean
    gain: Mean
    rank: float = math.nan
    pareto: bool = False

    @property
    def failed(self) -> int:
        """How many of its jobs failed."""
        return sum(job.status == "failed" for job in self.jobs)
