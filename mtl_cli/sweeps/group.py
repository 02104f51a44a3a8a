"""Trains the jobs of one program: together, in one program mapped over them, or one after the other.

Which is faster depends on the size and the machine, so it is measured, before the first iteration that counts: the way
can change a run's numbers in the last bits, and so every run goes one way from beginning to end.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from mtl_cli.backend import keras, quiet
from mtl_cli.experiment import Run
from mtl_cli.loop import Pace
from mtl_cli.sweeps.datasets import data_key
from mtl_cli.sweeps.lane import Lane
from mtl_cli.sweeps.plan import Job
from mtl_cli.sweeps.stacked import Stacked, way_of
from mtl_cli.sweeps.ways import ALONE, Ways

MOST_TOGETHER: Final = 128
"""Runs in one program; up to 100 were measured, which took less time a run than 64 or 16."""
MAX_BYTES: Final = 2**30
"""The most memory that the states and rows of the runs in one program may take."""
LONGEST_ITERATION: Final = 400e-6
"""Seconds alone from which on mapping isn't tried: 16 runs of 80 us gained a factor of 2, 4 runs of 2 ms lost a
third."""
WORTH_COMPILING: Final = 3.0
"""Seconds that the jobs must take one after the other before another program is worth compiling."""
TRIAL_SECONDS: Final = 0.03
"""What a chunk takes at least that tells how fast a way is."""
TRIALS: Final = 3
"""Of each length: on a busy machine one that needed no time may take a while."""
TRIAL_GROWTH: Final = 4
TRIAL_PART: Final = 0.1
"""The most of a sweep's iterations that such a chunk may have."""
CHUNKS_PER_SECOND: Final = 1
"""Of runs that train together: each chunk costs half a millisecond a run beside its iterations."""


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
        ways: Ways,
    ) -> None:
        """Takes the jobs, and whom to tell.

        Args:
            jobs: The jobs.
            begin: Begins a job; None where it failed.
            ended: Told of every run that has ended.
            trained: Told how many iterations were trained.
            say: Told what a person may want to know.
            stop_asked: Asked after every chunk whether to end.
            ways: What earlier calls chose.
        """
        self._jobs = jobs
        self._iterations = sum(job.config.steps for job in jobs)
        self._waiting = deque(jobs)
        self._given = jobs[0].config.sweep.runs_at_once
        self._own_rows = len({data_key(job.config) for job in jobs}) > 1
        self._begin = begin
        self._ended = ended
        self._trained = trained
        self._say = say
        self._stop_asked = stop_asked
        self._ways = ways
        self.stopped = False

    def train(self) -> None:
        """Trains all jobs, or until asked to stop: then those under way end in order."""
        first = self._next()
        if first is None:
            return
        with quiet():
            _rehearse(first.ready, 1)  # compiles
        stacked = self._stacked(first)
        for lane in [first] if stacked is None else self._together(stacked, first):
            self._alone(lane)
        while (following := self._next()) is not None:
            self._alone(following)

    def _next(self) -> Lane | None:
        """Begins the next job that has iterations left: not one that fails, or that an earlier call trained."""
        while self._waiting and not self.stopped:
            lane = self._begin(self._waiting.popleft())
            if lane is not None:
                if lane.goes_on:
                    return lane
                self._finish(lane)
        return None

    def _stacked(self, first: Lane) -> Stacked | None:
        """Returns places for the jobs to train together in, compiled; None where they go one after the other.

        It is as an earlier call chose, or else as `sweep.runs_at_once` says, or else what is faster.
        """
        config, jobs = first.job.config, len(self._jobs)
        known = self._ways.get(config, jobs)
        if known is None:
            stacked = self._faster(first) if self._given is None else self._mapped(first, min(self._given, jobs))
            self._ways.keep(config, jobs, ALONE if stacked is None else stacked.way)
            return stacked
        return None if known == ALONE else Stacked(first, known, own_rows=self._own_rows)

    def _faster(self, first: Lane) -> Stacked | None:
        """Measures both ways, where the other one than alone may be faster; nothing of it is kept."""
        alone = self._seconds(partial(_rehearse, first.ready), first.ready.loop.program.capacity)
        if alone > LONGEST_ITERATION or alone * self._iterations < WORTH_COMPILING:
            return None
        most = self._most(first)
        stacked = self._mapped(first, most)
        if stacked is not None and self._seconds(stacked.rehearse, stacked.program.capacity) / most > alone:
            self._say("these jobs go one after the other, which is faster here")
            return None
        return stacked

    def _mapped(self, first: Lane, runs: int) -> Stacked | None:
        if runs == 1:
            return None
        way = way_of(runs, on_cpu=first.ready.loop.program.on_cpu)
        try:
            return Stacked(first, way, own_rows=self._own_rows)
        except Exception as error:  # an operation that can't be mapped
            self._say(f"these jobs go one after the other: {' '.join(str(error).split())[:120]}")
            return None

    def _seconds(self, rehearse: Callable[[int], None], capacity: int) -> float:
        """Returns the seconds that an iteration takes, without the host's work, which is the same both ways."""
        longest = max(1, min(capacity, int(TRIAL_PART * self._iterations)))
        length, taken = 0, 0.0
        while taken < TRIAL_SECONDS and length < longest:
            length = min(longest, max(1, TRIAL_GROWTH * length))
            taken = min(_timed(rehearse, length) for _ in range(TRIALS))
        return taken / length

    def _most(self, first: Lane) -> int:
        """Returns how many runs fit into memory together, or fewer, so that there are equally many in each round."""
        resident = _bytes(first.ready.loop.resident) if self._own_rows else 0
        fitting = min(MOST_TOGETHER, MAX_BYTES // max(_bytes(first.ready.state) + resident, 1))
        rounds = -(-len(self._jobs) // max(fitting, 1))
        return -(-len(self._jobs) // rounds)

    def _together(self, stacked: Stacked, first: Lane) -> list[Lane]:
        """Trains the jobs that fit the places; returns those that are to go alone.

        A run that ends gives its place to the next job.
        """
        pace, apart = Pace(stacked.program.capacity, CHUNKS_PER_SECOND), []
        stacked.put(0, first)
        while True:
            for place, lane in enumerate(stacked.places):
                while lane is None and (lane := self._next()):
                    if stacked.fits(lane):
                        stacked.put(place, lane)
                    else:
                        apart.append(lane)
                        lane = None
            active = [lane for lane in stacked.places if lane is not None]
            if not active:
                return apart
            begun = time.perf_counter()
            try:
                count = stacked.train(pace.length)
            except Exception as error:
                for failed in active:
                    failed.fail(error)
                count = 1
            pace.measure(count, time.perf_counter() - begun)
            self._note(count * len(active))
            for place, lane in enumerate(stacked.places):
                if lane is not None and (self.stopped or not lane.goes_on):
                    self._finish(lane)
                    stacked.put(place, None)

    def _alone(self, lane: Lane) -> None:
        pace = Pace(lane.ready.loop.program.capacity)
        while lane.goes_on and not self.stopped:
            begun = time.perf_counter()
            length = lane.alone(pace.length)
            pace.measure(length, time.perf_counter() - begun)
            self._note(length)
        self._finish(lane)

    def _note(self, iterations: int) -> None:
        self._trained(iterations)
        self.stopped |= self._stop_asked()

    def _finish(self, lane: Lane) -> None:
        if not lane.summary:
            lane.progress.stopped = lane.goes_on
            lane.end()
        self._ended(lane)
        self.stopped |= self._stop_asked()


def _rehearse(run: Run, length: int) -> None:
    """Trains as many iterations of a run, and forgets them."""
    loop = run.loop
    loop.program.train(run.state, loop.constants, loop.resident, run.rehearsed(length))


def _timed(rehearse: Callable[[int], None], length: int) -> float:
    begun = time.perf_counter()
    rehearse(length)
    return time.perf_counter() - begun


def _bytes(tensors: Any) -> int:
    return sum(math.prod(tensor.shape) * tensor.dtype.size for tensor in keras.tree.flatten(tensors))
