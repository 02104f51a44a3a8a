"""Who trains runs: each worker has places for one run or several."""

import time
from abc import ABC, abstractmethod

from mtl_cli.training.chunk_length import ChunkLength
from mtl_cli.training.run import Run


class Worker(ABC):
    """Places for runs, of which some may be empty."""

    def __init__(self, places: int) -> None:
        """Makes the places."""
        self.places: list[Run | None] = [None] * places

    @property
    def runs(self) -> dict[int, Run]:
        """The runs by their places."""
        return {place: run for place, run in enumerate(self.places) if run is not None}

    @property
    def is_full(self) -> bool:
        """Tells whether no place is empty."""
        return None not in self.places

    @property
    def has_ended(self) -> bool:
        """Tells whether a run has ended, so that its place is free for the next one."""
        return not all(run.goes_on for run in self.runs.values())

    @abstractmethod
    def fits(self, run: Run) -> bool:
        """Tells whether a run can have a place."""

    def put(self, run: Run) -> int:
        """Gives an empty place to a run that fits, and returns which."""
        place = self.places.index(None)
        self.places[place] = run
        return place

    @abstractmethod
    def train(self) -> int:
        """Trains the next chunk of every run, and returns how many iterations that was in all."""

    def take_out(self, *, all_of_them: bool) -> list[Run]:
        """Empties the places of the runs that have ended, or all, and returns those runs."""
        out = {place: run for place, run in self.runs.items() if all_of_them or not run.goes_on}
        for place in out:
            self.places[place] = None
        return list(out.values())


class Sequential(Worker):
    """Trains one run at a time."""

    def __init__(self) -> None:
        """Makes the place."""
        super().__init__(1)
        self._pace = ChunkLength(1)

    def fits(self, run: Run) -> bool:
        """Any does."""
        return True

    def put(self, run: Run) -> int:
        """Gives the place to a run, with its program compiled: two threads would do that at once."""
        program = run.setup.program
        if not program.traces:
            run.setup.compile()
        self._pace = ChunkLength(program.capacity)
        return super().put(run)

    def train(self) -> int:
        """Trains a chunk of the run."""
        ((_, run),) = self.runs.items()
        begun, iterations = time.perf_counter(), run.upcoming(self._pace.length)
        try:
            chunk = run.chunk(iterations)
            result = run.setup.train(run.progress.state, chunk)
        except Exception as error:
            run.fail(error)
        else:
            run.absorb(chunk, result, time.perf_counter() - begun)
        self._pace.measure(len(iterations), time.perf_counter() - begun)
        return len(iterations)
