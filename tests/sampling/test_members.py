"""Every way to pick tasks: its probabilities against the formula, its picks against its probabilities."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2, chisquare

from mtl_cli.config import FAMILIES, parse
from mtl_cli.errors import InputError
from mtl_cli.randomness import PICKS, generator
from mtl_cli.sampling.annealed import Annealed
from mtl_cli.sampling.base import Pool, Sampling
from mtl_cli.sampling.fixed import Fixed
from mtl_cli.sampling.proportional import Proportional
from mtl_cli.sampling.round_robin import RoundRobin
from mtl_cli.sampling.temperature import Temperature
from mtl_cli.sampling.uniform import Uniform
from mtl_cli.training.dataset_cache import load
from tests.support.configs import composed

FOUND = [cls for cls in FAMILIES["sampling"] if issubclass(cls, Sampling)]
SAMPLERS = [
    *(cls.model_validate({}) for cls in FOUND),
    Temperature(temperature=0.5),
    Temperature(temperature=1e-3),  # all but certain of the largest
    Temperature(temperature=5, cap=300),
    Annealed(epochs=1),
    Annealed(epochs=7),
    Annealed(epochs=10**6),
]
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)


def test_the_samplers_are_found() -> None:
    assert len(FOUND) == len(FAMILIES["sampling"])
    assert {Fixed, RoundRobin, Uniform, Proportional, Temperature, Annealed} <= set(FOUND)


def pool(probs: Sequence[float], rows: Sequence[float], steps: int = 1000) -> Pool:
    return Pool(np.array(probs, float) / sum(probs), np.array(rows, float), steps)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Draws one to six tasks, one of them at least not left out, and a length."""
    count = draw(st.integers(1, 6))
    probs = draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 3.0]), min_size=count, max_size=count).filter(any))
    rows = draw(st.lists(st.integers(1, 10**7), min_size=count, max_size=count))
    return pool(probs, rows, draw(st.integers(1, 400)))


def picked(sampler: Sampling, of: Pool, seed: int = 0) -> NDArray[np.int32]:
    return sampler.picks(np.arange(1, of.steps + 1), of, generator(seed, PICKS))


@every_sampler
@given(of=pools())
def test_probabilities_are_probabilities(sampler: Sampling, of: Pool) -> None:
    iterations = np.arange(1, of.steps + 1)
    found = sampler.probabilities(iterations, of)
    assert found.shape == (of.steps, len(of.probs))
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    assert not found[:, of.probs == 0].any()
    np.testing.assert_array_equal(sampler.probabilities(iterations[-1:], of), found[-1:])


@every_sampler
@given(of=pools(), cuts=st.lists(st.integers(1, 400), max_size=6), seed=st.integers(0, 9))
def test_picks_follow_from_the_seed_and_not_from_the_cut(
    sampler: Sampling, of: Pool, cuts: list[int], seed: int
) -> None:
    whole = picked(sampler, of, seed)
    random = generator(seed, PICKS)
    parts = np.split(np.arange(1, of.steps + 1), sorted({cut for cut in cuts if cut < of.steps}))
    np.testing.assert_array_equal(np.concatenate([sampler.picks(part, of, random) for part in parts]), whole)
    assert whole.dtype == np.int32
    assert (of.probs[whole] > 0).all()


BLOCKS, LENGTH = 70, 2000
"""Annealed's probabilities stay the same within each of these parts of a run, with 1 or 7 epochs at least."""
MIXTURES = [([0.5, 0.5], [100, 10_000]), ([0, 0.25, 0, 0.4, 0.35, 0], [10**6, 90, 1, 1700, 800, 10**9])]


@every_sampler
@pytest.mark.parametrize(("probs", "rows"), MIXTURES)
def test_picks_follow_the_probabilities(sampler: Sampling, probs: list[float], rows: list[float]) -> None:
    of = pool(probs, rows, BLOCKS * LENGTH)
    picks = picked(sampler, of).reshape(BLOCKS, LENGTH)
    counts = np.array([np.bincount(block, minlength=len(probs)) for block in picks])
    expected = sampler.probabilities(np.arange(1, of.steps + 1), of).reshape(BLOCKS, LENGTH, -1).sum(axis=1)
    assert not counts[expected == 0].any()
    enough = expected > 5
    statistic = ((counts - expected)[enough] ** 2 / expected[enough]).sum()
    freedom = (enough.sum(axis=1) - 1).sum()
    assert freedom == 0 or chi2.sf(statistic, freedom) > 1e-4


@pytest.mark.parametrize(
    "probs", [(0.5, 0.5), (0.3, 0.7), (1 / 3, 1 / 3, 1 / 3), (0.0, 0.25, 0.0, 0.75, 0.0), (0.001, 0.199, 0.8)]
)
def test_draws_are_independent(probs: tuple[float, ...]) -> None:
    picks, chances = picked(Fixed(), pool(probs, [1] * len(probs), 100_000)), np.array(probs)
    assert chisquare(np.bincount(picks)[chances[: picks.max() + 1] > 0], 1e5 * chances[chances > 0]).pvalue > 1e-4
    pairs = np.bincount(picks[::2] * len(probs) + picks[1::2], minlength=len(probs) ** 2)
    of_pairs = np.outer(chances, chances).ravel()
    assert chisquare(pairs[of_pairs > 0], len(picks) / 2 * of_pairs[of_pairs > 0]).pvalue > 1e-4


@every_sampler
def test_another_seed_draws_other_picks(sampler: Sampling) -> None:
    of = pool([0.5, 0.5], [90, 100], 400)
    certain = (sampler.probabilities(np.array([1]), of) > 0.999).any() or isinstance(sampler, RoundRobin)
    assert certain == np.array_equal(picked(sampler, of, 0), picked(sampler, of, 1))


class Changing(Sampling):
    """Leaves another task out in each of three iterations."""

    name: Literal["changing"] = "changing"

    def chances(self, iterations: NDArray[np.int64], pool: Pool) -> NDArray[np.float64]:
        return np.array([[0.0, 0.3, 0.0], [0.4, 0.0, 0.6], [0.2, 0.0, 0.0]])


class Edges(np.random.Generator):
    """Draws the ends of [0, 1), and a bound between tasks."""

    def random(self, *_: Any, **__: Any) -> Any:
        return np.array([0.0, 0.4, np.nextafter(1.0, 0.0)])


@every_sampler
@pytest.mark.parametrize("rows", [[5.0, 40, 40, 5], [5, 1, 1e9, 7], [5, 1e9, 1, 7], [1e9, 1e9, 1e9, 1e9]])
def test_draws_at_the_edges_pick_no_impossible_task(sampler: Sampling, rows: list[float]) -> None:
    of, iterations = pool([0.0, 0.4, 0.6, 0.0], rows), np.array([1, 500, 1000])
    picks = sampler.picks(iterations, of, Edges(np.random.PCG64(0)))
    assert (sampler.probabilities(iterations, of)[range(3), picks] > 0).all()
    if isinstance(sampler, Fixed):
        assert picks.tolist() == [1, 2, 2]


def test_draws_at_the_edges_pick_no_task_that_is_impossible_at_the_time() -> None:
    of = pool([0.2, 0.0, 0.3, 0.5], [1, 1, 1, 1])
    picks = Changing().picks(np.array([1, 2, 3]), of, Edges(np.random.PCG64(0)))
    assert picks.tolist() == [2, 3, 0]


@every_sampler
@pytest.mark.parametrize("certain", range(3))
def test_the_only_task_is_always_picked(sampler: Sampling, certain: int) -> None:
    assert (picked(sampler, pool(np.eye(3)[certain].tolist(), [4, 5, 6])) == certain).all()


REFERENCES: list[tuple[Sampling, int, list[float]]] = [
    (Proportional(), 1, [0.0099, 0.9901]),
    (Temperature(temperature=1), 1, [0.0099, 0.9901]),
    (Temperature(), 1, [0.0909, 0.9091]),
    (Temperature(temperature=1 / 0.7), 1, [0.0383, 0.9617]),
    (Temperature(temperature=1 / 0.3), 1, [0.2008, 0.7992]),
    (Temperature(temperature=1, cap=1000), 1, [0.0909, 0.9091]),
    (Annealed(epochs=10), 1, [0.0099, 0.9901]),
    (Annealed(epochs=10), 100, [0.0099, 0.9901]),
    (Annealed(epochs=10), 401, [0.0489, 0.9511]),
    (Annealed(epochs=10), 500, [0.0489, 0.9511]),
    (Annealed(epochs=10), 901, [0.2847, 0.7153]),
    (Annealed(epochs=10), 1000, [0.2847, 0.7153]),
    (Annealed(epochs=1), 1000, [0.0099, 0.9901]),
    (Uniform(), 1, [0.5, 0.5]),
    (RoundRobin(), 1, [0.5, 0.5]),
    (Fixed(), 1, [0.3, 0.7]),
]


@pytest.mark.parametrize(("sampler", "iteration", "expected"), REFERENCES)
def test_reference_values(sampler: Sampling, iteration: int, expected: list[float]) -> None:
    """Worked out by hand from the papers' formulas, for 100 and 10,000 rows in a run of 1000 iterations."""
    found = sampler.probabilities(np.array([iteration]), pool([0.3, 0.7], [100, 10_000], 1000))
    assert found.round(4).tolist() == [expected]


@given(rows=st.lists(st.integers(1, 10**6), min_size=1, max_size=5), low=st.floats(0.05, 20), by=st.floats(1, 3))
def test_a_higher_temperature_is_closer_to_uniform(rows: list[int], low: float, by: float) -> None:
    of = pool([1.0] * len(rows), rows)

    def of_largest(temperature: float, cap: float | None = None) -> float:
        return float(Temperature(temperature=temperature, cap=cap).probabilities(np.array([1]), of).max())

    assert of_largest(low * by) <= of_largest(low) + 1e-12
    assert of_largest(low, cap=10) <= of_largest(low) + 1e-12
    assert of_largest(1e15) == pytest.approx(1 / len(rows))
    assert of_largest(low, cap=1) == pytest.approx(1 / len(rows))


def test_annealed_goes_from_proportional_to_nearly_uniform_over_the_run() -> None:
    rows, epochs, length = [100, 10_000], 10, 20_000
    of = pool([0.5, 0.5], rows, epochs * length)
    frequencies = (picked(Annealed(epochs=epochs), of) == 0).reshape(epochs, length).mean(axis=1)
    for e, frequency in enumerate(frequencies, start=1):
        alpha = 1 - 0.8 * (e - 1) / (epochs - 1)
        p = rows[0] ** alpha / (rows[0] ** alpha + rows[1] ** alpha)
        assert abs(frequency - p) < 5 * math.sqrt(p * (1 - p) / length)
    assert (np.diff(frequencies) > 0).all()


@given(steps=st.integers(1, 500), epochs=st.integers(1, 50))
def test_epochs_are_equal_parts_of_the_run(steps: int, epochs: int) -> None:
    found = Annealed(epochs=epochs).probabilities(np.arange(1, steps + 1), pool([0.5, 0.5], [1, 100], steps))[:, 0]
    assert found[0] == pytest.approx(1 / 101)
    assert (np.diff(found) >= 0).all()
    _, lengths = np.unique(found, return_counts=True)
    assert lengths.max() - lengths.min() <= 1
    assert len(lengths) == min(steps, epochs)


@pytest.mark.parametrize("cls", FOUND)
def test_what_a_sampler_says_it_uses_matters_and_nothing_else(cls: type[Sampling]) -> None:
    def chance(of: Pool) -> float:
        return float(cls.model_validate({}).probabilities(np.array([1]), of)[0, 0])

    base = chance(pool([0.5, 0.5], [40, 50]))
    assert (chance(pool([0.5, 0.5], [30, 50])) != base) == cls.uses_rows
    assert (chance(pool([0.3, 0.7], [40, 50])) != base) == cls.uses_prob


@pytest.mark.parametrize("cls", FOUND)
def test_an_endless_stream_has_no_numbers_of_rows(cls: type[Sampling]) -> None:
    name = cls.model_fields["name"].default
    config = composed("mode=alternating", f"sampling={name}")
    if not cls.uses_rows:
        assert load(config).labelled == {}
        return
    with pytest.raises(InputError, match=f"sampling: '{name}'.*data=seed has no end"):
        load(config)


@pytest.mark.parametrize("cls", FOUND)
@pytest.mark.parametrize(
    ("probs", "equal"),
    [
        ([None, None, None], True),
        ([None, 0, None], True),
        ([0.5, 0, None], True),
        ([1, 0, 0], True),
        ([1 / 3, None, None], True),
        ([0.5, None, None], False),
        ([0.2, 0.3, 0.5], False),
        ([0, 0.6, None], False),
    ],
)
def test_probabilities_are_refused_where_they_have_no_use(
    cls: type[Sampling], probs: list[float | None], equal: bool
) -> None:
    name = cls.model_fields["name"].default
    plain = composed("mode=alternating", f"sampling={name}").model_dump()
    plain["tasks"] = {f"t{i}": {"kind": "regression", "prob": prob} for i, prob in enumerate(probs)}
    if equal or cls.uses_prob:
        parse(plain)
        return
    with pytest.raises(InputError, match=rf"^tasks.t\d.prob: 0\.\d, but sampling={name} has no use for it.*=fixed"):
        parse(plain)
