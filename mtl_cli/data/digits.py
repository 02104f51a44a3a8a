"""Two overlaid handwritten digits, and two tasks: which is the one to the left, which the one to the right?

MultiMNIST (Sabour et al., arXiv 1710.09829; as a multi-task problem Sener and Koltun, arXiv 1810.04650) made from the
1,797 images of 8 x 8 pixels that scikit-learn ships (the test set of UCI's optical recognition of handwritten digits).
"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli.data.base import Data
from mtl_cli.datasets.dataset import Dataset, Labels, Split
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.datasets.in_memory import dataset
from mtl_cli.datasets.splits import Fractions, split_rows
from mtl_cli.errors import InputError, nearest
from mtl_cli.randomness import SPLIT, generator
from mtl_cli.settings import Repeat, Settings
from mtl_cli.tasks import Multiclass, Tasks

SIDE, CLASSES = 8, 10
Rows = Annotated[int, Field(ge=1)]


class Examples(Settings):
    """How many pairs of images each split has."""

    train: Rows = 20000
    val: Rows = 2000
    test: Rows = 4000


class Digits(Data):
    """Pairs of digit images in a square of 8 + `shift` pixels a side, the brighter pixel winning.

    The left image lies in the upper left corner, the right one `shift` pixels lower and further right. The images are
    dealt to the splits first and paired inside each, so that none occurs in two splits.
    """

    name: Literal["digits"] = "digits"
    shift: Annotated[int, Field(ge=0, le=8)] = 2
    examples: Examples = Examples()
    split: Fractions = Fractions()
    split_seed: Annotated[Annotated[int, Field(ge=0)] | None, Repeat()] = None

    def load(self, tasks: Tasks, seed: int, batch_size: int) -> Dataset:
        """Returns the pairs for the tasks `left` and `right`, or one of them."""
        for name, task in tasks.items():
            if name not in ("left", "right"):
                raise InputError(
                    f"tasks.{name}: data=digits has no such task; {nearest(name, ['left', 'right'], 'tasks')}"
                )
            if not isinstance(task, Multiclass):
                raise InputError(f"tasks.{name}.kind: a task of data=digits is multiclass, got {task.kind!r}")
            if task.units not in (None, CLASSES):
                raise InputError(f"tasks.{name}.units: data=digits has {CLASSES} classes, got {task.units}")
        filled = {name: task.model_copy(update={"units": CLASSES}) for name, task in tasks.items()}

        from sklearn.datasets import load_digits

        images, classes = load_digits(return_X_y=True)
        split_seed = seed if self.split_seed is None else self.split_seed
        dealt = split_rows(len(images), self.split, split_seed)
        splits = {
            name: self._pair(
                images[rows].reshape(-1, SIDE, SIDE) / 16.0,
                classes[rows],
                filled,
                generator(split_seed, SPLIT, 1 + i),
                getattr(self.examples, name),
            )
            for i, (name, rows) in enumerate(dealt.items())
            if len(rows)
        }
        return dataset(filled, PlainFeatures((SIDE + self.shift) ** 2), splits, batch_size)

    def _pair(
        self,
        images: NDArray[np.float64],
        classes: NDArray[np.int64],
        tasks: Tasks,
        random: np.random.Generator,
        count: int,
    ) -> Split:
        left, right = random.integers(0, len(images), (2, count))
        side = SIDE + self.shift
        canvas = np.zeros((count, side, side), np.float32)
        canvas[:, :SIDE, :SIDE] = images[left]
        corner = canvas[:, self.shift :, self.shift :]
        np.maximum(corner, images[right], out=corner)
        chosen = {"left": left, "right": right}
        return Split(
            canvas.reshape(count, -1), {task: Labels(classes[chosen[task]].astype(np.int32)) for task in tasks}
        )
