"""Trains the jobs of one program: beside each other, each alone on a core, or together, in a program mapped over them.

Which way is taken never depends on how long anything took: it can change a run's numbers in the last bits.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Final

from mtl_cli.backend import keras
from mtl_cli.console import REFRESHES_PER_SECOND
from mtl_cli.loop import Pace
from mtl_cli.sweeps.datasets import data_key
from mtl_cli.sweeps.lane import Lane
from mtl_cli.sweeps.plan import Job
from mtl_cli.sweeps.stacked import Stacked, cores, way_of

MOST_TOGETHER: Final = 128
"""Runs in one program; up to 100 were measured, which took less time a run than 64 or 16."""
MAX_BYTES: Final = 2**30
"""The most memory that the states and rows of the runs in one program may take."""
MOST_PRODUCTS: Final = 100_000
"""Rows of a batch times parameters up to which runs are mapped on a CPU. On two cores, one of them busy otherwise,
an iteration mapped took half the time of one beside another at 10,000, two thirds at 60,000, 0.8 at 300,000 and 1.2
at 16 million."""
FEWEST_TOGETHER: Final = 8
"""Runs from which on that is done: fewer don't keep two cores busy."""
FEWEST_ITERATIONS: Final = 500_000
"""Of all these runs, from which on it is worth compiling a second program."""
CHUNKS_PER_SECOND: Final = 1
"""Of runs that train together: each chunk costs half a millisecond a run beside its iterations."""


class Group:
    """Jobs that differ in numbers alone."""

    def __init__(
        self,
        jobs: Sequence[Job],
        whole: Sequence[Job],
        begin: Callable[[Job], Lane | None],
        ended: Callable[[Lane], None],
        trained: Callable[[int], None],
        say: Callable[[str], None],
        stop_asked: Callable[[], bool],
    ) -> None:
        """Takes the jobs, and whom to tell.

        Args:
            jobs: The jobs.
            whole: Those that were asked for, with the ones that an earlier call trained: they decide the way.
            begin: Begins a job; None where it failed.
            ended: Told of every run that has ended.
            trained: Told how many iterations were trained.
            say: Told what a person may want to know.
            stop_asked: Asked several times a second, or after every chunk, whether to end.
        """
        self._whole = whole
        self._waiting = deque(jobs)
        self._given = jobs[0].config.sweep.runs_at_once
        self._own_rows = len({data_key(job.config) for job in whole}) > 1
        self._begin = begin
        self._ended = ended
        self._trained = trained
        self._say = say
        self._stop_asked = stop_asked
        self._lengths: deque[int] = deque()
        """Of the chunks that nobody was told of yet."""
        self.stopped = False

    def train(self) -> None:
        """Trains all jobs, or until asked to stop: then those under way end in order."""
        first = self._next()
        if first is not None:
            first.ready.rehearse()
            stacked = self._stacked(first)
            self._beside([first] if stacked is None else self._together(stacked, first))

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
        """Returns places for the jobs to train together in, compiled; None where each trains alone."""
        on_cpu = first.ready.loop.program.on_cpu
        maps = not on_cpu or self._pays(first)
        runs = min(self._given or (self._most(first) if maps else 1), len(self._whole))
        if runs == 1:
            return None
        try:
            return Stacked(first, way_of(runs, on_cpu=on_cpu), own_rows=self._own_rows)
        except Exception as error:  # an operation that can't be mapped
            self._say(f"these jobs train each alone: {' '.join(str(error).split())[:120]}")
            return None

    def _pays(self, first: Lane) -> bool:
        """Tells whether mapping the jobs is worth it on a CPU, from their sizes alone."""
        config = first.job.config
        products = config.batch_size * sum(math.prod(tensor.shape) for tensor in first.ready.state.params.all())
        iterations = sum(job.config.steps for job in self._whole)
        return products <= MOST_PRODUCTS and len(self._whole) >= FEWEST_TOGETHER and iterations >= FEWEST_ITERATIONS

    def _most(self, first: Lane) -> int:
        """Returns how many runs fit into memory together, or fewer, so that there are equally many in each round."""
        resident = _bytes(first.ready.loop.resident) if self._own_rows else 0
        fitting = min(MOST_TOGETHER, MAX_BYTES // max(_bytes(first.ready.state) + resident, 1))
        rounds = -(-len(self._whole) // max(fitting, 1))
        return -(-len(self._whole) // rounds)

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

    def _beside(self, begun: list[Lane]) -> None:
        """Trains jobs each alone, as many at once as there are cores: those begun, and then those that wait.

        Only training is done in threads; jobs begin and end in this one, while others train.
        """
        threads = cores() if self._given != 1 and all(lane.ready.loop.program.on_cpu for lane in begun) else 1
        training: dict[Future[None], Lane] = {}
        with ThreadPoolExecutor(threads) as pool:
            try:
                while True:
                    while len(training) < threads and (lane := begun.pop(0) if begun else self._next()):
                        if not lane.ready.loop.program.traces:  # two threads would compile it at once
                            lane.ready.rehearse()
                        training[pool.submit(self._alone, lane)] = lane
                    if not training:
                        return
                    done, _ = wait(training, 1 / REFRESHES_PER_SECOND, FIRST_COMPLETED)
                    self._note(sum(self._lengths.popleft() for _ in range(len(self._lengths))))
                    for future in done:
                        self._finish(training.pop(future))
            finally:
                self.stopped = True  # also where a second signal ends this at once: the threads are waited for

    def _alone(self, lane: Lane) -> None:
        """Trains a job to its last iteration, or until this stops, in a thread."""
        pace = Pace(lane.ready.loop.program.capacity)
        while lane.goes_on and not self.stopped:
            begun = time.perf_counter()
            length = lane.alone(pace.length)
            pace.measure(length, time.perf_counter() - begun)
            self._lengths.append(length)

    def _note(self, iterations: int) -> None:
        self._trained(iterations)
        self.stopped |= self._stop_asked()

    def _finish(self, lane: Lane) -> None:
        if not lane.summary:
            lane.progress.stopped = lane.goes_on
            lane.end()
        self._ended(lane)
        self.stopped |= self._stop_asked()


def _bytes(tensors: Any) -> int:
    return sum(math.prod(tensor.shape) * tensor.dtype.size for tensor in keras.tree.flatten(tensors))
