"""Customised gate control (CGC): experts that all tasks share beside experts of each task.

e_t = own experts of task t on x, e_0 = the shared ones, g_t = softmax(x G_t) over [e_t; e_0], in this order, and the
task's head gets the mix (Tang et al., "Progressive Layered Extraction (PLE)", RecSys 2020).
"""

from collections.abc import Sequence
from typing import Any, Literal

from mtl_cli.models.base import Outputs
from mtl_cli.models.expert_model import ExpertModel
from mtl_cli.networks.layers import Layers
from mtl_cli.tasks import Count


class Cgc(ExpertModel):
    """`task_experts` for each task and `shared_experts` for all, mixed for each task by a gate of its own."""

    name: Literal["cgc"] = "cgc"
    shared_experts: Count = 1
    task_experts: Count = 1

    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the heads' outputs on mixes of own and shared experts."""
        below = layers.boundary(x)
        mixed, _, shared = self.level(
            layers, 0, dict.fromkeys(tasks, below), x, self.task_experts, self.shared_experts, is_last=True
        )
        return Outputs({task: layers.head(task, mixed[task]) for task in tasks}, cut=[shared, below])
