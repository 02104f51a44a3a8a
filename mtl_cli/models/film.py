"""One trunk for all tasks, which a scale and a shift of each unit make a task's own after every layer.

h_tl = gamma_tl * act(h_t(l-1) K_l + b_l) + beta_tl (feature-wise linear modulation; Perez et al., arXiv 1709.07871,
with tasks for conditions). gamma begins at 1 and beta at 0: then it is `shared_bottom`. From the second layer on the
trunk runs once for each task.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from mtl_cli.models.base import Model, Outputs
from mtl_cli.networks.layers import Layers, constant
from mtl_cli.tasks import Count


class Film(Model):
    """`shared_layers` with a scale and a shift for each task and unit."""

    name: Literal["film"] = "film"
    shared_layers: Annotated[list[Count], Field(min_length=1)] = [20]

    begins_with_shared_layers = False

    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the heads' outputs on the scaled and shifted last layer."""
        first = layers.drop(layers.dense("shared_1", x, self.shared_layers[0]))
        paths = self._scaled(layers, 1, dict.fromkeys(tasks, first))
        for number, units in enumerate(self.shared_layers[1:], 2):
            trunk = layers.each(f"shared_{number}", paths, units)
            paths = self._scaled(layers, number, {task: layers.drop(h) for task, h in trunk.items()})
        raw = {task: layers.head(task, paths[task]) for task in tasks}
        return Outputs(raw, cut=[first] if len(self.shared_layers) == 1 else None)

    def _scaled(self, layers: Layers, number: int, paths: Mapping[str, Any]) -> dict[str, Any]:
        """Returns gamma * h + beta for each task, [B, D]."""
        return {
            task: layers.scale(f"{task}_film_{number}", h, "bd,d->bd", constant(1.0), use_bias=True)
            for task, h in paths.items()
        }
