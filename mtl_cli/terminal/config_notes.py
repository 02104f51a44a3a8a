"""What a person should know of a config that can be trained, and may not mean what was meant."""

from mtl_cli.config import Config
from mtl_cli.datasets.dataset import Dataset


def config_notes(config: Config, dataset: Dataset) -> list[str]:
    """Returns a note on each setting that has no use in this run, or another effect than it seems to."""
    notes, share, tasks = [], config.mode.share, config.tasks
    unused = "prob" if share == "weight" else "weight"
    given = [getattr(task, unused) for task in tasks.values()]
    if max(given) - min(given) > 1e-6:
        notes.append(
            f"tasks.*.{unused} has no use in mode={config.mode.name}; here tasks.*.{share} says how much a task counts"
        )
    total = sum(task.weight or 0.0 for task in tasks.values())
    if share == "weight" and config.weighting.neutral and abs(total - 1) > 1e-6:
        notes.append(
            f"the tasks' weights add up to {total:g}: the loss and its gradients are {total:g} times those of weights "
            f"that add up to 1, which scales the learning rate by {total:g} (so it is with sgd; adam and others that "
            "divide by the gradients' size undo most of it)"
        )
    if "val" in dataset.splits and config.eval.every > config.steps:
        notes.append(
            f"eval.every={config.eval.every:,} is beyond steps={config.steps:,}: the validation rows are looked at "
            "once, after the last iteration, so no other can be the best one"
        )
    patience = config.early_stopping.patience
    if patience is not None and patience * config.eval.every >= config.steps >= config.eval.every:
        notes.append(
            f"early_stopping.patience={patience:,} evaluations, one every {config.eval.every:,} iterations "
            f"(eval.every), aren't over before the last of steps={config.steps:,}: early stopping can't end this run"
        )
    return notes
