"""Runs that train at the same time in one program: their states side by side, and back to each run.

XLA computes small products on one core, so on a CPU the runs are parted into as many shards as there are cores, each a
call of the program's own at the same time.
"""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import keras, tf
from mtl_cli.data.base import Arrays
from mtl_cli.program import Together, Trained
from mtl_cli.sweeps.lane import Lane

FEWEST_IN_SHARD: Final = 4
"""Runs that a core gets at least."""


class Stacked:
    """A place for each run, which stays empty after the last ones."""

    def __init__(self, lanes: Sequence[Lane], *, own_rows: bool) -> None:
        self.places: list[Lane | None] = [lane if lane.goes_on else None for lane in lanes]
        self._alone = program = lanes[0].ready.loop.program
        own_rows = own_rows and bool(lanes[0].ready.loop.resident)
        count = max(1, min(_cores(), len(lanes) // FEWEST_IN_SHARD)) if program.on_cpu else 1
        size = -(-len(lanes) // count)
        self.places += [None] * (count * size - len(lanes))
        self.program = program.together(size, own_rows=own_rows)
        filled = [*lanes, *[lanes[0]] * (len(self.places) - len(lanes))]
        self._shards = [_Shard(self.program, filled[i * size : (i + 1) * size], own_rows) for i in range(count)]
        self._size = size

    def fits(self, lane: Lane) -> bool:
        """Tells whether a run can take part."""
        return lane.ready.loop.program is self._alone

    def put(self, place: int, lane: Lane | None) -> None:
        """Gives a place to the next run, which fits."""
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
            drawn, trained = done[shard][inner]
            lane.take(of_shards[shard][inner], drawn, trained, share)
            if lane.goes_on and lane.progress.state is not trained.state:  # it went back to a checkpoint
                self._shards[shard].put(inner, lane)
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
        drawn = {place: self._lanes[place].draw(of_place) for place, of_place in iterations.items()}
        self._states, losses, seen, finite = self._program.train(
            self._states, self._values, self._resident, drawn, self._memory
        )
        parts = [tf.unstack(tensor) for tensor in keras.tree.flatten(self._states)]
        trained = {}
        for place in drawn:
            state = keras.tree.pack_sequence_as(self._states, [of_runs[place] for of_runs in parts])
            losses_of_run, seen_of_run = (np.ascontiguousarray(of_runs[:, place]) for of_runs in (losses, seen))
            trained[place] = drawn[place], Trained(state, losses_of_run, seen_of_run, finite[place])
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
