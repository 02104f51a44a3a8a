"""The source article's endless stream."""

import numpy as np

from mtl_cli.backend import tf
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
