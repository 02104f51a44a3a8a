"""Heartbeat of a run: a line now and then of how far it has come, for its log, and where there is no live view."""

import math
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.run_folder.csv_files import Metrics
from mtl_cli.tasks import TRAIN_WINDOW
from mtl_cli.terminal.formatting import duration, format_number
from mtl_cli.terminal.run_view import SHOWN_TASKS, Standing, View

SECONDS_AT_LEAST: Final = 10.0
"""Between two lines, however often it evaluates."""
SECONDS_AT_MOST: Final = 60.0
"""Between two lines, if no iteration takes longer."""


class Heartbeat(View):
    """A view that also has a line told after an evaluation, and each minute if there is none; not for a short run."""

    def __init__(
        self, shown: View, steps: int, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Takes what shows the rest, the run's iterations, and the log that gets the lines as well."""
        self._shown = shown
        self._steps = steps
        self._log = log
        self._clock = clock
        self._told = clock()
        self._since: tuple[float, int] | None = None
        """When an iteration was done from which on the speed counts; compiling isn't part of it."""
        self._iteration = 0
        self._standing: Standing | None = None
        self._compared_at = 0
        self._is_news = False
        """Whether there was an evaluation that no line told of."""

    def losses(
        self, iterations: NDArray[np.int64], losses: NDArray[np.float32], picks: NDArray[np.int32] | None
    ) -> None:
        """Shows them."""
        self._shown.losses(iterations, losses, picks)
        self._iteration = int(iterations[-1])

    def evaluated(self, split: str, metrics: Metrics) -> None:
        """Shows it."""
        self._shown.evaluated(split, metrics)

    def compared(self, standing: Standing) -> None:
        """Shows it, and keeps it for the next line."""
        self._shown.compared(standing)
        self._standing, self._compared_at, self._is_news = standing, self._iteration, True

    def went_on(self, train: Callable[[], Metrics]) -> None:
        """Tells a line, if it is time to."""
        now = self._clock()
        waited = now - self._told
        if self._since is None and waited < SECONDS_AT_MOST:
            self._since, self._told = (now, self._iteration), now
        elif waited >= (SECONDS_AT_LEAST if self._is_news else SECONDS_AT_MOST):
            line = self._line(train(), now)
            self._since, self._told, self._is_news = (now, self._iteration), now, False
            self._log(line)
            self._shown.sign(line)

    def _line(self, train: Metrics, now: float) -> str:
        known = {
            task: values["running_loss"] for task, values in train.items() if not math.isnan(values["running_loss"])
        }
        losses = [f"{task} {format_number(loss)}" for task, loss in list(known.items())[:SHOWN_TASKS]]
        losses += [f"and {len(known) - SHOWN_TASKS} more"] * (len(known) > SHOWN_TASKS)
        parts = [f"train loss {', '.join(losses)} (mean of {min(self._iteration, TRAIN_WINDOW):,} iterations)"]
        if (standing := self._standing) is not None:
            earlier = "" if self._compared_at == self._iteration else f" (iteration {self._compared_at:,})"
            parts.append(f"{standing.objective} {format_number(standing.value)}{earlier}, {standing.best_so_far()}")
        begun, first = self._since or (now, self._iteration)
        if self._iteration > first and now > begun:
            speed = (self._iteration - first) / (now - begun)
            left = self._steps - self._iteration
            parts.append(f"{format_number(speed)} it/s" + (f", {duration(left / speed)} left" if left else ""))
        return f"iteration {self._iteration:,} of {self._steps:,}: {'; '.join(parts)}"
