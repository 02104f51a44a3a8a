"""Runs that train at the same time in one program: their states side by side, and back to each run.

XLA computes small products on one core, so on a CPU the runs are parted into as many shards as there are cores, each a
call of the program's own at the same time.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, keras, quiet, tf
from mtl_cli.training.active_run import Lane
from mtl_cli.training.chunk_length import Pace
from mtl_cli.training.dataset_cache import draws_key
from mtl_cli.training.host_buffers import HostBuffers
from mtl_cli.training.program import Together, Trained
from mtl_cli.training.workers import Worker

CHUNKS_PER_SECOND: Final = 1
"""Of runs that train together: each chunk costs half a millisecond a run beside its iterations."""
FEWEST_IN_CALL: Final = 4
"""Runs in a call of the program, of which each core makes one."""


class Way(NamedTuple):
    """How runs of one program train together."""

    calls: int
    """Of the program, at the same time."""
    places: int
    """For runs, in each of them."""


def way_of(runs: int, *, on_cpu: bool) -> Way:
    """Returns the way that so many runs go together, or a few more."""
    calls = max(1, min(cores(), runs // FEWEST_IN_CALL)) if on_cpu else 1
    return Way(calls, -(-runs // calls))


def shards_for(first: Lane, way: Way, *, own_rows: bool) -> list["Shard"]:
    """Returns the places for runs like this one, as yet empty."""
    alone = first.ready.loop.program
    own_rows = own_rows and bool(first.ready.loop.resident)
    program = alone.together(way.places, own_rows=own_rows)
    return [Shard(program, first, way, own_rows=own_rows) for _ in range(way.calls)]


class Shard(Worker):
    """Trains runs in one call of the mapped program."""

    _states: Any
    _values: Any
    _resident: Any

    def __init__(self, program: Together, first: Lane, way: Way, *, own_rows: bool) -> None:
        """Makes the places, whose states are the first run's until they are given away."""
        super().__init__(way.places)
        self._program = program
        self._alone = first.ready.loop.program
        self._lanes = [first] * way.places
        """The run whose state is in each place, even if it has ended or is in another one."""
        self._keys = [""] * way.places
        """What tells the draws of the runs apart that are, or were, in the places."""
        self._calls = way.calls
        self._own_rows = own_rows
        self._pace = Pace(program.capacity, CHUNKS_PER_SECOND)
        self._stacked = False

    @cached_property
    def _buffers(self) -> HostBuffers:
        """Made where it is first used, in the worker's thread: to get it from the system takes 0.2 s."""
        return self._program.buffers()

    def rehearse(self) -> None:
        """Compiles the program: trains an iteration in every place, and forgets it.

        Raises:
            tf.errors.InvalidArgumentError: An operation can't be mapped.
        """
        drawn = {place: lane.ready.one_draw for place, lane in enumerate(self._lanes)}
        self._stack()
        with quiet():
            self._program.train(self._states, self._values, self._resident, drawn, self._buffers)

    def fits(self, lane: Lane) -> bool:
        """Tells whether a run can take part."""
        return lane.ready.loop.program is self._alone

    def put(self, lane: Lane) -> int:
        """Gives a place to the next run; every other keeps its run's state."""
        place = super().put(lane)
        self._keys[place] = draws_key(lane.job.config)
        for other, known in self.lanes.items():
            if other != place and self._keys[other] == self._keys[place]:
                self._share(known, lane)
        self._lanes[place] = lane
        self._stacked = False
        return place

    @staticmethod
    def _share(known: Lane, lane: Lane) -> None:
        """Lets a run draw with another one that is as far, and always will be: all train the same iterations."""
        may_differ = lane.ready.loop.restores  # it may go back to a checkpoint, alone
        if known.progress.iterations == lane.progress.iterations and not may_differ:
            draws = known.ready.loop.draws
            lane.ready = replace(lane.ready, loop=replace(lane.ready.loop, draws=draws))

    def train(self) -> int:
        """Trains the next chunk of every run, equally many iterations of each; the runs fail if that fails."""
        begun, lanes = time.perf_counter(), self.lanes
        length = min(len(lane.upcoming(self._pace.length)) for lane in lanes.values())
        iterations = {place: lane.upcoming(length) for place, lane in lanes.items()}
        try:
            done = self._train(iterations)
        except Exception as error:
            for lane in lanes.values():
                lane.fail(error)
            return 0
        share = (time.perf_counter() - begun) / len(lanes) / self._calls
        for place, lane in lanes.items():
            drawn, trained = done[place]
            lane.take(iterations[place], drawn, trained, share)
            if lane.goes_on and lane.progress.state is not trained.state:  # it went back to a checkpoint
                self._stacked = False
        self._pace.measure(length, time.perf_counter() - begun)
        return length * len(lanes)

    def _train(self, iterations: Mapping[int, NDArray[np.int64]]) -> dict[int, tuple[Arrays, Trained]]:
        """Trains the given iterations of each place, equally many; returns what was drawn, and what came of it."""
        self._stack()
        drawn = self._draw(iterations)
        self._states, losses, seen, finite = self._program.train(
            self._states, self._values, self._resident, drawn, self._buffers
        )
        parts = [tf.unstack(tensor) for tensor in keras.tree.flatten(self._states)]
        trained = {}
        for place in drawn:
            state = keras.tree.pack_sequence_as(self._states, [of_runs[place] for of_runs in parts])
            losses_of_run, seen_of_run = (np.ascontiguousarray(of_runs[:, place]) for of_runs in (losses, seen))
            trained[place] = drawn[place], Trained(state, losses_of_run, seen_of_run, finite[place])
        return trained

    def _draw(self, iterations: Mapping[int, NDArray[np.int64]]) -> dict[int, Arrays]:
        """Draws for each place what its iterations need; once for runs with the same draws."""
        drawn: dict[int, Arrays] = {}
        known: dict[int, Arrays] = {}
        for place, of_place in iterations.items():
            lane = self._lanes[place]
            loop = lane.ready.loop
            if id(loop.draws) not in known:
                known[id(loop.draws)] = loop.draw(of_place)
            rates = loop.learning_rates(of_place, lane.progress.rate)
            drawn[place] = known[id(loop.draws)] | {"learning_rate": rates}
        return drawn

    def _stack(self) -> None:
        if self._stacked:
            return
        self._stacked = True
        loops = [lane.ready.loop for lane in self._lanes]
        self._states = _stacked([lane.progress.state for lane in self._lanes])
        self._values = _stacked([loop.constants for loop in loops])
        self._resident = _stacked([loop.resident for loop in loops]) if self._own_rows else loops[0].resident


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _stacked(of_runs: Sequence[Any]) -> Any:
    return keras.tree.map_structure(lambda *tensors: tf.stack(tensors), *of_runs)
