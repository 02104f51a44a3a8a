"""Cross-stitch networks: a column of layers for each task, mixed after every layer.

h_t' = sum_s A[t, s] h_s after each layer's activation, with A a number for each pair of tasks, or for each pair and
unit (Misra et al., "Cross-stitch Networks for Multi-task Learning", CVPR 2016, arXiv 1604.03539). A begins with
`stitch_self` on its diagonal and the rest of 1 in equal parts beside it.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mtl_cli.models.base import Model, Outputs
from mtl_cli.networks.layers import Layers, constant
from mtl_cli.settings import Host, UnitInterval
from mtl_cli.tasks import Count


class CrossStitch(Model):
    """Columns of `column_layers`, mixed after every layer."""

    name: Literal["cross_stitch"] = "cross_stitch"
    column_layers: Annotated[list[Count], Field(min_length=1)] = [20]
    stitch: Literal["layer", "unit"] = "layer"
    stitch_self: Annotated[UnitInterval, Host()] = 0.9

    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the heads' outputs on the last mixes; the columns are one stack [B, T, D]."""
        columns = x
        for number, units in enumerate(self.column_layers, 1):
            columns = layers.experts("column", columns, [units], len(tasks), first=number, kind="column")
            stitched = [self._stitched(layers, f"{task}_stitch_{number}", columns, i) for i, task in enumerate(tasks)]
            if number < len(self.column_layers):
                columns = layers.stack(stitched)
        raw = {task: layers.head(task, mixed) for task, mixed in zip(tasks, stitched, strict=True)}
        return Outputs(raw, cut=[columns])

    def _stitched(self, layers: Layers, name: str, columns: Any, place: int) -> Any:
        """Returns a task's mix of all columns, [B, D]."""
        count = columns.shape[1]
        row = np.full(count, (1 - self.stitch_self) / max(count - 1, 1))
        row[place] = self.stitch_self if count > 1 else 1.0
        if self.stitch == "unit":
            return layers.scale(name, columns, "btd,td->bd", constant(row[:, None]))
        return layers.scale(name, columns, "btd,t->bd", constant(row))
