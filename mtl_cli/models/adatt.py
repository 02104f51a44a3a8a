"""Adaptive task-to-task fusion (AdaTT): each task mixes the experts of all tasks, and its own once more.

e_t = experts_t(x_t), x_t' = sum_e g_te e over all tasks' experts + sum_i v_ti e_ti, with g_t = softmax(x_t G_t), in
levels; the first one gets x (Li et al., "AdaTT", KDD 2023, arXiv 2304.04959). With one expert a task v is 1, else it is
trained, from U(-1 / sqrt(m), 1 / sqrt(m)).
"""

from collections.abc import Sequence
from math import sqrt
from typing import Annotated, Any, Literal

from pydantic import Field

from mtl_cli.models.base import Outputs
from mtl_cli.models.expert_model import ExpertModel
from mtl_cli.networks.layers import Layers, uniform
from mtl_cli.tasks import Count


class AdaTT(ExpertModel):
    """`levels` of `task_experts` for each task, which every task's gate mixes."""

    name: Literal["adatt"] = "adatt"
    levels: Annotated[Count, Field(le=20)] = 2
    task_experts: Count = 1

    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the heads' outputs on the last level's fused experts."""
        paths, m = dict.fromkeys(tasks, x), self.task_experts
        names = [f"{task}_{i}" for task in tasks for i in range(1, 1 + m)]
        for level in range(1, 1 + self.levels):
            is_last, prefix = level == self.levels, f"level{level}_"
            experts = {t: layers.experts(f"{prefix}{t}_expert", paths[t], self.expert_layers, m) for t in tasks}
            together = layers.beside(list(experts.values()))
            before = {id(path): path for path in paths.values()}  # in the first level one for all
            below = {key: layers.boundary(path) for key, path in before.items()} if is_last else before
            gates = {t: self.gate(layers, f"{prefix}{t}_gate", below[id(paths[t])], names, t, level) for t in tasks}
            paths = {
                t: layers.mix(gates[t], together) + self._own(layers, f"{prefix}{t}_own", experts[t]) for t in tasks
            }
        raw = {task: layers.head(task, paths[task]) for task in tasks}
        last = [f"level{self.levels}_{t}_expert_{len(self.expert_layers)}" for t in tasks]
        return Outputs(raw, [*experts.values(), *below.values()], last)

    def _own(self, layers: Layers, name: str, experts: Any) -> Any:
        """Returns sum_i v_i e_i, [B, D], of a task's own experts [B, m, D]."""
        if self.task_experts == 1:
            return experts[:, 0]
        return layers.scale(name, experts, "bmd,m->bd", uniform(1 / sqrt(self.task_experts)))
