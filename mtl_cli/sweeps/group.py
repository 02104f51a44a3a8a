"""Trains the jobs of one program: together, in one program mapped over them, or one after the other.

Which is faster depends on the size and the machine, so it is measured: the first job begins alone; where its iterations
are so short that mapping may gain, the others join it, and the faster way goes on.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from mtl_cli.backend import keras, quiet
from mtl_cli.loop import Pace
from mtl_cli.sweeps.datasets import data_key
from mtl_cli.sweeps.lane import Lane
from mtl_cli.sweeps.plan import Job
from mtl_cli.sweeps.stacked import Stacked

MOST_TOGETHER: Final = 128
"""Runs in one program; up to 100 were measured, which took less time a run than 64 or 16."""
MAX_BYTES: Final = 2**30
"""The most memory that the states and rows of the runs in one program may take."""
LONGEST_ITERATION: Final = 400e-6
"""Seconds alone from which on mapping isn't tried: 16 runs of 80 us gained a factor of 2, 4 runs of 2 ms lost a
third."""
WORTH_COMPILING: Final = 3.0
"""Seconds that the jobs must take one after the other before another program is worth compiling."""
TRIAL_SECONDS: Final = 0.3
TRIAL_CHUNKS: Final = 3
CHUNKS_PER_SECOND: Final = 1
"""Of runs that train together: each chunk costs half a millisecond a run beside its iterations."""
FULL_CHUNK: Final = 0.5
"""Seconds from which on what a chunk costs beside its iterations doesn't count for much."""


class Group:
    """Jobs that differ in numbers alone."""

    def __init__(
        self,
        jobs: Sequence[Job],
        begin: Callable[[Job], Lane | None],
        ended: Callable[[Lane], None],
        trained: Callable[[int], None],
        say: Callable[[str], None],
        stop_asked: Callable[[], bool],
    ) -> None:
        """Takes the jobs, and whom to tell.

        Args:
            jobs: The jobs.
            begin: Begins a job; None where it failed.
            ended: Told of every run that has ended.
            trained: Told how many iterations were trained.
            say: Told what a person may want to know.
            stop_asked: Asked after every chunk whether to end.
        """
        self._waiting = deque(jobs)
        self._given = jobs[0].config.sweep.runs_at_once
        self._own_rows = len({data_key(job.config) for job in jobs}) > 1
        self._begin = begin
        self._ended = ended
        self._trained = trained
        self._say = say
        self._stop_asked = stop_asked
        self.stopped = False

    def train(self) -> None:
        """Trains all jobs, or until asked to stop: then those under way end in order."""
        lanes = self._next(1)
        if not lanes:
            return
        first = lanes[0]
        self._compile(first)
        alone = self._alone(first, TRIAL_SECONDS)
        lanes = [first] if first.goes_on else []
        most = self._most(first, alone)
        if most > 1:
            lanes += self._next(most - len(lanes))
            fitting = [lane for lane in lanes if lane.ready.loop.program is first.ready.loop.program]
            if len(fitting) > 1:
                lanes = [lane for lane in lanes if lane not in fitting] + self._together(fitting, alone)
        while lanes or (lanes := self._next(1)):
            self._alone(lanes.pop(0))

    def _next(self, count: int) -> list[Lane]:
        lanes: list[Lane] = []
        while self._waiting and len(lanes) < count and not self.stopped:
            lane = self._begin(self._waiting.popleft())
            if lane is not None:
                lanes.append(lane)
        return lanes

    def _compile(self, lane: Lane) -> None:
        loop = lane.ready.loop
        with quiet():
            loop.program.train(lane.ready.state, loop.constants, loop.resident, lane.ready.one_draw)

    def _alone(self, lane: Lane, seconds: float | None = None) -> float:
        """Trains a job to its end, or for some seconds and up to an evaluation; returns its seconds an iteration."""
        pace, begun = Pace(lane.ready.loop.program.capacity), time.perf_counter()
        rate = float("inf")
        while lane.goes_on and not self.stopped:
            chunk_begun = time.perf_counter()
            length = lane.alone(pace.length)
            taken = time.perf_counter() - chunk_begun
            pace.measure(length, taken)
            rate = min(rate, taken / length)
            self._ask(length, [lane])
            between = (
                lane.progress.iterations % lane.job.config.eval.every == 0 or "val" not in lane.ready.dataset.splits
            )
            if seconds is not None and between and time.perf_counter() - begun > seconds:
                return rate
        self._finish(lane)
        return rate

    def _ask(self, iterations: int, lanes: Sequence[Lane]) -> None:
        self._trained(iterations)
        if self._stop_asked():
            self.stopped = True
            for lane in lanes:
                lane.progress.stopped = lane.goes_on

    def _finish(self, lane: Lane) -> None:
        if not lane.summary:
            lane.end()
        self._ended(lane)
        self.stopped |= self._stop_asked()

    def _most(self, lane: Lane, alone: float) -> int:
        """Returns how many runs to try together."""
        jobs = len(self._waiting) + lane.goes_on
        if self._given is not None:
            return min(self._given, jobs)
        left = alone * sum(job.config.steps for job in self._waiting)
        if alone > LONGEST_ITERATION or left < WORTH_COMPILING:
            return 1
        resident = _bytes(lane.ready.loop.resident) if self._own_rows else 0
        fitting = min(MOST_TOGETHER, MAX_BYTES // max(_bytes(lane.ready.state) + resident, 1))
        rounds = -(-jobs // max(fitting, 1))
        return -(-jobs // rounds)  # equally many in each round

    def _together(self, lanes: Sequence[Lane], alone: float) -> list[Lane]:
        """Trains jobs in one program as long as that is faster; returns those that are to go on alone.

        A run that ends gives its place to the next job.
        """
        stacked, chunks, tried = Stacked(lanes, own_rows=self._own_rows), 0, False
        try:
            with quiet():
                stacked.compile()
        except Exception as error:  # an operation that can't be mapped
            self._say(f"these jobs go one after the other: {' '.join(str(error).split())[:120]}")
            return list(lanes)
        pace, others = Pace(stacked.program.capacity, CHUNKS_PER_SECOND), []
        while active := [lane for lane in stacked.places if lane is not None]:
            begun = time.perf_counter()
            try:
                count = stacked.train(pace.length)
            except Exception as error:
                for failed in active:
                    failed.fail(error)
                count = 1
            taken = time.perf_counter() - begun
            pace.measure(count, taken)
            chunks += 1
            self._ask(count * len(active), active)
            for place, lane in enumerate(stacked.places):
                if lane is not None and not lane.goes_on:
                    self._finish(lane)
                    following = self._next(1)
                    while following and not stacked.fits(following[0]):
                        others += following
                        following = self._next(1)
                    stacked.put(place, following[0] if following else None)
            full = count == stacked.program.capacity or taken > FULL_CHUNK
            if self._given is None and not tried and full and chunks >= TRIAL_CHUNKS:
                tried = True
                if taken / count / len(active) > alone:
                    self._say("these jobs go one after the other, which is faster here")
                    break
        return others + [lane for lane in stacked.places if lane is not None]


def _bytes(tensors: Any) -> int:
    return sum(math.prod(tensor.shape) * tensor.dtype.size for tensor in keras.tree.flatten(tensors))
