"""Workers' places: which run is where, and which place is free."""

from dataclasses import dataclass
from typing import Any

from mtl_cli.training.workers import Worker


@dataclass
class Run:
    """What a worker sees of one."""

    name: str
    goes_on: bool = True


class Idle(Worker):
    """Trains nothing."""

    def fits(self, run: Any) -> bool:
        return True

    def train(self) -> int:
        return 0


def placed(*runs: Any, places: int = 3) -> Worker:
    worker = Idle(places)
    for run in runs:
        worker.put(run)
    return worker


def test_a_run_gets_the_first_empty_place() -> None:
    worker = Idle(3)
    runs: list[Any] = [Run("a"), Run("b"), Run("c"), Run("d")]
    assert [worker.put(run) for run in runs[:3]] == [0, 1, 2]
    runs[1].goes_on = False
    assert worker.take_out(all_of_them=False) == [runs[1]]
    assert worker.put(runs[3]) == 1
    assert worker.runs == {0: runs[0], 1: runs[3], 2: runs[2]}


def test_a_worker_is_full_where_no_place_is_empty() -> None:
    assert [placed(*map(Run, "abc"[:count])).is_full for count in range(4)] == [False, False, False, True]


def test_one_run_that_has_ended_is_enough_to_look_for_the_next() -> None:
    assert not Idle(2).has_ended
    assert not placed(Run("a"), Run("b")).has_ended
    assert placed(Run("a"), Run("b", goes_on=False)).has_ended


def test_those_that_go_on_stay_but_where_all_are_taken_out() -> None:
    runs: list[Any] = [Run("a"), Run("b", goes_on=False), Run("c")]
    worker = placed(*runs)
    assert worker.take_out(all_of_them=False) == [runs[1]]
    assert worker.places == [runs[0], None, runs[2]]
    assert worker.take_out(all_of_them=True) == [runs[0], runs[2]]
    assert worker.places == [None] * 3
