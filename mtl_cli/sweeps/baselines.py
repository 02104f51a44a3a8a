"""The single-task runs that a sweep is compared with: each task alone, with the same budget."""

from collections.abc import Sequence

from mtl_cli.comparison.sweeper_objective import objective_of
from mtl_cli.config import FAMILIES, Config
from mtl_cli.identity import is_marked
from mtl_cli.settings import Balance
from mtl_cli.training.job import Job


def baselines(jobs: Sequence[Job]) -> list[tuple[str, ...]]:
    """Returns the overrides of the runs that train one task alone, for every setting of the rest.

    The rest is everything but the tasks' shares and the weighting, which mean nothing where there is one task: that
    task's share is 1, the others' 0. Where jobs are chosen by a metric of another task, it is by the task's own. Steps,
    batches and all else are the jobs'.
    """
    found: dict[tuple[str, ...], None] = {}
    for job in jobs:
        if len(job.config.tasks) > 1:
            rest = [override for override in job.overrides if not _is_share(override)]
            rest += _plain_weighting(job.config)
            for task in job.config.tasks:
                shares = [
                    f"++tasks.{name}.{job.config.mode.share}={1.0 if name == task else 0.0}"
                    for name in job.config.tasks
                ]
                own = objective_of(job.config.objective, task, job.config.tasks[task].metric)
                chosen = [f"objective={own}"] if own != job.config.objective else []
                kept = [override for override in rest if not (chosen and override.startswith("objective="))]
                found[(*kept, *chosen, *shares)] = None
    return list(found)


def _is_share(override: str) -> bool:
    """Tells whether an override is about shares or the weighting alone."""
    key = override.partition("=")[0].lstrip("+~")
    return is_marked(key, Balance) and key.partition(".")[0] != "sampling"


def _plain_weighting(config: Config) -> list[str]:
    if config.weighting.neutral:
        return []
    (neutral,) = (cls for cls in FAMILIES["weighting"] if getattr(cls, "neutral", False))
    return [f"weighting={neutral.model_fields['name'].default}"]
