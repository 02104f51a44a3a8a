"""Trains the jobs of one program: together, in one program mapped over them, or one after the other.

Which is faster depends on the size and the machine, so it is measured: the first job begins alone; where its iterations
are so short that mapping may gain, the others join it, and the faster way goes on.
"""

import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import keras, quiet, tf
from mtl_cli.data.base import Arrays
from mtl_cli.loop import Pace
from mtl_cli.program import Together, Trained
from mtl_cli.sweeps.datasets import data_key
from mtl_cli.sweeps.lane import Lane
from mtl_cli.sweeps.plan import Job

MOST_TOGETHER: Final = 128
"""Runs in one program: more gained nothing where it was measured."""
MAX_BYTES: Final = 2**30
"""The most memory that the states and rows of the runs in one program may take."""
LONGEST_ITERATION: Final = 400e-6
"""Seconds alone from which on mapping gained nothing where it was measured: products then fill the processor."""
WORTH_COMPILING: Final = 3.0
"""Seconds that the jobs must take one after the other before another program is worth compiling."""
FEWEST_IN_SHARD: Final = 4
"""Runs that a core gets at least."""
TRIAL_SECONDS: Final = 0.3
TRIAL_CHUNKS: Final = 3
FULL_CHUNK: Final = 0.1
"""Seconds from which on what a chunk costs beside its iterations doesn't count for much."""

log = logging.getLogger("mtl_cli")


class Group:
    """Jobs that differ in numbers alone."""

    def __init__(
        self,
        jobs: Sequence[Job],
        begin: Callable[[Job], Lane | None],
        ended: Callable[[Lane], None],
        trained: Callable[[int], None],
        stop_asked: Callable[[], bool],
    ) -> None:
        """Takes the jobs, and whom to tell.

        Args:
            jobs: The jobs.
            begin: Begins a job; None where it failed.
            ended: Told of every run that has ended.
            trained: Told how many iterations were trained.
            stop_asked: Asked after every chunk whether to end.
        """
        self._waiting = deque(jobs)
        self._total = len(jobs)
        self._given = jobs[0].config.sweep.runs_at_once
        self._own_rows = len({data_key(job.config) for job in jobs}) > 1
        self._begin = begin
        self._ended = ended
        self._trained = trained
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
        most = self._most(first, alone)
        lanes = [first] if first.goes_on else []
        if most > 1:
            lanes += self._next(most - len(lanes))
        if len(lanes) > 1:
            self._together(lanes, alone)
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
        pace, begun, count = Pace(lane.ready.loop.program.capacity), time.perf_counter(), 0
        rate = float("inf")
        while lane.goes_on and not self.stopped:
            chunk_begun = time.perf_counter()
            length = lane.alone(pace.length)
            taken = time.perf_counter() - chunk_begun
            pace.measure(length, taken)
            rate, count = min(rate, taken / length), count + length
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

    def _together(self, lanes: list[Lane], alone: float) -> None:
        """Trains jobs in one program as long as that is faster; leaves those in `lanes` that are to go on alone.

        A run that ends gives its place to the next job.
        """
        stacked, chunks, tried = _Stacked(lanes, own_rows=self._own_rows), 0, False
        try:
            with quiet():
                stacked.compile()
        except Exception as error:  # an operation that can't be mapped
            log.info("these jobs go one after the other: %s", " ".join(str(error).split())[:300])
            return
        pace = Pace(stacked.program.capacity)
        while any(stacked.places):
            begun, active = time.perf_counter(), [lane for lane in stacked.places if lane is not None]
            count = stacked.train(pace.length)
            taken = time.perf_counter() - begun
            pace.measure(count, taken)
            chunks += 1
            self._ask(count * len(active), active)
            for place, lane in enumerate(stacked.places):
                if lane is not None and not lane.goes_on:
                    self._finish(lane)
                    lanes.remove(lane)
                    following = self._next(1)
                    lanes += following
                    stacked.put(place, following[0] if following else None)
            full = count == stacked.program.capacity or taken > FULL_CHUNK
            if self._given is None and not tried and full and chunks >= TRIAL_CHUNKS:
                tried = True
                if taken / count / len(active) < alone:
                    continue
                log.info("these jobs go one after the other, which is faster here")
                return


class _Stacked:
    """Runs in one program: a place for each, which stays empty after the last ones.

    XLA computes small products on one core, so on a CPU the places are parted into as many shards as there are cores,
    each a call of the program's own at the same time.
    """

    def __init__(self, lanes: Sequence[Lane], *, own_rows: bool) -> None:
        self.places: list[Lane | None] = [lane if lane.goes_on else None for lane in lanes]
        program, own_rows = lanes[0].ready.loop.program, own_rows and bool(lanes[0].ready.loop.resident)
        count = max(1, min(_cores(), len(lanes) // FEWEST_IN_SHARD)) if program.on_cpu else 1
        size = -(-len(lanes) // count)
        self.places += [None] * (count * size - len(lanes))
        self.program = program.together(size, own_rows=own_rows)
        filled = [*lanes, *[lanes[0]] * (len(self.places) - len(lanes))]
        self._shards = [_Shard(self.program, filled[i * size : (i + 1) * size], own_rows) for i in range(count)]
        self._size = size

    def put(self, place: int, lane: Lane | None) -> None:
        """Gives a place to the next run."""
        self.places[place] = lane
        if lane is not None:
            self._shards[place // self._size].put(place % self._size, lane)

    def compile(self) -> None:
        """Compiles the program, by training one iteration and forgetting it."""
        self._shards[0].compile()

    def train(self, length: int) -> int:
        """Trains the next chunk of every run, at most `length` iterations, and returns how many."""
        begun = time.perf_counter()
        lanes = {place: lane for place, lane in enumerate(self.places) if lane is not None}
        length = min(len(lane.upcoming(length)) for lane in lanes.values())
        of_shards: list[dict[int, NDArray[np.int64]]] = [{} for _ in self._shards]
        for place, lane in lanes.items():
            of_shards[place // self._size][place % self._size] = lane.upcoming(length)
        with ThreadPoolExecutor(len(self._shards)) as pool:
            done = list(pool.map(_Shard.train, self._shards, of_shards))
        share = (time.perf_counter() - begun) / len(lanes)
        for place, lane in lanes.items():
            shard, inner = divmod(place, self._size)
            lane.take(of_shards[shard][inner], *done[shard][inner], share)
        return length


class _Shard:
    """Some of the runs, in one call of the program."""

    _states: Any
    _values: Any
    _resident: Any

    def __init__(self, program: Together, lanes: Sequence[Lane], own_rows: bool) -> None:
        self._program = program
        self._lanes = list(lanes)
        """The run whose state is in each place, even if it has ended."""
        self._own_rows = own_rows
        self._memory = program.memory()
        self._stack()

    def put(self, place: int, lane: Lane) -> None:
        """Gives a place to the next run; every other keeps its run's state."""
        self._lanes[place] = lane
        self._stack()

    def compile(self) -> None:
        """Trains one iteration and forgets it."""
        one = {place: lane.ready.one_draw for place, lane in enumerate(self._lanes)}
        self._program.train(self._states, self._values, self._resident, one, self._memory)

    def train(self, iterations: Mapping[int, NDArray[np.int64]]) -> dict[int, tuple[Arrays, Trained]]:
        """Trains the given iterations of each place, equally many; returns what was drawn, and what came of it."""
        if not iterations:
            return {}
        drawn = {place: self._lanes[place].ready.loop.draw(of_place) for place, of_place in iterations.items()}
        self._states, losses = self._program.train(self._states, self._values, self._resident, drawn, self._memory)
        parts = [tf.unstack(tensor) for tensor in keras.tree.flatten(self._states)]
        trained = {}
        for place in drawn:
            state = keras.tree.pack_sequence_as(self._states, [of_runs[place] for of_runs in parts])
            rows = np.ascontiguousarray(losses[:, place])
            trained[place] = drawn[place], Trained(state, rows, np.zeros((len(rows), 0), np.float32))
        return trained

    def _stack(self) -> None:
        loops = [lane.ready.loop for lane in self._lanes]
        self._states = _stacked([lane.progress.state for lane in self._lanes])
        self._values = _stacked([loop.constants for loop in loops])
        self._resident = _stacked([loop.resident for loop in loops]) if self._own_rows else loops[0].resident


def _cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _stacked(of_runs: Sequence[Any]) -> Any:
    return keras.tree.map_structure(lambda *tensors: tf.stack(tensors), *of_runs)


def _bytes(tensors: Any) -> int:
    return sum(math.prod(tensor.shape) * tensor.dtype.size for tensor in keras.tree.flatten(tensors))
