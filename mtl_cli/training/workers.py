"""Who trains runs, in a thread of its own: each has places for one run or several."""

import time
from abc import ABC, abstractmethod

from mtl_cli.training.active_run import Lane
from mtl_cli.training.chunk_length import Pace


class Worker(ABC):
    """Places for runs, of which some may be empty."""

    def __init__(self, places: int) -> None:
        """Makes the places."""
        self.places: list[Lane | None] = [None] * places

    @property
    def lanes(self) -> dict[int, Lane]:
        """The runs by their places."""
        return {place: lane for place, lane in enumerate(self.places) if lane is not None}

    @property
    def is_full(self) -> bool:
        """Tells whether no place is empty."""
        return None not in self.places

    @property
    def has_ended(self) -> bool:
        """Tells whether a run has ended, so that its place is free for the next one."""
        return not all(lane.goes_on for lane in self.lanes.values())

    @abstractmethod
    def fits(self, lane: Lane) -> bool:
        """Tells whether a run can have a place."""

    def put(self, lane: Lane) -> int:
        """Gives an empty place to a run that fits, and returns which."""
        place = self.places.index(None)
        self.places[place] = lane
        return place

    @abstractmethod
    def train(self) -> int:
        """Trains the next chunk of every run, and returns how many iterations that was in all."""

    def take_out(self, *, all_of_them: bool) -> list[Lane]:
        """Empties the places of the runs that have ended, or all, and returns those runs."""
        out = {place: lane for place, lane in self.lanes.items() if all_of_them or not lane.goes_on}
        for place in out:
            self.places[place] = None
        return list(out.values())


class Alone(Worker):
    """Trains one run at a time."""

    def __init__(self) -> None:
        """Makes the place."""
        super().__init__(1)
        self._pace = Pace(1)

    def fits(self, lane: Lane) -> bool:
        """Any does."""
        return True

    def put(self, lane: Lane) -> int:
        """Gives the place to a run, with its program compiled: two threads would do that at once."""
        program = lane.ready.loop.program
        if not program.traces:
            lane.ready.rehearse()
        self._pace = Pace(program.capacity)
        return super().put(lane)

    def train(self) -> int:
        """Trains a chunk of the run."""
        ((_, lane),) = self.lanes.items()
        begun = time.perf_counter()
        length = lane.alone(self._pace.length)
        self._pace.measure(length, time.perf_counter() - begun)
        return length
