"""Experts of which a gate chooses at most k, smoothly (DSelect-k; Hazimeh et al., NeurIPS 2021, arXiv 2106.03760).

A task has k selectors, each of n = ceil(log2 E) numbers z and a weight w. With the smooth step S(z) = -2 z^3 / gamma^3
+ 3 z / (2 gamma) + 1/2, 0 below -gamma / 2 and 1 above gamma / 2, selector j gives expert e r_j[e] = prod_i (S(z_ji) if
bit i of e is 1 else 1 - S(z_ji)), the most significant bit first, and the gate is p = sum_j softmax(w)_j r_j. Added to
the loss: `entropy` times the mean over rows of -sum r log(r + 1e-6), and, where E is no power of 2, that of sum_j 1 /
sum_e r_j[e] over the experts there are, which drives codes beyond E out (the authors add both up over the rows of a
batch).
"""

from collections.abc import Mapping, Sequence
from math import ceil, log2
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mtl_cli.backend import Tensor, keras, tf
from mtl_cli.models.base import Model, Outputs
from mtl_cli.networks.layers import Gate, Layers, uniform
from mtl_cli.settings import NonNegative
from mtl_cli.tasks import Count


class DSelectK(Model):
    """`experts` on the shared layers, of which each task's gate comes to choose at most `num_nonzeros`."""

    name: Literal["dselect_k"] = "dselect_k"
    experts: Annotated[Count, Field(ge=2)] = 8
    expert_layers: Annotated[list[Count], Field(min_length=1)] = [16]
    num_nonzeros: Count = 2
    gamma: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    routing: Literal["example", "task"] = "example"
    entropy: NonNegative = 1e-6

    @model_validator(mode="after")
    def _check_nonzeros(self) -> "DSelectK":
        if self.num_nonzeros > self.experts:
            raise ValueError(f"num_nonzeros: should be at most experts={self.experts}, got {self.num_nonzeros}")
        return self

    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the heads' outputs on the chosen experts."""
        below, experts = layers.boundary(x), layers.experts("expert", x, self.expert_layers, self.experts)
        raw, penalties = {}, {}
        for task in tasks:
            weights, penalties[task] = self._selected(task, below, layers)
            raw[task] = layers.head(task, layers.mix(weights, experts))
        return Outputs(raw, cut=[experts, below], penalties=penalties)

    def extra(self, gates: Mapping[str, Tensor], penalties: Sequence[Tensor]) -> Tensor:
        """Returns entropy * H plus what codes beyond the experts cost, means over rows, summed over the tasks."""
        return tf.add_n([tf.reduce_mean(self.entropy * of[:, 0] + of[:, 1]) for of in penalties])

    def _selected(self, task: str, x: Any, layers: Layers) -> tuple[Any, Any]:
        """Returns a task's gate [B, E], and a row's entropy and cost of codes beyond the experts, [B, 2]."""
        k, bits, E = self.num_nonzeros, max(1, ceil(log2(self.experts))), self.experts
        seen = x if self.routing == "example" else x[:, :0]
        z = layers.dense(
            f"{task}_code", seen, k * bits, "linear", use_bias=True, kind="code", start=uniform(self.gamma / 100)
        )
        chosen = self._codes(keras.layers.Reshape((k, bits))(z))
        mixed = chosen[:, 0]
        if k > 1:
            w = layers.dense(
                f"{task}_selector", seen, k, "softmax", use_bias=True, kind="selector", start=uniform(0.05)
            )
            mixed = layers.mix(w, chosen)
        layers.gates[f"{task}_gate"] = Gate(mixed, task, [str(i) for i in range(1, 1 + E)])
        entropy = keras.ops.sum(-chosen * keras.ops.log(chosen + 1e-6), axis=(1, 2))
        reach = keras.ops.sum(1 / keras.ops.sum(chosen, axis=2), axis=1)
        return mixed, keras.ops.stack([entropy, reach if 2**bits > E else 0 * reach], axis=1)

    def _codes(self, z: Any) -> Any:
        """Returns r [B, k, E] of codes [B, k, n]: from the last bit on, each one doubles what there is."""
        t = keras.ops.clip(z / self.gamma, -0.5, 0.5)
        s = -2 * t**3 + 1.5 * t + 0.5
        *others, last = (s[:, :, bit : bit + 1] for bit in range(z.shape[2]))
        chosen = keras.ops.concatenate([1 - last, last], axis=2)
        for on in reversed(others):
            chosen = keras.ops.concatenate([chosen * (1 - on), chosen * on], axis=2)
        return chosen[:, :, : self.experts]
