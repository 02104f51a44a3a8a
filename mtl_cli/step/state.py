"""The state of training: what an iteration changes."""

from typing import Any, NamedTuple

from mtl_cli.networks.network import Params
from mtl_cli.weighting.base import MethodState


class TrainState(NamedTuple):
    """Everything that changes in training; nothing else does."""

    params: Params
    optimizers: dict[str, Any]
    """The optimizer states, by a name the mode chose."""
    memory: MethodState
    """The weighting's."""
