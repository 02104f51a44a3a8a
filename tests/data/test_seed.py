"""The source article's endless stream."""

import numpy as np
import pytest

from mtl_cli.backend import tf
from mtl_cli.data.seed import SAMPLE_BYTES, SAMPLE_ROWS
from tests.support.configs import loaded

PICKS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0], np.int32)


def test_the_stream_is_uniform_in_0_to_10() -> None:
    dataset = loaded("data=seed", "tasks.y2.units=3")
    drawn = dataset.stream(0, 10).joint(500)
    ((x, labels, weights),) = dataset.feed.joint({}, {"block": tf.constant(drawn["block"][0])})
    assert not weights
    assert x.shape == (10, 10)
    assert {task: tuple(y.shape) for task, y in labels.items()} == {"y1": (10, 20), "y2": (10, 3)}
    assert drawn["block"].min() >= 0
    assert drawn["block"].max() < 1
    assert abs(10 * drawn["block"].mean() - 5) < 0.05
    block = tf.constant(dataset.stream(0, 10).single(PICKS)["block"][0])
    x, labels, weights = dataset.feed.single({}, {"block": block}, "y2")
    (y,) = labels.values()
    assert (x.shape, y.shape) == ((10, 10), (10, 3))
    assert float(tf.reduce_max(tf.concat([x, y], 1))) > 9


@pytest.mark.parametrize(("features", "rows"), [(10, SAMPLE_ROWS), (3_000_000, SAMPLE_BYTES // (4 * 3_000_040))])
def test_the_sample_is_uniform_too_and_as_large_as_it_may_be(features: int, rows: int) -> None:
    sample = loaded("data=seed", f"data.features={features}").train
    labels = [of.values for of in sample.labels.values()]
    assert sample.features.shape == (rows, features)
    assert {each.shape for each in labels} == {(rows, 20)}
    for numbers in (sample.features, *labels):
        assert 0 <= numbers.min() < 1
        assert 9 < numbers.max() <= 10
        assert numbers.mean() == pytest.approx(5, abs=20 / np.sqrt(numbers.size))  # 7 standard deviations
