"""Regressions made from formulas: the rows follow them, by computations written here anew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mtl_cli.data.scaled_tanh import ScaledTanh
from mtl_cli.data.synthetic import Synthetic, mixing
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.datasets.in_memory import RowsDataset
from mtl_cli.errors import InputError
from tests.support.configs import loaded

Numbers = NDArray[np.float32]
EXAMPLES = "data.examples={train: 3000, val: 200, test: 300}"
WAVES = ["data=synthetic", EXAMPLES]
TANH = ["data=scaled_tanh", EXAMPLES]
THIRD = "+tasks.y3.kind=regression"


@pytest.mark.parametrize("relatedness", [-1.0, -0.3, 0.0, 0.5, 1.0])
def test_waves_follow_the_papers_formula(relatedness: float) -> None:
    settings = [f"data.relatedness={relatedness}", "data.noise=0", "data.scale=0.8", "data.waves=3", "seed=4"]
    truth = Synthetic(relatedness=relatedness, scale=0.8, waves=3).truth(2, seed=4)
    for x, labels in _splits(loaded(*WAVES, *settings)).values():
        for w, task in zip(truth.weights, ("y1", "y2"), strict=True):
            expected = np.zeros(len(x))
            for row, features in enumerate(x.astype(float)):
                product = sum(w[j] * features[j] for j in range(len(w)))
                expected[row] = product + sum(np.sin(truth.alpha[i] * product + truth.beta[i]) for i in range(3))
            np.testing.assert_allclose(labels[task][:, 0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("tasks", "relatedness"), [(1, 0.5), (2, -1.0), (2, 0.0), (2, 0.9), (2, 1.0), (3, -0.5), (5, 0.3), (4, 1.0)]
)
def test_every_two_weight_vectors_have_the_cosine(tasks: int, relatedness: float) -> None:
    weights = Synthetic(relatedness=relatedness, scale=0.3).truth(tasks, seed=0).weights
    lengths = np.linalg.norm(weights, axis=1)
    np.testing.assert_allclose(lengths, 0.3, atol=1e-9)
    cosines = weights @ weights.T / np.outer(lengths, lengths)
    np.testing.assert_allclose(cosines, np.where(np.eye(tasks, dtype=bool), 1.0, relatedness), atol=1e-6)


def test_a_task_alone_is_related_to_none() -> None:
    assert set(loaded(*WAVES, "~tasks.y2", "data.relatedness=-1").tasks) == {"y1"}


def test_the_second_of_two_tasks_is_the_papers() -> None:
    along, across, apart = (Synthetic(relatedness=p, scale=2).truth(2, seed=1).weights for p in (1.0, 0.0, 0.6))
    np.testing.assert_allclose(along[1], along[0], atol=1e-12)
    np.testing.assert_allclose(apart[0], along[0], atol=1e-12)
    np.testing.assert_allclose(apart[1], 0.6 * across[0] + np.sqrt(1 - 0.6**2) * across[1], atol=1e-12)


def test_the_first_direction_points_anywhere() -> None:
    firsts = np.array([Synthetic(features=3, scale=1).truth(2, seed).weights[0] for seed in range(200)])
    np.testing.assert_allclose(firsts.mean(axis=0), 0, atol=0.15)  # 3.7 standard deviations


@given(tasks=st.integers(2, 12), above=st.floats(0, 1))
def test_mixing_is_the_cholesky_factor(tasks: int, above: float) -> None:
    least = -1 / (tasks - 1)
    cosine = least + 0.001 + (0.998 - least) * above
    gram = np.full((tasks, tasks), cosine) + (1 - cosine) * np.eye(tasks)
    np.testing.assert_allclose(mixing(tasks, cosine), np.linalg.cholesky(gram), atol=1e-9)


def test_the_waves_are_standard_normal() -> None:
    truth = Synthetic(waves=4000).truth(2, seed=0)
    for numbers in (truth.alpha, truth.beta):
        assert numbers.mean() == pytest.approx(0, abs=0.05)
        assert numbers.std() == pytest.approx(1, abs=0.05)
    assert abs(np.corrcoef(truth.alpha, truth.beta)[0, 1]) < 0.05


def test_relatedness_changes_nothing_but_the_second_task() -> None:
    near, far = (_splits(loaded(*WAVES, f"data.relatedness={p}")) for p in (0.9, 0.1))
    for name, (x, labels) in near.items():
        np.testing.assert_array_equal(x, far[name][0])
        np.testing.assert_array_equal(labels["y1"], far[name][1]["y1"])
        assert (labels["y2"] != far[name][1]["y2"]).mean() > 0.99


def test_labels_are_the_more_alike_the_higher_the_relatedness() -> None:
    """True of any waves: the labels' correlation is a power series in p >= 0 without negative coefficients (Mehler)."""

    def alikeness(relatedness: float, *more: str) -> float:
        labels = _splits(loaded(*WAVES, f"data.relatedness={relatedness}", *more))["train"][1]
        return float(np.corrcoef(labels["y1"][:, 0], labels["y2"][:, 0])[0, 1])

    rising = [alikeness(p) for p in (0, 0.3, 0.6, 0.9, 1)]
    assert rising == sorted(rising)
    assert abs(rising[0]) < 0.1
    assert alikeness(1, "data.noise=0") == pytest.approx(1, abs=1e-9)
    variance = _splits(loaded(*WAVES, "data.noise=0"))["train"][1]["y1"].var()
    assert rising[-1] == pytest.approx(variance / (variance + 0.1**2), abs=0.02)


def test_the_noise_has_its_deviation_and_is_each_tasks_own() -> None:
    (x, noisy), (same, clean) = (
        _splits(loaded(*WAVES, "data.relatedness=1", f"data.noise={noise}"))["train"] for noise in (0.1, 0)
    )
    np.testing.assert_array_equal(x, same)
    noise = np.stack([noisy[task][:, 0] - clean[task][:, 0] for task in ("y1", "y2")])
    np.testing.assert_allclose(noise.var(axis=1), 0.01, rtol=0.15)
    np.testing.assert_allclose(noise.mean(axis=1), 0, atol=0.01)
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.1


@pytest.mark.parametrize(("data", "sigmas"), [(WAVES, ""), (TANH, "data.sigmas=[1.0,100.0,5.0]")])
def test_another_task_leaves_the_others_as_they_are(data: list[str], sigmas: str) -> None:
    """A comparison of two tasks with three is one of the tasks, not of the data."""
    two, three = _splits(loaded(*data)), _splits(loaded(*data, THIRD, *filter(None, [sigmas])))
    for name, (x, labels) in two.items():
        np.testing.assert_array_equal(x, three[name][0])
        for task, values in labels.items():
            np.testing.assert_allclose(values, three[name][1][task], rtol=1e-5, atol=1e-6)
        assert set(three[name][1]) == {"y1", "y2", "y3"}


def test_tanh_follows_the_papers_formula() -> None:
    sigmas = [2.0, 30.0, 0.1]
    settings = ["data.sigmas=[2.0,30.0,0.1]", THIRD, "data.outputs=7", "data.features=20", "seed=3"]
    matrices = ScaledTanh(sigmas=sigmas, outputs=7, features=20).matrices(seed=3)
    for x, labels in _splits(loaded(*TANH, *settings)).values():
        np.testing.assert_allclose((x.astype(float) ** 2).sum(axis=1), 1, atol=1e-5)
        for sigma, matrix, task in zip(sigmas, matrices, ("y1", "y2", "y3"), strict=True):
            expected = [
                [sigma * np.tanh(sum(a * b for a, b in zip(line, row, strict=True))) for line in matrix] for row in x
            ]
            np.testing.assert_allclose(labels[task], expected, rtol=1e-4, atol=1e-5 * sigma)


def test_the_directions_of_tanh_point_anywhere() -> None:
    x, _ = _splits(loaded(*TANH, "data.features=20"))["train"]
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=5 / np.sqrt(20 * len(x)))  # 5 standard deviations


def test_tanh_matrices_share_one_and_differ_by_another() -> None:
    first, second, third = ScaledTanh(sigmas=[1.0, 1.0, 1.0]).matrices(seed=0)
    assert first.shape == (100, 250)
    assert (first - second).std() == pytest.approx(3.5 * np.sqrt(2), rel=0.02)
    assert np.cov(first.ravel(), second.ravel())[0, 1] == pytest.approx(100, rel=0.03)
    assert np.cov((first - second).ravel(), (first - third).ravel())[0, 1] == pytest.approx(3.5**2, rel=0.1)
    alike = ScaledTanh(own_deviation=0).matrices(seed=0)
    np.testing.assert_array_equal(alike[0], alike[1])


@pytest.mark.parametrize("data", [WAVES, TANH])
def test_labels_stay_in_their_own_unit(data: list[str]) -> None:
    dataset = loaded(*data)
    assert not dataset.scales
    widths = [task.units for task in dataset.tasks.values()]
    assert widths == ([1, 1] if data is WAVES else [100, 100])
    spread = {task: values.std() for task, values in _splits(dataset)["test"][1].items()}
    ratio = spread["y2"] / spread["y1"]
    assert ratio == pytest.approx(1 if data is WAVES else 100, rel=0.1)


@pytest.mark.parametrize("data", [WAVES, TANH])
def test_splits_have_their_rows_and_share_none(data: list[str]) -> None:
    dataset = loaded(*data)
    assert dataset.rows == {"train": 3000, "val": 200, "test": 300}
    rows = {name: {tuple(row) for row in x.tolist()} for name, (x, _) in _splits(dataset).items()}
    assert {name: len(of_split) for name, of_split in rows.items()} == dataset.rows
    assert len(rows["train"] | rows["val"] | rows["test"]) == 3500


@pytest.mark.parametrize("data", [WAVES, TANH])
def test_the_same_seed_gives_the_same_data(data: list[str]) -> None:
    def everything(*overrides: str) -> list[bytes]:
        splits = _splits(loaded(*data, *overrides)).values()
        return [array.tobytes() for x, labels in splits for array in (x, *labels.values())]

    first = everything("seed=1")
    assert everything("seed=1") == first
    assert not set(everything("seed=2")) & set(first)
    assert everything("seed=2", "data.split_seed=1") == first


REFUSALS = [
    ("synthetic", ["tasks.y1={kind: binary, units: 1, loss: bce, metric: auc}"], "tasks.y1.kind: data=synthetic has"),
    ("synthetic", ["tasks.y1.units=3"], "tasks.y1.units: a label of data=synthetic is 1 wide, got 3"),
    ("synthetic", ["+tasks.y1.standardize=true"], "tasks.y1.standardize: data=synthetic leaves labels"),
    ("synthetic", ["data.relatedness=1.1"], "data.relatedness: should be less than or equal to 1, got 1.1"),
    ("synthetic", ["data.relatedness=-1.1"], "data.relatedness: should be greater than or equal to -1, got -1.1"),
    ("synthetic", ["data.relatedness=-0.6", THIRD], " than 3 tasks can have to one another; the least is -1 / 2"),
    ("synthetic", ["data.features=2", THIRD], "data.features: 2 is fewer than the 3 tasks"),
    ("synthetic", ["data.noise=-1"], "data.noise: should be greater than or equal to 0"),
    ("synthetic", ["data.examples.train=5"], "batch_size: 10 is more than the 5 rows of the training split"),
    ("synthetic", ["data.examples.val=0"], "data.examples.val: should be greater than or equal to 1"),
    ("scaled_tanh", [THIRD], "data.sigmas: 2 given, 3 needed, one for each of the tasks y1, y2, y3"),
    ("scaled_tanh", ["~tasks.y2"], "data.sigmas: 2 given, 1 needed, one for each of the tasks y1"),
    ("scaled_tanh", ["data.sigmas=[1,-100]"], "data.sigmas.1: should be greater than 0, got -100"),
    ("scaled_tanh", ["tasks.y2.units=7"], "tasks.y2.units: a label of data=scaled_tanh is 100 wide, got 7"),
    ("scaled_tanh", ["+tasks.y2.standardize=true"], "tasks.y2.standardize: data=scaled_tanh leaves labels"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "overrides", "message"), REFUSALS)
def test_refusals(data: str, overrides: list[str], message: str) -> None:
    with pytest.raises(InputError) as refused:
        loaded(f"data={data}", *overrides)
    assert message in str(refused.value)


def _splits(dataset: Dataset) -> dict[str, tuple[Numbers, dict[str, Numbers]]]:
    """Returns every split's features and labels, the training split's as they are trained on."""
    assert isinstance(dataset, RowsDataset)
    held_out = {
        name: (split.features, {task: of.values for task, of in split.labels.items()})
        for name, split in dataset.splits.items()
    }
    return {"train": (dataset.device_data["features"], dataset.device_data["labels"]), **held_out}
