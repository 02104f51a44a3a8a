"""The host's randomness for a run, iteration by iteration."""

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays
from mtl_cli.datasets.batches import Stream
from mtl_cli.randomness import DROPOUT, PICKS, WEIGHTING, Position, generator, go_to, position_of
from mtl_cli.sampling.base import Pool, Sampling
from mtl_cli.weighting.base import Weighting


class Draws:
    """The host's randomness for a run, in the order of the iterations, each purpose's from a generator of its own."""

    def __init__(
        self,
        stream: Stream,
        sampling: Sampling,
        pool: Pool,
        weighting: Weighting,
        shared: int,
        noise: tuple[int, int],
        seed: int,
        observed: tuple[int, Stream] | None = None,
    ) -> None:
        """Takes what is drawn from.

        Args:
            stream: Rows.
            sampling: The way of picking tasks.
            pool: The tasks that it picks from.
            weighting: The weighting method.
            shared: How many shared parameters there are.
            noise: Rows a batch, and hidden units that dropout acts on.
            seed: The run's.
            observed: After how many iterations one is diagnosed, and a stream of rows for it alone; None: never.
        """
        self.stream = stream
        self._sampling = sampling
        self._pool = pool
        self._weighting = weighting
        self._shared = shared
        self._noise = noise
        self._observed = observed
        self._generators = [generator(seed, purpose) for purpose in (PICKS, DROPOUT, WEIGHTING)]
        self._picking, self._dropping, self._combining = self._generators
        self._streams = [stream, *([observed[1]] if observed else [])]

    def position(self) -> Position:
        """Returns how far everything was drawn."""
        return {
            "generators": [position_of(random) for random in self._generators],
            "streams": [stream.position() for stream in self._streams],
        }

    def go_to(self, position: Position) -> None:
        """Goes on from where these draws, or others of the same run, were."""
        for random, of_one in zip(self._generators, position["generators"], strict=True):
            go_to(random, of_one)
        for stream, of_one in zip(self._streams, position["streams"], strict=True):
            stream.go_to(of_one)

    def picks(self, iterations: NDArray[np.int64]) -> NDArray[np.int32]:
        """Returns the task to train in each of the iterations (counted from 1)."""
        return self._sampling.picks(iterations, self._pool, self._picking)

    def probabilities(self, iterations: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns each task's probability of being picked in each of the iterations (counted from 1), [n, T]."""
        return self._sampling.probabilities(iterations, self._pool)

    def weighting(self, n: int) -> Arrays:
        """Returns what the weighting needs for the next n iterations, each array [n, ...]."""
        return self._weighting.draw(self._combining, n, len(self._pool.probs), self._shared)

    def observed(self, iterations: NDArray[np.int64]) -> Arrays:
        """Returns `observed`, which of the iterations are diagnosed, [n]; nothing where none ever is."""
        if self._observed is None:
            return {}
        return {"observed": (iterations % self._observed[0] == 0) | (iterations == 1)}

    def aside(self, iterations: NDArray[np.int64]) -> Arrays:
        """Returns rows of all tasks for the diagnosed ones of the iterations, in arrays `aside_...` [n, ...]."""
        if self._observed is None:
            return {}
        flags = self.observed(iterations)["observed"]
        arrays = {}
        for key, drawn in self._observed[1].joint(int(flags.sum())).items():
            arrays[f"aside_{key}"] = np.zeros((len(iterations), *drawn.shape[1:]), drawn.dtype)
            arrays[f"aside_{key}"][flags] = drawn
        return arrays

    def noise(self, n: int) -> Arrays:
        """Returns dropout's noise for the next n iterations, uniform whole numbers [n, B, D]; nothing where D is 0."""
        rows, units = self._noise
        if not units:
            return {}
        words = -(-rows * units // 4)  # a 64-bit word makes four
        raw = self._dropping.bit_generator.random_raw(n * words).view(np.uint16).reshape(n, -1)
        return {"noise": raw[:, : rows * units].reshape(n, rows, units)}
