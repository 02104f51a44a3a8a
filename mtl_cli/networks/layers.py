"""The layers that architectures are made of, handed out by name: a second pass meets the same ones.

All are plain Keras layers, so that a saved model needs nothing of this package. Shapes: B rows, F units, E experts, D
units of an expert.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from mtl_cli.backend import Array, keras
from mtl_cli.networks.masks import Mask

Initializer = Callable[[int], Any]
"""Gives Keras' initialiser of kernels for a seed."""


class Head(NamedTuple):
    """A task's own layers."""

    widths: Sequence[int]
    """Units of the hidden ones."""
    units: int
    """Units of the output."""
    activation: str
    """Of the output."""


class Kernel(NamedTuple):
    """A variable on which `l2` acts, and how its first values are drawn."""

    variable: Any
    stacked: int | None = None
    """The axis along which it is a kernel for each expert, each drawn by itself; None: it is one kernel."""
    is_output: bool = False
    kind: str = ""
    """What its layer is called in words; nothing for embeddings, which are told of as features."""


class Gate(NamedTuple):
    """The weights of experts, [B, E]."""

    weights: Any
    task: str | None
    """Whose it is; None: all tasks use it."""
    experts: Sequence[str]
    """Their names."""
    level: int = 0
    """Of how many the how-manieth, from 1; 0 where there is one level."""


Start = Callable[[np.random.Generator, tuple[int, ...]], Array]
"""Draws the first values of a variable of some shape."""


def uniform(most: float) -> Start:
    """Returns what draws from U(-most, most)."""
    return lambda random, shape: random.uniform(-most, most, shape).astype(np.float32)


def constant(values: Any) -> Start:
    """Returns what gives these values."""
    return lambda _, shape: np.broadcast_to(np.asarray(values, np.float32), shape)


class Layers:
    """Hands out layers; in the second pass, which is for training, dropout acts by factors that are an input."""

    def __init__(
        self,
        activation: str,
        use_bias: bool,
        dropout: float | None,
        heads: Mapping[str, Head],
        gate_dropout: bool = False,
    ) -> None:
        """Takes what all layers have in common, and the tasks' own ones."""
        self._activation = activation
        self._use_bias = use_bias
        self._dropout = dropout
        self._heads = heads
        self._gate_dropout = gate_dropout
        self._made: dict[str, Any] = {}
        self._named: set[str] = set()
        self._units = Mask("factors")
        self._experts = Mask("kept")
        self._has_boundary = False
        self._trains = False
        self.kernels: list[Kernel] = []
        """In the order in which they are drawn, but that outputs' come last."""
        self._starts: dict[int, tuple[Start, tuple[int, ...]]] = {}
        """What draws the first values of other variables, by their ids, with their shapes; the rest begin at 0."""
        self.gates: dict[str, Gate] = {}
        """Those of this pass, by name."""

    @property
    def dropped(self) -> int:
        """How many hidden units dropout acts on."""
        return self._units.width

    @property
    def gated(self) -> int:
        """How many experts may be left out of gates."""
        return self._experts.width

    @property
    def differs(self) -> bool:
        """Tells, after the first pass, whether training needs a second one."""
        return bool(self.dropped or self.gated or self._has_boundary)

    def begin_training(self) -> list[Any]:
        """Begins the second pass, and returns what it has as inputs beside the features."""
        self._named.clear()
        self.gates, self._trains = {}, True
        return [mask.begin() for mask in (self._units, self._experts) if mask.width]

    def all(self) -> list[Any]:
        """Returns all layers, in the order in which they were made."""
        return list(self._made.values())

    def dense(
        self,
        name: str,
        x: Any,
        units: int,
        activation: str | None = None,
        use_bias: bool | None = None,
        *,
        kind: str = "layers",
        is_output: bool = False,
        start: Start | None = None,
    ) -> Any:
        """Returns act(x K + b), [..., units]; `start` draws K and b where the model's initialiser isn't to."""
        act = self._activation if activation is None else activation
        bias = self._use_bias if use_bias is None else use_bias
        make = partial(keras.layers.Dense, units, act, bias, kernel_initializer="zeros", name=name)
        return self._kernel(name, make, x, kind, is_output=is_output, start=start)

    def each(
        self, name: str, xs: Mapping[str, Any], units: int, activation: str | None = None, *, kind: str = "layers"
    ) -> dict[str, Any]:
        """Returns act(x K + b) of several x, by the same layer."""
        (first, x), *others = xs.items()
        found = {first: self.dense(name, x, units, activation, kind=kind)}
        return found | {key: self._made[name](x) for key, x in others}

    def scale(self, name: str, x: Any, equation: str, start: Start, *, use_bias: bool = False) -> Any:
        """Returns x times numbers that are trained and no kernel, by an equation as that of `EinsumDense`.

        What comes out has the units of x, its last axis.
        """
        make = partial(
            keras.layers.EinsumDense, equation, (x.shape[-1],), bias_axes=equation[-1] if use_bias else None,
            kernel_initializer="zeros", name=name,
        )  # fmt: skip
        layer, is_new = self._layer(name, make)
        y = layer(x)
        if is_new:
            self._starts[id(layer.kernel)] = start, tuple(layer.kernel.shape)
        return y

    def mlp(self, name: str, x: Any, widths: Sequence[int]) -> Any:
        """Returns x behind hidden layers `<name>_1` and so on, each with dropout."""
        for number, units in enumerate(widths, 1):
            x = self.drop(self.dense(f"{name}_{number}", x, units))
        return x

    def experts(
        self, name: str, x: Any, widths: Sequence[int], count: int, first: int = 1, *, kind: str = "expert"
    ) -> Any:
        """Returns the outputs [B, E, D] of `count` networks with these hidden layers, on x [B, F] or [B, E, F].

        Each layer is one product for all of them. They are numbered from `first` on.
        """
        for number, units in enumerate(widths, first):
            own_inputs = len(x.shape) > 2
            equation, axis = ("bef,efh->beh", 0) if own_inputs else ("bf,feh->beh", 1)
            make = partial(
                keras.layers.EinsumDense, equation, (count, units), self._activation, "eh" if self._use_bias else None,
                kernel_initializer="zeros", name=f"{name}_{number}",
            )  # fmt: skip
            x = self.drop(self._kernel(f"{name}_{number}", make, x, kind, axis))
        return x

    def gate(
        self,
        name: str,
        x: Any,
        experts: Sequence[str],
        task: str | None,
        widths: Sequence[int] = (),
        *,
        use_bias: bool = False,
        level: int = 0,
    ) -> Any:
        """Returns the weights of experts, [B, E]: the softmax of a linear layer behind hidden ones.

        With dropout of gates every expert is left out at random, and the rest share its weight; where all would be,
        none is (Zhao et al., RecSys 2019).
        """
        for number, units in enumerate(widths, 1):
            x = self.dense(f"{name}_hidden_{number}", x, units, kind="gate")
        weights = self.dense(name, x, len(experts), "softmax", use_bias, kind="gate")
        if self._gate_dropout and not self._trains:
            self._experts.note(len(experts))
        elif self._gate_dropout:
            kept = weights * self._experts.next()
            total = keras.ops.sum(kept, axis=1, keepdims=True)
            some = total > 0
            weights = keras.ops.where(some, kept / keras.ops.where(some, total, 1.0), weights)
        self.gates[name] = Gate(weights, task, experts, level)
        return weights

    def mix(self, gate: Any, experts: Any) -> Any:
        """Returns sum_e g_e e, [B, D], of weights [B, E] and experts [B, E, D]."""
        return keras.layers.Dot(axes=1)([gate, experts])

    def stack(self, parts: Sequence[Any]) -> Any:
        """Returns tensors [B, D] as one, [B, n, D]."""
        return keras.ops.stack(list(parts), axis=1)

    def beside(self, parts: Sequence[Any]) -> Any:
        """Returns tensors beside each other along their second axis: units [B, F], or experts [B, E, D]."""
        return parts[0] if len(parts) == 1 else keras.layers.Concatenate(axis=1)(list(parts))

    def head(self, task: str, x: Any) -> Any:
        """Returns the raw outputs [B, U] of a task, behind its own layers."""
        head = self._heads[task]
        hidden = self.mlp(f"{task}_hidden", x, head.widths)
        return self.dense(f"{task}_raw", hidden, head.units, head.activation, is_output=True)

    def boundary(self, x: Any) -> Any:
        """Returns a tensor that is equal to x, and in training another one: a path behind it isn't one through x."""
        self._has_boundary = True
        return keras.ops.copy(x) if self._trains else x

    def drop(self, x: Any) -> Any:
        """Returns hidden units with dropout, if there is any."""
        if self._dropout is None:
            return x
        if not self._trains:
            self._units.note(prod(x.shape[1:]))
            return keras.layers.Dropout(self._dropout)(x)
        factors = self._units.next()
        return x * (factors if len(x.shape) == 2 else keras.layers.Reshape(x.shape[1:])(factors))

    def _kernel(
        self,
        name: str,
        make: Callable[[], Any],
        x: Any,
        kind: str,
        stacked: int | None = None,
        *,
        is_output: bool = False,
        start: Start | None = None,
    ) -> Any:
        layer, is_new = self._layer(name, make)
        y = layer(x)
        if is_new:
            self.kernels.append(Kernel(layer.kernel, stacked, is_output, kind))
            if start is not None:
                self._starts |= {id(v): (start, tuple(v.shape)) for v in layer.trainable_variables}
        return y

    def _layer(self, name: str, make: Callable[[], Any]) -> tuple[Any, bool]:
        """Returns the layer of a name, and whether it is new."""
        assert name not in self._named, f"{name}: two layers have this name"
        self._named.add(name)
        is_new = name not in self._made
        if is_new:
            self._made[name] = make()
        return self._made[name], is_new

    def initial(self, random: np.random.Generator, initializer: Initializer) -> dict[int, Array]:
        """Returns the first values of the variables that don't begin at 0, by their ids.

        Each expert of a stacked kernel has a seed and the fans (its inputs and units) of its own.
        """
        values: dict[int, Array] = {}
        drawn_here = [kernel for kernel in self.kernels if id(kernel.variable) not in self._starts]
        for kernel in sorted(drawn_here, key=lambda kernel: kernel.is_output):
            shape = list(kernel.variable.shape)
            count = 1 if kernel.stacked is None else shape.pop(kernel.stacked)
            drawn = [initializer(int(random.integers(2**31)))(shape, kernel.variable.dtype) for _ in range(count)]
            values[id(kernel.variable)] = drawn[0] if kernel.stacked is None else np.stack(drawn, kernel.stacked)
        return values | {key: start(random, shape) for key, (start, shape) in self._starts.items()}
