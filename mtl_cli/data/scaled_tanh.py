"""Regressions that differ in scale: the toy problem of GradNorm.

Chen et al., "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks", ICML 2018
(arXiv 1711.02257), section 4. The paper's "N(0, 10)" and "N(0, 3.5)" may mean variances or standard deviations: here
they are standard deviations. It says nothing of x: here uniform in (-1, 1), then divided by its length. Both as in the
public brianlan/pytorch-grad-norm, which draws fresh rows in every iteration; here their number is `examples`.
"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli.data.base import Data
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.datasets.regressions import Examples, drawn, regressions, truth_generator
from mtl_cli.errors import InputError
from mtl_cli.settings import NonNegative, Positive, Repeat
from mtl_cli.tasks import Count, Tasks

Numbers = NDArray[np.float64]


class ScaledTanh(Data):
    """y_i = sigma_i tanh((B + eps_i) x), of x [F] with length 1 and y [U]: F `features`, U `outputs`.

    The elements of B [U, F], which all tasks share, are N(0, `shared_deviation`^2), those of eps_i N(0,
    `own_deviation`^2). `sigmas` has a number for each task. Labels aren't standardised: that would undo the sigmas.
    `split_seed`, or else the run's seed, decides B, eps and x.
    """

    name: Literal["scaled_tanh"] = "scaled_tanh"
    sigmas: Annotated[list[Positive], Field(min_length=1)] = [1.0, 100.0]
    features: Count = 250
    outputs: Count = 100
    shared_deviation: NonNegative = 10.0
    own_deviation: NonNegative = 3.5
    examples: Examples = Examples()
    split_seed: Annotated[Annotated[int, Field(ge=0)] | None, Repeat()] = None

    def load(self, tasks: Tasks, seed: int, batch_size: int) -> Dataset:
        """Returns rows for these tasks."""
        filled = regressions(tasks, self.name, units=self.outputs)
        if len(self.sigmas) != len(tasks):
            shown = ", ".join(list(tasks)[:10]) + (", ..." if len(tasks) > 10 else "")
            raise InputError(
                f"data.sigmas: {len(self.sigmas)} given, {len(tasks)} needed, one for each of the tasks {shown}"
            )
        data_seed = seed if self.split_seed is None else self.split_seed
        matrices = self.matrices(data_seed)

        def draw(random: np.random.Generator, count: int) -> tuple[NDArray[np.float32], list[Numbers]]:
            directions = random.uniform(-1.0, 1.0, (count, self.features))
            x = (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)
            return x, [sigma * np.tanh(x @ own.T) for sigma, own in zip(self.sigmas, matrices, strict=True)]

        return drawn(filled, self.examples, data_seed, batch_size, draw)

    def matrices(self, seed: int) -> list[Numbers]:
        """Returns each task's B + eps_i, [U, F], of a seed."""
        random, shape = truth_generator(seed), (self.outputs, self.features)
        shared = random.normal(0.0, self.shared_deviation, shape)
        return [shared + random.normal(0.0, self.own_deviation, shape) for _ in self.sigmas]
