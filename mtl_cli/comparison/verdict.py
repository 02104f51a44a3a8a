"""The verdict of a sweep, in a sentence or two, before its tables."""

from collections.abc import Mapping, Sequence

from mtl_cli.comparison.columns import labels, shortened
from mtl_cli.comparison.comparison import TRAIN_LOSS, Comparison
from mtl_cli.comparison.setting import Setting
from mtl_cli.comparison.statistics import Mean

NAMED = 5
"""Settings or tasks that a sentence names; the rest are counted."""


def verdict(comparison: Comparison) -> str:
    """Returns what can be told of the settings, and of the best one against tasks trained alone."""
    best, name = comparison.best, comparison.objective_name
    if best is None:
        return ""
    others = [each for each in comparison.settings if each.trains_all and each.counted and each is not best]
    parts = []
    if others:
        parts.append(_compared(comparison, best, others))
    if best.gain.n:
        against = f"Against each task alone ({best.gain.n:,} {_seeds(best.gain.n)}), on the {comparison.split} rows, "
        parts.append(f"{against}{verdict_on_gain(best.gain, comparison.task_gains(best, comparison.split))}.")
    if name == TRAIN_LOSS:
        parts.append("There are no validation rows, so this says what was fitted best, not what does best on others.")
    return " ".join(parts)


def _compared(comparison: Comparison, best: Setting, others: Sequence[Setting]) -> str:
    seeds, name = comparison.repeats, comparison.objective_name
    first = f"the best {name} is that of {named(comparison, [best])}"
    if not seeds and comparison.splits_vary:
        return (
            "Settings with no seed in common were trained and evaluated on different rows, so no difference can be "
            f"told (train them with the same seeds, or data.split_seed=0); {first}."
        )
    if seeds < 2:
        few = "Fewer than two seeds in common" if comparison.seeds_differ else "One seed"
        return f"{few}: no interval, so no difference can be told; {first}."
    tied = [each for each in others if each in comparison.tied]
    worse = [each for each in others if each not in comparison.tied]
    if not tied:
        text = f"With {seeds:,} seeds {first}, and that differs from each of the others."
    elif not worse:
        text = f"With {seeds:,} seeds no difference between {named(comparison, [best, *tied])} can be told in {name}."
    else:
        text = (
            f"With {seeds:,} seeds no difference between {named(comparison, [best, *tied])} can be told in {name}; "
            f"{named(comparison, worse)} {'is' if len(worse) == 1 else 'are'} worse."
        )
    if seeds == 2:
        text += " Two seeds make an interval that is hardly worth its name; take five or more."
    return text


def verdict_on_gain(gain: Mean, by_task: Mapping[str, Mean]) -> str:
    """Returns whether training together helps, over all tasks and each of them, as far as the intervals tell."""
    if gain.n < 2:
        better = "better" if gain.mean > 0 else "worse" if gain.mean < 0 else "neither better nor worse"
        return f"training together is {better} on average, but with one seed there is no interval"
    helped, hurt = ([task for task, own in by_task.items() if told(own) == sign] for sign in (1, -1))
    each = " and ".join(f"{word} {_listed(tasks)}" for word, tasks in (("helps", helped), ("hurts", hurt)) if tasks)
    if not told(gain):
        untold = "no difference that training together makes can be told"
        return f"{untold} over all tasks, but it {each}" if each else untold
    overall = f"training together {'helps' if told(gain) > 0 else 'hurts'}"
    return f"{overall} over all tasks; by task it {each}" if each else f"{overall} over all tasks, and none by itself"


def told(gain: Mean) -> int:
    """Returns the sign of a gain; 0 where its interval, or that there is none, leaves that open."""
    return 0 if gain.n < 2 or gain.contains_0 else 1 if gain.mean > 0 else -1


def named(comparison: Comparison, settings: Sequence[Setting]) -> str:
    """Returns settings by their values, the first few of them."""
    return _listed([_name(comparison, each) for each in settings])


def _listed(names: Sequence[str]) -> str:
    if len(names) > NAMED:
        names = [*names[:NAMED], f"{len(names) - NAMED:,} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _name(comparison: Comparison, setting: Setting) -> str:
    if not comparison.keys:
        return "the only setting"
    if len(comparison.keys) == 1 and not setting.values[0].replace(".", "").replace("-", "").isdigit():
        return setting.values[0]
    pairs = zip(labels(comparison.keys).values(), setting.values, strict=True)
    return " ".join(f"{key}={shortened(value)}" for key, value in pairs if value)


def _seeds(count: int) -> str:
    return "seed" if count == 1 else "seeds"
