"""What a sweep's numbers say: means over seeds, gain over single tasks, ranks, the Pareto set. Pure functions.

Shapes: S settings, T tasks. A number that isn't there is NaN, and what can't be said without it is NaN too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
NO_BASELINE: Final = 1e-12
"""A baseline's metric of this size or less is no measure for a relative gain."""
MARGIN: Final = 0.1
"""How far the reference point is beyond the worst values, as a part of their range."""
MOST_OBJECTIVES: Final = 6
"""Hypervolume takes time that grows with settings ** (tasks - 2); with more tasks than these it isn't computed."""

Numbers = NDArray[np.float64]
Key = TypeVar("Key")


@dataclass(frozen=True)
class Mean:
    """A mean over n values, and half the length of its interval."""

    n: int
    mean: float
    half: float
    """NaN where there are fewer than two values."""

    @property
    def contains_0(self) -> bool:
        """Tells whether the interval has 0 in it, as far as is known: one that isn't there may."""
        return not abs(self.mean) > self.half


def mean_of(values: Sequence[float]) -> Mean:
    """Returns the mean of the finite values with its 95 % Student-t interval: m +- t(0.975; n - 1) s / sqrt(n).

    s is the standard deviation with n - 1 in its denominator (Student 1908).

    >>> found = mean_of([1.0, 2.0, 3.0, math.nan])
    >>> found.n, found.mean, round(found.half, 3)
    (3, 2.0, 2.484)
    >>> mean_of([5.0])
    Mean(n=1, mean=5.0, half=nan)
    """
    finite = [value for value in values if math.isfinite(value)]
    n = len(finite)
    if not n:
        return Mean(0, math.nan, math.nan)
    mean = math.fsum(finite) / n
    if n == 1:
        return Mean(1, mean, math.nan)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in finite) / (n - 1))
    return Mean(n, mean, _quantile(n - 1) * deviation / math.sqrt(n))


@cache
def _quantile(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))


def paired(first: Mapping[Key, float], second: Mapping[Key, float]) -> Mean:
    """Returns the mean of first - second over the keys (seeds) that both have.

    >>> paired({0: 1.0, 1: 2.0, 2: 9.0}, {0: 0.5, 1: 1.5})
    Mean(n=2, mean=0.5, half=0.0)
    """
    return mean_of([first[key] - second[key] for key in first if key in second])


def gain(metrics_T: Sequence[float], baselines_T: Sequence[float], higher_T: Sequence[bool]) -> float:
    """Returns the gain over single-task training, in per cent; above 0 the tasks are better together than alone.

    Delta m = 100 / T sum_t (-1)^(less of t is better) (M_t - B_t) / |B_t|, with the metrics M together and B alone
    (Vandenhende et al., arXiv 1904.08918, equation 4; much of the later literature has the opposite sign). Here for one
    seed; means over seeds are the caller's. Departure: |B_t| for B_t, so that a negative one (as R2 can be) doesn't
    turn the sign.

    NaN where a number is missing or a baseline is 0 (up to 1e-12).

    >>> round(gain([0.84, 0.45], [0.80, 0.50], [True, False]), 6)
    7.5
    >>> gain([0.84, 0.45], [0.80, 0.0], [True, False])
    nan
    """
    together, single_task = np.asarray(metrics_T, float), np.asarray(baselines_T, float)
    if not (
        np.isfinite(together).all() and np.isfinite(single_task).all() and (np.abs(single_task) > NO_BASELINE).all()
    ):
        return math.nan
    return float(100 * np.mean(_signs(higher_T) * (together - single_task) / np.abs(single_task)))


def mean_ranks(means_ST: Numbers, higher_T: Sequence[bool]) -> Numbers:
    """Returns each setting's mean rank (MR), [S]: its rank in each task, 1 is best, averaged over the tasks.

    Equal values share the mean of their ranks. Settings that miss a metric have none, and the others are ranked
    without them. (As in Nash-MTL, arXiv 2202.01017, and FAMO, arXiv 2306.03792.)

    >>> mean_ranks(np.array([[0.9, 5.0], [0.8, 4.0], [0.9, 6.0], [0.7, np.nan]]), [True, False])
    array([1.75, 2.  , 2.25,  nan])
    """
    complete = _complete(means_ST)
    worse_ST = -_signs(higher_T) * means_ST[complete]
    better = (worse_ST[None, :, :] < worse_ST[:, None, :]).sum(axis=1)
    equal = (worse_ST[None, :, :] == worse_ST[:, None, :]).sum(axis=1)
    ranks = np.full(len(means_ST), np.nan)
    ranks[complete] = (better + (equal + 1) / 2).mean(axis=1)
    return ranks


def pareto_set(means_ST: Numbers, higher_T: Sequence[bool]) -> NDArray[np.bool_]:
    """Returns which settings are in the Pareto set, [S]: none is as good in every task and better in one.

    Settings that miss a metric aren't, and dominate none. By the moocore library.

    >>> pareto_set(np.array([[0.9, 5.0], [0.8, 4.0], [0.8, 5.0], [0.9, 5.0]]), [True, False]).tolist()
    [True, True, False, True]
    """
    member = _complete(means_ST)
    if member.any():
        from moocore import is_nondominated

        member[member] = is_nondominated(means_ST[member], maximise=list(higher_T), keep_weakly=True)
    return member


def reference_point(means_ST: Numbers, higher_T: Sequence[bool]) -> Numbers:
    """Returns the point that hypervolume is measured from, [T].

    It is each task's worst value moved out by 10 % of the range of its values; where these are all equal, by 10 % of
    their size (by 0.1 where they are 0). NaN for a task without values. Settings that miss a metric don't count.

    >>> reference_point(np.array([[0.9, 5.0], [0.7, 5.0]]), [True, False]).round(6).tolist()
    [0.68, 5.5]
    """
    complete_ST = means_ST[_complete(means_ST)]
    if not len(complete_ST):
        return np.full(len(higher_T), np.nan)
    low, high = complete_ST.min(axis=0), complete_ST.max(axis=0)
    margin = MARGIN * np.where(high > low, high - low, np.where(high == 0, 1.0, np.abs(high)))
    reference: Numbers = np.where(list(higher_T), low - margin, high + margin)
    return reference


def hypervolume(means_ST: Numbers, higher_T: Sequence[bool], reference_T: Numbers) -> float:
    """Returns the volume that the settings dominate, up to the reference point; more is better.

    (Zitzler and Thiele 1998; by the moocore library.) NaN with more than 6 tasks, or without a setting that has
    every metric.

    >>> round(hypervolume(np.array([[0.9, 5.0], [0.8, 4.0]]), [True, False], np.array([0.5, 6.0])), 6)
    0.7
    """
    complete_ST = means_ST[_complete(means_ST)]
    if not len(complete_ST) or len(higher_T) > MOST_OBJECTIVES:
        return math.nan
    from moocore import hypervolume as volume

    return float(volume(complete_ST, ref=reference_T, maximise=list(higher_T)))


def _complete(means_ST: Numbers) -> NDArray[np.bool_]:
    """Returns which settings have every metric, [S]."""
    complete: NDArray[np.bool_] = np.all(np.isfinite(means_ST), axis=1)
    return complete


def _signs(higher_T: Sequence[bool]) -> Numbers:
    return np.where(list(higher_T), 1.0, -1.0)
