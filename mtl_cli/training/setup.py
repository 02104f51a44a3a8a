"""All that a run needs before its first iteration, built from its config and its data."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, Tensor, keras, quiet, tf
from mtl_cli.config import Config
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.errors import InputError
from mtl_cli.models.base import network_for
from mtl_cli.networks.network import Network
from mtl_cli.randomness import OBSERVING, generator
from mtl_cli.sampling.base import Pool
from mtl_cli.step.draws import Draws
from mtl_cli.step.state import TrainState
from mtl_cli.training.chunk import Chunk
from mtl_cli.training.evaluation import Selection
from mtl_cli.training.program import ChunkResult, Program, constants, program_for, settings_tree, step_context


@dataclass(frozen=True)
class Setup:
    """What a run trains and by what; nothing of it changes while it trains."""

    config: Config
    dataset: Dataset
    network: Network
    program: Program
    numbers: dict[str, Tensor]
    """The config's numbers, as the program takes them."""
    device_data: dict[str, Any]
    """The dataset's, as tensors."""
    state: TrainState
    """Before the first iteration."""
    selection: Selection

    def train(self, state: TrainState, chunk: Chunk) -> ChunkResult:
        """Returns what a chunk's iterations make of a state."""
        return self.program.train(state, self.numbers, self.device_data, chunk)

    def compile(self) -> None:
        """Trains one iteration and forgets it, which compiles the program."""
        with quiet():
            self.train(self.state, self.program.example)

    def upcoming(self, done: int, length: int) -> NDArray[np.int64]:
        """Returns the iterations of the next chunk, which ends with the next evaluation or checkpoint at the latest."""
        first, until = done + 1, self.config.steps
        evaluates = self.selection.every if "val" in self.dataset.splits else None
        for every in (evaluates, self.config.checkpoints().every_steps):
            if every is not None:
                until = min(until, -(-first // every) * every)
        return np.arange(first, min(until, first + length - 1) + 1)

    def draws(self) -> Draws:
        """Returns the run's randomness from its first iteration."""
        return _draws(self.config, self.dataset, self.network)

    def chunk(
        self, draws: Draws, iterations: NDArray[np.int64], rate: float = 1.0, drawn: Arrays | None = None
    ) -> Chunk:
        """Returns the iterations with what they need.

        Args:
            draws: What is drawn from.
            iterations: Their numbers.
            rate: What their learning rates are multiplied by.
            drawn: What was drawn for them already.
        """
        arrays = _drawn(self.config, draws, iterations) if drawn is None else drawn
        return Chunk(iterations, self.learning_rates(iterations, rate), arrays)

    def learning_rates(self, iterations: NDArray[np.int64], rate: float = 1.0) -> NDArray[np.float32]:
        """Returns the schedule's learning rates for the iterations, times `rate`."""
        return _learning_rates(self.config, iterations) * np.float32(rate)


def set_up(config: Config, dataset: Dataset, device: str) -> Setup:
    """Builds everything up to the first iteration.

    Raises:
        InputError: The network doesn't fit the rest.
    """
    network, params = network_for(config.model, dataset.encoder, dataset.tasks, config.seed)
    if not network.shared and (config.weighting.asks_gradients or config.diagnostics.every is not None):
        asking = (
            "diagnostics.every" if config.diagnostics.every is not None else f"weighting: {config.weighting.name!r}"
        )
        raise InputError(f"{asking} looks at the shared parameters' gradients, and this model shares none")
    if config.weighting.compares_rows and not network.cut:
        raise InputError(
            "weighting.on: 'representation' compares the tasks where the shared layers end, and "
            f"model={config.model.name} has no such place; take 'parameters', or another model"
        )
    selection = _selection(config, dataset)
    tree = settings_tree(config.mode, config.model, config.weighting, config.optimizer, dataset.tasks)
    state = config.mode.init(step_context(network, dataset.feed, tree), params)
    first = np.arange(1, 2)
    drawn = _drawn(config, _draws(config, dataset, network), first)
    example = Chunk(first, _learning_rates(config, first), drawn)
    return Setup(
        config=config,
        dataset=dataset,
        network=network,
        program=program_for(network, dataset, tree, example, device),
        numbers=constants(tree),
        device_data=keras.tree.map_structure(tf.constant, dataset.device_data),
        state=state,
        selection=selection,
    )


def _selection(config: Config, dataset: Dataset) -> Selection:
    counted = tuple(name for name, task in dataset.tasks.items() if getattr(task, config.mode.share) > 0)
    chosen_by = config.objective.split("/")[1] if "/" in config.objective else counted[0]
    if chosen_by not in counted:
        raise InputError(
            f"objective: {config.objective!r} chooses by task {chosen_by}, which isn't trained "
            f"(tasks.{chosen_by}.{config.mode.share} is 0); take val_loss, or "
            f"val/{counted[0]}/{config.tasks[counted[0]].metric}"
        )
    return Selection(config.eval.every, config.objective, config.early_stopping.patience, counted)


def _draws(config: Config, dataset: Dataset, network: Network) -> Draws:
    stream = dataset.stream(config.seed, config.batch_size)
    shared = sum(prod(v.shape) for v in network.shared)
    noise = config.batch_size, network.dropped + network.gated
    observed = None
    if config.diagnostics.every is not None:
        seed = int(generator(config.seed, OBSERVING).integers(2**62))
        observed = config.diagnostics.every, dataset.stream(seed, config.batch_size)
    pool = Pool.of(dataset.tasks, dataset.labelled, config.steps)
    return Draws(stream, config.sampling, pool, config.weighting, shared, noise, config.seed, observed)


def _drawn(config: Config, draws: Draws, iterations: NDArray[np.int64]) -> Arrays:
    return config.mode.draw(draws, iterations) | draws.noise(len(iterations)) | draws.observed(iterations)


def _learning_rates(config: Config, iterations: NDArray[np.int64]) -> NDArray[np.float32]:
    return config.optimizer.learning_rates(iterations - 1, config.steps)
