"""One trunk for all tasks, of which each task sees every layer through a mask of its own (attention).

h_l = act(h_(l-1) K_l + b_l), a_l = sigmoid(relu([h_(l-1); q_(l-1)] V1 + c1) V2 + c2), u_l = a_l * h_l, and between
blocks q_l = relu(u_l Q_l + d_l) with Q_l shared by the tasks; the head gets the last u (Liu et al., "End-to-End
Multi-Task Learning with Attention" (MTAN), CVPR 2019, arXiv 1803.10704). The paper's blocks are of two convolutions;
this is the analogue with dense layers.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from mtl_cli.models.base import Model, Outputs
from mtl_cli.networks.layers import Layers
from mtl_cli.tasks import Count


class Mtan(Model):
    """`shared_layers` with a mask for each task and layer."""

    name: Literal["mtan"] = "mtan"
    shared_layers: Annotated[list[Count], Field(min_length=1)] = [64, 32]
    attention_units: Count | None = None

    begins_with_shared_layers = False

    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the heads' outputs on the masked last layer."""
        h, depth = x, len(self.shared_layers)
        passed: dict[str, Any] = {}
        below = layers.boundary(x) if depth == 1 else x
        for number, units in enumerate(self.shared_layers, 1):
            before, h = below if number == 1 else h, layers.drop(layers.dense(f"shared_{number}", h, units))
            seen = {task: [before, passed[task]] if passed else [before] for task in tasks}
            masked = {task: h * self._mask(layers, f"{task}_mask_{number}", seen[task], units) for task in tasks}
            if number < depth:
                passed = layers.each(f"passed_{number}", masked, units, "relu", kind="passed")
        raw = {task: layers.head(task, masked[task]) for task in tasks}
        return Outputs(raw, cut=[h, below] if depth == 1 else None, last_layer=[f"shared_{depth}"])

    def _mask(self, layers: Layers, name: str, seen: Sequence[Any], units: int) -> Any:
        """Returns a task's mask of a layer, [B, units]."""
        hidden = layers.dense(f"{name}_hidden", layers.beside(seen), self.attention_units or units, "relu", kind="mask")
        return layers.dense(name, hidden, units, "sigmoid", kind="mask")
