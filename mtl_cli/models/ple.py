"""Progressive layered extraction (PLE): levels of own and shared experts, with a shared path between the levels.

Level 1 gets x for every task's path and the shared one. Each level mixes own and shared experts for a task, and, but
for the last one, all experts for the shared path; gates see their own path (Tang et al., RecSys 2020). One level is
`cgc`.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from mtl_cli.models.base import Outputs
from mtl_cli.models.expert_model import ExpertModel
from mtl_cli.networks.layers import Layers
from mtl_cli.tasks import Count


class Ple(ExpertModel):
    """`levels`, each of `task_experts` for each task and `shared_experts` for all."""

    name: Literal["ple"] = "ple"
    levels: Annotated[Count, Field(le=20)] = 2
    shared_experts: Count = 1
    task_experts: Count = 1

    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the heads' outputs on the last level's mixes.

        Below it a task's experts feed the shared path, so all tasks use them: there is no cut but in one level.
        """
        below = layers.boundary(x) if self.levels == 1 else x
        paths, shared_path, shared = dict.fromkeys(tasks, below), x, None
        for level in range(1, 1 + self.levels):
            paths, shared_path, shared = self.level(
                layers, level if self.levels > 1 else 0, paths, shared_path, self.task_experts, self.shared_experts,
                is_last=level == self.levels,
            )  # fmt: skip
        raw = {task: layers.head(task, paths[task]) for task in tasks}
        return Outputs(raw, cut=[shared, below] if self.levels == 1 else None)
