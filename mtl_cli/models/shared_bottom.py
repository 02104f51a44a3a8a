"""Hard parameter sharing: all tasks share the first layers, and each has its own last ones.

h = f(... f(x W_1 + b_1) ...), and for each task its own hidden layers on h and a linear output layer (Caruana,
"Multitask Learning", Machine Learning 28, 1997). `output_activation` acts on regression outputs.
"""

from collections.abc import Sequence
from typing import Any, Literal

from mtl_cli.models.base import Model, Outputs
from mtl_cli.networks.layers import Layers
from mtl_cli.tasks import Count


class SharedBottom(Model):
    """`shared_layers`, then `task_layers` (or the task's own `layers`) and an output layer for every task."""

    name: Literal["shared_bottom"] = "shared_bottom"
    shared_layers: list[Count] = [20]

    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the heads' outputs, all on the shared layers'."""
        return Outputs({task: layers.head(task, x) for task in tasks}, cut=[x])
