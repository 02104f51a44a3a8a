"""No sharing: a network for each task, trained in one run. What sharing is to be better than.

With constant weights, and an optimizer that looks at each number alone, it is each task trained by itself on the same
rows.
"""

from collections.abc import Sequence
from typing import Any, Literal

from mtl_cli.models.base import Model, Outputs
from mtl_cli.networks.layers import Layers
from mtl_cli.tasks import Count


class Separate(Model):
    """For every task `shared_layers` of its own, `task_layers` (or the task's own `layers`) and an output layer."""

    name: Literal["separate"] = "separate"
    shared_layers: list[Count] = [20]

    begins_with_shared_layers = False
    shares = False

    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the outputs of each task's layers on the features."""
        copies = {task: layers.mlp(f"{task}_copy", x, self.shared_layers) for task in tasks}
        return Outputs({task: layers.head(task, copies[task]) for task in tasks}, cut=[])
