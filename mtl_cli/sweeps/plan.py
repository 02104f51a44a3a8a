"""What a sweep will train: its jobs, which of them share a program, which are there twice. Imports no TensorFlow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtl_cli.comparison.text import of_which_baselines
from mtl_cli.identity import data_description_key, program_key
from mtl_cli.training.job import Job


@dataclass(frozen=True)
class SweepPlan:
    """The jobs in the order they are trained in, by program."""

    jobs: Sequence[Job]
    groups: Sequence[Sequence[Job]]
    """Jobs that differ in numbers alone, each config once."""
    twice: Mapping[int, Sequence[Job]]
    """By the number of a job that is trained, those with the same config."""

    @property
    def trained(self) -> int:
        """How many runs are trained."""
        return sum(map(len, self.groups))

    def lines(self) -> list[str]:
        """Returns the plan in words."""
        again = len(self.jobs) - self.trained
        iterations = sum(job.config.steps for group in self.groups for job in group)
        alone = sum(map(_is_single_task, self.jobs))
        asked = counted(len(self.jobs), "job") + of_which_baselines(len(self.jobs), alone)
        text = f"{asked}, {counted(len(self.groups), 'program')}, {iterations:,} iterations"
        return [text + (f"; {counted(again, 'duplicate')} trained once" if again else "")]

    def listing(self) -> list[str]:
        """Returns a line for each job."""
        of_twin = {twin.number: first for first, twins in self.twice.items() for twin in twins}
        program = {job.number: number for number, group in enumerate(self.groups, 1) for job in group}
        return [
            f"{job.number:>5}  program {program.get(job.number, program.get(of_twin.get(job.number, -1), 0))}  "
            + " ".join(job.overrides)
            + (f"  (as job {of_twin[job.number]})" if job.number in of_twin else "")
            for job in self.jobs
        ]


def plan(jobs: Sequence[Job]) -> SweepPlan:
    """Returns the plan for these jobs."""
    first: dict[str, Job] = {}
    twice: dict[int, list[Job]] = {}
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        known = first.setdefault(job.config.model_dump_json(), job)
        if known is job:
            groups.setdefault(program_key(job.config), []).append(job)
        else:
            twice.setdefault(known.number, []).append(job)
    return SweepPlan(jobs, list(groups.values()), twice)


def first_of_data(jobs: Sequence[Job]) -> list[Job]:
    """Returns the first job for each way to describe data, whatever the seed."""
    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(data_description_key(job.config), job)
    return list(first.values())


def _is_single_task(job: Job) -> bool:
    """Tells whether a job is a single-task baseline: one of its tasks has all of the share there is, 1."""
    shares = [getattr(task, job.config.mode.share) for task in job.config.tasks.values()]
    return len(shares) > 1 and sorted(shares) == [0] * (len(shares) - 1) + [1]


def counted(count: int, noun: str) -> str:
    """Returns a number of things in words."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
