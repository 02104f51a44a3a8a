"""Runs that train at the same time in one program: their states side by side, and back to each run.

XLA computes small products on one core, so on a CPU the runs are parted into as many shards as there are cores, each a
call of the program's own at the same time.
"""

import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np

from mtl_cli.backend import Arrays, keras, quiet, tf
from mtl_cli.identity import draws_key
from mtl_cli.training.chunk import Chunk
from mtl_cli.training.chunk_length import ChunkLength
from mtl_cli.training.host_buffers import HostBuffers
from mtl_cli.training.program import ChunkResult, Vectorized
from mtl_cli.training.run import Run
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


def shards_for(first: Run, way: Way, *, own_rows: bool) -> list["Shard"]:
    """Returns the places for runs like this one, as yet empty."""
    setup = first.setup
    own_rows = own_rows and bool(setup.device_data)
    program = setup.program.vectorized(way.places, own_rows=own_rows)
    return [Shard(program, first, way, own_rows=own_rows) for _ in range(way.calls)]


class Shard(Worker):
    """Trains runs in one call of the mapped program."""

    _states: Any
    _numbers: Any
    _device_data: Any

    def __init__(self, program: Vectorized, first: Run, way: Way, *, own_rows: bool) -> None:
        """Makes the places, whose states are the first run's until they are given away."""
        super().__init__(way.places)
        self._program = program
        self._unmapped = first.setup.program
        self._last = [first] * way.places
        """The run whose state is in each place, even if it has ended or is in another one."""
        self._keys = [""] * way.places
        """What tells the draws of the runs apart that are, or were, in the places."""
        self._calls = way.calls
        self._own_rows = own_rows
        self._pace = ChunkLength(program.capacity, CHUNKS_PER_SECOND)
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
        examples = {place: run.setup.program.example for place, run in enumerate(self._last)}
        self._stack()
        with quiet():
            self._program.train(self._states, self._numbers, self._device_data, examples, self._buffers)

    def fits(self, run: Run) -> bool:
        """Tells whether a run can take part."""
        return run.setup.program is self._unmapped

    def put(self, run: Run) -> int:
        """Gives a place to the next run; every other keeps its run's state."""
        place = super().put(run)
        self._keys[place] = draws_key(run.job.config)
        for other, known in self.runs.items():
            if other != place and self._keys[other] == self._keys[place]:
                run.draw_with(known)
        self._last[place] = run
        self._stacked = False
        return place

    def train(self) -> int:
        """Trains the next chunk of every run, equally many iterations of each; the runs fail if that fails."""
        begun, runs = time.perf_counter(), self.runs
        length = min(len(run.upcoming(self._pace.length)) for run in runs.values())
        try:
            chunks = self._chunks(length)
            results = self._train(chunks)
        except Exception as error:
            for run in runs.values():
                run.fail(error)
            return 0
        seconds = (time.perf_counter() - begun) / len(runs) / self._calls
        for place, run in runs.items():
            run.absorb(chunks[place], results[place], seconds)
            if run.goes_on and run.progress.state is not results[place].state:  # it went back to a checkpoint
                self._stacked = False
        self._pace.measure(length, time.perf_counter() - begun)
        return length * len(runs)

    def _chunks(self, length: int) -> dict[int, Chunk]:
        """Returns each run's next iterations with what they need; runs with the same draws draw once."""
        chunks: dict[int, Chunk] = {}
        drawn: dict[int, Arrays] = {}
        for place, run in self.runs.items():
            chunks[place] = run.chunk(run.upcoming(length), drawn.get(id(run.draws)))
            drawn[id(run.draws)] = chunks[place].arrays
        return chunks

    def _train(self, chunks: Mapping[int, Chunk]) -> dict[int, ChunkResult]:
        """Trains a chunk of each place, equally long."""
        self._stack()
        self._states, losses, seen, finite = self._program.train(
            self._states, self._numbers, self._device_data, chunks, self._buffers
        )
        flat = [tf.unstack(tensor) for tensor in keras.tree.flatten(self._states)]
        results = {}
        for place in chunks:
            state = keras.tree.pack_sequence_as(self._states, [of_runs[place] for of_runs in flat])
            losses_of_run, seen_of_run = (np.ascontiguousarray(of_runs[:, place]) for of_runs in (losses, seen))
            results[place] = ChunkResult(state, losses_of_run, seen_of_run, finite[place])
        return results

    def _stack(self) -> None:
        if self._stacked:
            return
        self._stacked = True
        setups = [run.setup for run in self._last]
        self._states = _stacked([run.progress.state for run in self._last])
        self._numbers = _stacked([setup.numbers for setup in setups])
        self._device_data = (
            _stacked([setup.device_data for setup in setups]) if self._own_rows else setups[0].device_data
        )


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _stacked(of_runs: Sequence[Any]) -> Any:
    return keras.tree.map_structure(lambda *tensors: tf.stack(tensors), *of_runs)
