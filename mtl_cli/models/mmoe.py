"""Mixture of experts with a gate for each task (MMoE), or one gate for all (OMoE).

e_i = expert_i(x), g_t = softmax(x G_t), and a task's head gets sum_i g_ti e_i (Ma et al., "Modeling Task Relationships
in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018). Gates see what experts see, and have no bias
unless `gate_bias` is set, as in the paper.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from mtl_cli.models.base import Outputs
from mtl_cli.models.expert_model import ExpertModel
from mtl_cli.networks.layers import Layers
from mtl_cli.tasks import Count


class Mmoe(ExpertModel):
    """`experts` on the shared layers, mixed for each task by a gate of its own."""

    name: Literal["mmoe"] = "mmoe"
    experts: Annotated[Count, Field(ge=2)] = 8
    multi_gate: bool = True

    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the heads' outputs on mixes of the experts."""
        names = [str(number) for number in range(1, 1 + self.experts)]
        if not self.multi_gate:
            weights = self.gate(layers, "gate", x, names, None)
            mixed = layers.mix(weights, layers.experts("expert", x, self.expert_layers, self.experts))
            return Outputs({task: layers.head(task, mixed) for task in tasks}, cut=[mixed])
        below, experts = layers.boundary(x), layers.experts("expert", x, self.expert_layers, self.experts)
        gates = {task: self.gate(layers, f"{task}_gate", below, names, task) for task in tasks}
        raw = {task: layers.head(task, layers.mix(gates[task], experts)) for task in tasks}
        return Outputs(raw, cut=[experts, below])
