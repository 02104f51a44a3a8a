"""Sweepers that ask for batches."""

import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from mtl_cli import cli
from tests.support.command import MtlTrain
from tests.support.sweeps import BASIC, LINEAR, summaries, training_starts


class InTwos(Sweeper):
    """Asks for jobs two at a time, as sweepers do that learn from what came of the last ones."""

    __module__ = "hydra_plugins.in_twos"  # Hydra takes plugins from there only
    values: ClassVar[list[Any]] = []
    asks: ClassVar[list[list[str]]] = [[f"optimizer.learning_rate={rate}"] for rate in ("1e-9", "1e30", "2e-9")]
    """What it tries, instead of what was typed for the same keys."""

    def __init__(self, **parameters: Any) -> None:
        pass

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.our_launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> None:
        tried = {word.partition("=")[0] for words in self.asks for word in words}
        fixed = [word for word in arguments if word.partition("=")[0] not in tried]
        for first in range(0, len(self.asks), 2):
            asked: Sequence[Sequence[str]] = [[*fixed, *words] for words in self.asks[first : first + 2]]
            InTwos.values += [job.return_value for job in self.our_launcher.launch(asked, initial_job_idx=first)]


@pytest.fixture
def in_twos(monkeypatch: pytest.MonkeyPatch) -> str:
    """The override that chooses it."""
    monkeypatch.syspath_prepend(Path(cli.__file__).parent / "plugins")  # Hydra looks for plugins once
    monkeypatch.setitem(sys.modules, InTwos.__module__, sys.modules[__name__])
    Plugins.instance().register(InTwos)
    InTwos.values.clear()
    return f"hydra.sweeper._target_={InTwos.__module__}.{InTwos.__name__}"


@pytest.mark.parametrize("launcher", ["hydra/launcher=mtl", BASIC])
def test_a_sweeper_gets_floats_for_its_batches(
    mtl_train: MtlTrain, tmp_path: Path, in_twos: str, launcher: str
) -> None:
    """Infinity for a run that diverged: NaN, or nothing, ends a search."""
    done = mtl_train("-m", in_twos, launcher, "optimizer=sgd", "steps=60", *LINEAR, "hydra.sweep.dir=s")
    assert (done.status, "diverged" in done.err) == (1, True), done.err
    of = summaries(tmp_path / "s")
    losses = {number: summary["metrics"].get("train", {}).values() for number, summary in of.items()}
    means = [sum(task["loss"] for task in losses[number]) / 2 for number in "02"]
    assert InTwos.values == pytest.approx([means[0], math.inf, means[1]])
    assert all(type(value) is float for value in InTwos.values)
    rates = [summary["overrides"][-1] for _, summary in sorted(of.items())]
    assert rates == [f"optimizer.learning_rate={rate}" for rate in ("1e-9", "1e30", "2e-9")]
    with (tmp_path / "s" / "sweep.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["finished", "failed", "finished"]


@pytest.mark.parametrize("launcher", ["hydra/launcher=mtl", BASIC])
def test_a_search_may_ask_for_keys_that_a_choice_does_not_have(
    mtl_train: MtlTrain, tmp_path: Path, in_twos: str, launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are left out, as they are of a grid's jobs; each trial has its answer."""
    tried = [(name, c) for name in ("fixed", "cagrad") for c in (0.2, 0.5)]
    monkeypatch.setattr(InTwos, "asks", [[f"weighting={name}", f"weighting.c={c}"] for name, c in tried])
    grid = ["weighting=fixed,cagrad", "weighting.c=interval(0,1)", "steps=20", "hydra.sweep.dir=s"]
    done = mtl_train("-m", in_twos, launcher, *grid)
    assert done.status == 0, done.err
    of = [summary for _, summary in sorted(summaries(tmp_path / "s").items())]
    expected = [["weighting=fixed"]] * 2 + [["weighting=cagrad", f"weighting.c={c}"] for c in (0.2, 0.5)]
    assert [summary["overrides"] for summary in of] == [["steps=20", *words] for words in expected]
    losses = [[task["loss"] for task in summary["metrics"]["train"].values()] for summary in of]
    assert InTwos.values == pytest.approx([sum(each) / 2 for each in losses])


def test_a_search_does_not_write_into_a_folder_with_runs(mtl_train: MtlTrain, tmp_path: Path, in_twos: str) -> None:
    (tmp_path / "s" / "0").mkdir(parents=True)
    refused = mtl_train("-m", in_twos, "hydra.sweep.dir=s")
    assert refused.status == 2
    assert "hydra.sweep.dir: s exists" in refused.err


def test_each_batch_trains_its_own_jobs(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """The baselines, which no sweeper asks for, go with the last ones."""
    grid = ["seed=0,1,2", "tasks.y1.weight=0.3", "steps=20", "hydra.sweeper.max_batch_size=2"]
    done = mtl_train("-m", *grid, "sweep.baselines=true", "hydra.sweep.dir=s")
    assert done.status == 0, done.err
    assert "2 jobs finished" in done.out
    assert "7 jobs finished" in done.out
    assert [of["seed"] for _, of in sorted(summaries(tmp_path / "s").items())] == [0, 1, 2, 0, 0, 1, 1, 2, 2]
    assert set(training_starts(tmp_path / "s").values()) == {1}


def test_no_batch_follows_a_failure_that_is_to_end_the_sweep(mtl_train: MtlTrain, tmp_path: Path) -> None:
    grid = ["optimizer=sgd", "optimizer.learning_rate=1e30,1e-9,2e-9,3e-9", "steps=100", *LINEAR]
    done = mtl_train("-m", *grid, "sweep.fail_fast=true", "hydra.sweeper.max_batch_size=2", "hydra.sweep.dir=s")
    assert done.status == 1
    assert "sweep.fail_fast" in done.err
    assert "0" in summaries(tmp_path / "s")
    assert set(summaries(tmp_path / "s")) <= {"0", "1"}  # its batch, whose jobs may train beside each other
