"""What architectures of experts have in common: gates, and levels of own and shared experts."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Annotated, Any

from pydantic import Field

from mtl_cli.backend import Tensor, tf
from mtl_cli.models.base import NOISE_LEVELS, Model
from mtl_cli.networks.layers import Layers
from mtl_cli.settings import Fraction, NonNegative
from mtl_cli.tasks import Count


class ExpertModel(Model):
    """An architecture of experts, whose outputs gates mix for each task."""

    expert_layers: Annotated[list[Count], Field(min_length=1)] = [16]
    gate_layers: list[Count] = []
    gate_bias: bool = False
    gate_dropout: Fraction | None = None
    load_balance: NonNegative | None = None

    @property
    def drops_experts(self) -> bool:
        """Tells whether `gate_dropout` is given."""
        return self.gate_dropout is not None

    def masks(self, noise: Tensor, dropped: int) -> list[Tensor]:
        """Returns units' factors, and which experts gates keep: 1 with probability 1 - gate_dropout, else 0."""
        masks = super().masks(noise, dropped)
        if self.gate_dropout is not None:
            masks.append(
                tf.cast(tf.cast(noise[:, dropped:], tf.float32) >= self.gate_dropout * NOISE_LEVELS, tf.float32)
            )
        return masks

    def extra(self, gates: Mapping[str, Tensor], penalties: Sequence[Tensor]) -> Tensor:
        """Returns load_balance * the squared coefficient of variation of the experts' importance, summed over gates.

        The importance of an expert is the sum of its weights over the batch (Shazeer et al., arXiv 1701.06538).
        """
        if self.load_balance is None or not gates:
            return 0.0
        return self.load_balance * tf.add_n([variation(tf.reduce_sum(weights, axis=0)) for weights in gates.values()])

    def gate(self, layers: Layers, name: str, x: Any, experts: Sequence[str], task: str | None, level: int = 0) -> Any:
        """Returns the weights of experts, [B, E], from x."""
        return layers.gate(name, x, experts, task, self.gate_layers, use_bias=self.gate_bias, level=level)

    def level(
        self,
        layers: Layers,
        level: int,
        paths: Mapping[str, Any],
        shared_path: Any,
        task_experts: int,
        shared_experts: int,
        *,
        is_last: bool,
    ) -> tuple[dict[str, Any], Any, Any]:
        """Returns what a level of a task's own experts and shared ones gives (CGC; Tang et al., RecSys 2020).

        A task's gate mixes its own experts and the shared ones, in this order; the shared gate mixes all.

        Args:
            layers: Makes the layers.
            level: Which one it is, from 1; 0: the only one.
            paths: What each task's experts and gate get, [B, F].
            shared_path: What the shared ones get.
            task_experts: How many experts a task has.
            shared_experts: How many all have.
            is_last: Whether nothing comes after that needs a mix of all.

        Returns:
            The mix of each task, the mix of all (None in the last level), and the shared experts [B, s, D].
        """
        prefix = f"level{level}_" if level else ""
        own = {
            task: layers.experts(f"{prefix}{task}_expert", path, self.expert_layers, task_experts)
            for task, path in paths.items()
        }
        shared = layers.experts(f"{prefix}expert", shared_path, self.expert_layers, shared_experts)
        names = {task: [f"{task}_{i}" for i in range(1, 1 + task_experts)] for task in paths}
        of_all = [f"shared_{i}" for i in range(1, 1 + shared_experts)]
        mixed: dict[str, Any] = {}
        for task, path in paths.items():
            weights = self.gate(layers, f"{prefix}{task}_gate", path, [*names[task], *of_all], task, level)
            mixed[task] = layers.mix(weights, layers.beside([own[task], shared]))
        if is_last:
            return mixed, None, shared
        weights = self.gate(layers, f"{prefix}gate", shared_path, [*chain(*names.values()), *of_all], None, level)
        return mixed, layers.mix(weights, layers.beside([*own.values(), shared])), shared


def variation(values: Tensor) -> Tensor:
    """Returns the squared coefficient of variation of values [n]: 0 where all are equal, n - 1 where one is all."""
    mean = tf.reduce_mean(values)
    return tf.reduce_mean(tf.square(values - mean)) / tf.square(mean)
