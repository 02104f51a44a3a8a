"""What a step is made of, and the forward pass that every mode uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from mtl_cli.backend import Tensor, tf
from mtl_cli.datasets.batches import Batch, Feed, Rows
from mtl_cli.models.base import Model, Network, Params
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.tasks import Task
from mtl_cli.weighting.base import Weighting

HALVED_FROM: Final = 128
"""The rows from which a batch is computed in two halves."""


class Forward(NamedTuple):
    """A forward pass in training."""

    losses: dict[str, Tensor]
    """Of each task that has labels, a scalar."""
    representation: list[Tensor]
    """The shared layers' output [rows, units], in the pieces that it was computed in."""


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
        forward = Forward({}, [])
        for group in rows:
            inputs = [group.features, self.model.factors(batch["noise"])] if self.network.dropped else [group.features]
            of_rows: dict[str, list[Tensor]] = {name: [] for name in group.labels}
            for piece in _pieces(group.features.shape[0]):
                raw, representation = self.network.outputs(params, [a[piece] for a in inputs], group.labels)
                forward.representation.append(representation)
                for name, values in group.labels.items():
                    of_rows[name].append(self.tasks[name].row_losses(values[piece], raw[name]))
            for name, parts in of_rows.items():
                loss = self.tasks[name].batch_loss(tf.concat(parts, axis=0), group.weights.get(name))
                forward.losses[name] = loss
        return forward

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
