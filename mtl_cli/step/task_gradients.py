"""The tasks' gradients of one iteration, each computed when something asks for it and at most once.

Shapes: T tasks. The backward pass of a task goes through its own layers to the cut (in the simplest case the shared
layers' output on every row), and from there through the shared layers. So T tasks cost T times the shared layers'
backward pass, and one pass through all own layers. Where a network has no cut, they cost T whole passes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import Gram, gram
from mtl_cli.networks.network import Params
from mtl_cli.weighting.base import On, Update


class TaskGradients:
    """What can be asked of a recorded forward pass."""

    def __init__(
        self,
        tape: Any,
        losses: Mapping[str, Tensor],
        cut: Sequence[Tensor] | None,
        params: Params,
        last_layer: Sequence[Tensor],
    ) -> None:
        """Takes a persistent tape that recorded the tasks' losses, from `params` through the cut.

        Args:
            tape: The tape; it watched the parameters.
            losses: The tasks' losses, scalars.
            cut: Tensors [rows, ...] through which every path from a shared parameter to a loss goes, once; None where
                there are no such ones.
            params: The parameters.
            last_layer: Those of them that are the last shared layer's.
        """
        self._tape = tape
        self._losses = losses
        self._has_cut = cut is not None
        self._reached = params.shared if cut is None else list(cut)
        """What each task's backward pass goes to: the cut, or the shared parameters themselves."""
        self._params = params
        self._last_layer = list(last_layer)
        self._upward: list[list[Tensor]] = []
        """Each task's gradients of what is reached, then of the task's own parameters."""
        self._rows: dict[On, list[list[Tensor]]] = {}
        self._grams: dict[On, Gram] = {}

    def rows(self, on: On) -> list[Tensor]:
        """Returns the tasks' gradients, [T, ...] for each tensor."""
        return [tf.stack(of_tensor) for of_tensor in zip(*self._by_task(on), strict=True)]

    def gram(self, on: On) -> Gram:
        """Returns their Gram matrix."""
        if on not in self._grams:
            self._grams[on] = gram(self.rows(on))
        return self._grams[on]

    def combined(self, update: Update, penalty: Tensor) -> list[Tensor]:
        """Returns the gradients of all parameters, in the order of `Params.all`, the penalty's included."""
        everything = self._params.all()
        if (
            update.direction is None
            and update.shared_weights_T is update.head_weights_T
            and "parameters" not in self._rows
        ):
            penalties = [penalty] if tf.is_tensor(penalty) else []
            factors = [*tf.unstack(update.head_weights_T), *(1.0 for _ in penalties)]
            return self._gradient([*self._losses.values(), *penalties], everything, factors)
        own: list[Tensor] = []
        for i, upward in enumerate(self._tasks_upward()):
            own += [update.head_weights_T[i] * gradient for gradient in upward[len(self._reached) :]]
        gradients = self._shared(update) + own
        if not tf.is_tensor(penalty):
            return gradients
        pulls = self._gradient(penalty, everything)
        return [gradient + pull for gradient, pull in zip(gradients, pulls, strict=True)]

    def _shared(self, update: Update) -> list[Tensor]:
        if update.direction is not None:
            return update.direction
        if "parameters" in self._rows:
            return _weighted(self._rows["parameters"], update.shared_weights_T)
        upward = [of_task[: len(self._reached)] for of_task in self._tasks_upward()]
        return self._downward(_weighted(upward, update.shared_weights_T), self._params.shared)

    def _by_task(self, on: On) -> list[list[Tensor]]:
        """Returns for each task its gradients of every tensor."""
        if on not in self._rows:
            upward = [of_task[: len(self._reached)] for of_task in self._tasks_upward()]
            if on == "representation":
                assert self._has_cut
                self._rows[on] = upward
            else:
                below = self._params.shared if on == "parameters" else self._last_layer
                self._rows[on] = [self._downward(of_task, below) for of_task in upward]
        return self._rows[on]

    def _tasks_upward(self) -> list[list[Tensor]]:
        if not self._upward:
            for task, loss in self._losses.items():
                self._upward.append(self._gradient(loss, [*self._reached, *self._params.own[task]]))
        return self._upward

    def _downward(self, of_reached: list[Tensor], params: list[Tensor]) -> list[Tensor]:
        """Returns the gradients of shared parameters from those of what was reached."""
        if self._has_cut:
            return self._gradient(self._reached, params, of_reached) if self._reached else []
        places = {id(tensor): place for place, tensor in enumerate(self._reached)}
        return [of_reached[places[id(tensor)]] for tensor in params]

    def _gradient(self, target: Any, by: list[Tensor], times: Any = None) -> list[Tensor]:
        """Returns gradients, dense (an embedding's comes as a list of rows)."""
        found = self._tape.gradient(target, by, times, unconnected_gradients="zero")
        return [tf.convert_to_tensor(gradient) for gradient in found]


def _weighted(by_task: Sequence[Sequence[Tensor]], factors_T: Tensor) -> list[Tensor]:
    """Returns for each tensor the sum over tasks of factor times gradient."""
    return [
        tf.add_n([factors_T[i] * gradient for i, gradient in enumerate(of_tensor)])
        for of_tensor in zip(*by_task, strict=True)
    ]
