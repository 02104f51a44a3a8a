"""What a step is made of, and the forward pass that every mode uses."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from mtl_cli.backend import Tensor, tf
from mtl_cli.datasets.batches import Batch, Feed, Rows
from mtl_cli.models.base import Model
from mtl_cli.networks.network import Network, Params
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.tasks import Task
from mtl_cli.weighting.base import Weighting

HALVED_FROM: Final = 128
"""The rows from which a batch is computed in two halves."""


class Forward(NamedTuple):
    """A forward pass in training."""

    losses: dict[str, Tensor]
    """Of each task that has labels, a scalar."""
    cut: list[Tensor] | None
    """The tensors [rows, ...] at which shared parameters end and the tasks' own begin, in the pieces that they were
    computed in; None where the network has no such line."""
    extra: Tensor
    """What the model adds to what is minimised: of gates, for one."""
    gates: dict[str, Tensor]
    """Weights of experts [rows, E], by the gate's name."""


@dataclass(frozen=True)
class StepContext:
    """What a step is made of. Inside the program the numbers of the settings are tensors."""

    network: Network
    feed: Feed
    model: Model
    weighting: Weighting
    optimizer: Optimizer
    tasks: Mapping[str, Task]

    def forward(self, params: Params, rows: Sequence[Rows], batch: Batch) -> Forward:
        """Returns the loss of each task that has labels in `rows`, in training.

        A large batch goes through the network in two halves that need nothing of each other, forwards and backwards, so
        that two cores can take one each: XLA runs most products of this size on a single one. At 256 rows and layers of
        256 and 128 units an iteration takes 0.85 times as long.

        Groups of rows share dropout's noise.
        """
        losses: dict[str, Tensor] = {}
        cut: list[Tensor] = []
        extra: Tensor = 0.0
        of_gates: dict[str, Tensor] = {}
        for group in rows:
            inputs = [group.features]
            if "noise" in batch:
                inputs += self.model.masks(batch["noise"], self.network.dropped)
            gates: dict[str, list[Tensor]] = defaultdict(list)
            penalties: dict[int, list[Tensor]] = defaultdict(list)
            of_rows: dict[str, list[Tensor]] = {name: [] for name in group.labels}
            for piece in _pieces(group.features.shape[0]):
                found = self.network.outputs(params, [a[piece] for a in inputs], group.labels)
                cut += found.cut or []
                for name, weights in found.gates.items():
                    gates[name].append(weights)
                for number, of_piece in enumerate(found.penalties):
                    penalties[number].append(of_piece)
                for name, values in group.labels.items():
                    of_rows[name].append(self.tasks[name].row_losses(values[piece], found.raw[name]))
            for name, parts in of_rows.items():
                losses[name] = self.tasks[name].batch_loss(tf.concat(parts, axis=0), group.weights.get(name))
            whole = {name: tf.concat(parts, axis=0) for name, parts in gates.items()}
            extra += self.model.extra(whole, [tf.concat(parts, axis=0) for parts in penalties.values()])
            of_gates |= whole
        return Forward(losses, None if self.network.cut is None else cut, extra, of_gates)

    def penalty(self, params: Params, tasks: Iterable[str], extra: Tensor) -> Tensor:
        """Returns what is added to the loss: `extra`, and for the sizes of shared parameters and of these tasks' own.

        No 0 is added, by which XLA would round other numbers otherwise.
        """
        sizes = self.model.penalty(self.network.decayed(params, tasks))
        return sizes + extra if tf.is_tensor(extra) else sizes

    def present_T(self, rows: Sequence[Rows]) -> Tensor:
        """Tells for each task whether it has a label in this batch, [T]."""
        weights = {name: of_rows for group in rows for name, of_rows in group.weights.items()}
        return tf.stack([tf.reduce_any(weights[name] > 0) if name in weights else True for name in self.tasks])

    @staticmethod
    def gradients(tape: Any, objective: Tensor, params: list[Tensor]) -> list[Tensor]:
        """Returns the objective's gradients, dense (an embedding's comes as a list of rows)."""
        found = tape.gradient(objective, params, unconnected_gradients="zero")
        return [tf.convert_to_tensor(gradient) for gradient in found]


def _pieces(rows: int) -> list[slice]:
    return [slice(0, rows // 2), slice(rows // 2, rows)] if rows >= HALVED_FROM else [slice(0, rows)]
