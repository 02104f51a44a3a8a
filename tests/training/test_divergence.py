"""Runs whose numbers leave what float32 can hold: seen where it happens, and gone back from where that is asked for."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mtl_cli.backend import start, tf
from mtl_cli.config import Config
from mtl_cli.errors import RunFailed
from mtl_cli.networks.network import Params
from mtl_cli.step.state import TrainState
from mtl_cli.training.chunk import Chunk
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.divergence import first_fault
from mtl_cli.training.program import ChunkResult
from mtl_cli.training.run import MOST_RESTORED
from mtl_cli.training.setup import set_up
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.runs import Fate, Killed, left, train, values

LINEAR = ["model.activation=linear", "model.output_activation=linear"]
GROWING = [
    "optimizer=sgd", "optimizer/schedule=exponential", "optimizer.schedule.decay_rate=1e3",
    "optimizer.schedule.decay_steps=1",
]  # fmt: skip
"""A learning rate that grows a thousandfold in each iteration."""


NUMBERS = np.array([[1.0, 0.5, 1.5]] * 5, np.float32)


def fault(place: int, good: int = 5, *, alone: bool = True) -> tuple[int, str, int, list[int]]:
    """Returns what `first_fault` finds in a chunk of five iterations, and how long the parts are that it trains again.

    The state isn't finite from the iteration at `place` on, if it is trained `alone`; the losses of `good` ones are.
    """
    trained: list[int] = []

    def again(_: Any, chunk: Chunk) -> ChunkResult:
        trained.append(len(chunk))
        bad = alone and len(chunk) > place
        return ChunkResult(state_of(len(chunk), math.nan if bad else 1.0), NUMBERS, NUMBERS, np.array(not bad))

    losses = NUMBERS.copy()
    losses[good:, 2] = np.inf
    chunk = Chunk(np.arange(11, 16), np.ones(5, np.float32), {"pick": np.array([0, 1, 0, 1, 0], np.int32)})
    result = ChunkResult(state_of(99, math.nan), losses, NUMBERS, np.array(False))
    found, said, state = first_fault(["a", "b"], again, state_of(0, 1.0), chunk, result, good)
    return found, said, int(state.params.own["a"][0]), trained


def state_of(length: int, value: float) -> TrainState:
    """Returns a state that tells which part of a chunk it comes after, with a number of the shared layers."""
    return TrainState(Params([tf.constant(value)], {"a": [tf.constant(float(length))], "b": []}), {}, {})


@pytest.mark.parametrize("place", range(5))
def test_the_first_iteration_after_which_a_parameter_is_bad_is_found(place: int) -> None:
    found, said, after, _ = fault(place)
    assert found == place
    task = "ab"[place % 2]
    assert f"became NaN or infinite in iteration {11 + place}, which trained task {task}; " in said
    assert "a parameter of the shared layers" in said
    assert after == (place + 1 if place < 4 else 99)  # the whole chunk's state is there already


@pytest.mark.parametrize("good", range(5))
def test_a_loss_that_is_bad_before_any_parameter_is_told_of(good: int) -> None:
    found, said, after, trained = fault(place=5, good=good)
    assert (found, after) == (good, 99)
    assert f"task b's loss became inf in iteration {11 + good}; " in said
    assert max(trained, default=0) <= good


def test_what_went_wrong_together_may_not_alone() -> None:
    """In a sweep the runs' last bits differ from those of one alone: then it is the last iteration."""
    found, said, after, trained = fault(place=5, alone=False)
    assert (found, after) == (4, 99)
    assert "in iteration 15" in said
    assert max(trained) <= 5


def first_bad(config: Config) -> tuple[int, bool]:
    """Returns in which iteration a loss or parameter first isn't finite, and whether it is a loss; one by one."""
    ready = set_up(config, load(config), start("cpu"))
    state, draws = ready.state, ready.draws()
    for iteration in range(1, config.steps + 1):
        trained = ready.train(state, ready.chunk(draws, np.array([iteration])))
        if not np.isfinite(trained.losses).all():
            return iteration, True
        state = trained.state
        if not all(np.isfinite(parameter.numpy()).all() for parameter in state.params.all()):
            return iteration, False
    raise AssertionError("it didn't diverge")


@pytest.mark.parametrize(
    "overrides",
    [
        ["mode=joint", "optimizer.learning_rate=1e-2"],
        ["mode=joint", "optimizer.learning_rate=1e-8"],
        ["mode=joint", "optimizer.learning_rate=1e20"],
        ["mode=joint", "optimizer.learning_rate=3e38"],
        ["mode=alternating", "optimizer.learning_rate=1e-2"],
        ["mode=alternating", "optimizer.learning_rate=1e-20"],
        ["mode=alternating", "optimizer.learning_rate=1e30", "sampling=round_robin", "model.shared_layers=[]"],
        ["mode=alternating", "optimizer.learning_rate=3e38", "tasks.y1.prob=0.01", "model.shared_layers=[]"],
    ],
)
def test_the_first_bad_number_is_named(tmp_path: Path, overrides: list[str]) -> None:
    config = composed(*GROWING, *LINEAR, "steps=300", *overrides)
    iteration, is_loss = first_bad(config)
    with pytest.raises(RunFailed) as failed:
        train(config, tmp_path)
    said = str(failed.value)
    assert f"in iteration {iteration}" in said
    assert ("loss" in said.partition(";")[0]) == is_loss
    rows = pl.read_csv(tmp_path / "losses.csv")
    assert rows["iteration"].to_list() == list(range(1, iteration + 1))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["status"], summary["iterations"], summary["error"]) == ("failed", iteration, said)
    if "mode=alternating" in overrides:
        task = rows["task"][-1]
        assert f"task {task}" in said


def test_an_optimizer_that_overflows_is_seen(tmp_path: Path) -> None:
    """Labels so large that squares of gradients aren't finite while losses, parameters and gradients are."""
    config = composed("tasks.y1.loss=mae", "tasks.y1.weight=3e20", "tasks.y2.weight=0", "steps=20")
    with pytest.raises(RunFailed, match=r"the optimizer's state became NaN or infinite in iteration 1;"):
        train(config, tmp_path)


WILD = [*LINEAR, "optimizer=sgd", "optimizer.learning_rate=3e-3", "on_divergence=restore", "steps=200"]
"""Diverges, and with a learning rate some times smaller doesn't."""


def restored(folder: Path) -> list[dict[str, Any]]:
    notes: list[dict[str, Any]] = json.loads((folder / "summary.json").read_text())["restored"]
    return notes


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_a_run_goes_back_and_on_with_half_the_learning_rate(mtl_train: MtlTrain, tmp_path: Path, mode: str) -> None:
    words = [*WILD, f"mode={mode}", "checkpoint.every_steps=20"]
    assert mtl_train(*[word for word in words if "restore" not in word], "hydra.run.dir=fails").status == 1
    done = mtl_train(*words, "hydra.run.dir=run")
    assert done.status == 0, done.err
    notes = restored(tmp_path / "run")
    factors = [note["learning_rate_factor"] for note in notes]
    assert factors == [0.5 ** (i + 1) for i in range(len(notes))]
    assert all(note["back_to"] % 20 == 0 and note["back_to"] < note["iteration"] for note in notes)
    log = (tmp_path / "run" / "train.log").read_text()
    assert len(re.findall("going on from iteration .* with the learning rate times", log)) == len(notes) >= 1
    assert done.err.count("with the learning rate times") == len(notes)
    rows = pl.read_csv(tmp_path / "run" / "losses.csv")
    assert rows["iteration"].to_list() == list(range(1, 201))
    slow = mtl_train(
        *[word for word in words if "learning_rate" not in word],
        f"optimizer.learning_rate={3e-3 * factors[-1]!r}", "hydra.run.dir=slow",
    )  # fmt: skip
    assert slow.status == 0
    if all(note["back_to"] == 0 for note in notes):  # then it is the run that had this learning rate all along
        assert (tmp_path / "run" / "losses.csv").read_bytes() == (tmp_path / "slow" / "losses.csv").read_bytes()


def test_it_does_not_go_back_forever(tmp_path: Path) -> None:
    config = composed(*LINEAR, "optimizer=sgd", "optimizer.learning_rate=1e30", "on_divergence=restore", "steps=50")
    with pytest.raises(RunFailed, match="diverged"):
        train(config, tmp_path)
    assert len(restored(tmp_path)) == MOST_RESTORED


def test_an_interrupted_run_goes_back_as_if_it_was_not(tmp_path: Path) -> None:
    config = composed(*WILD, "checkpoint.every_steps=20")
    train(config, tmp_path / "whole")
    for chunks in (2, 3, 5, 9):
        try:
            train(config, tmp_path / "parts", Fate(chunks, kills=True))
        except Killed:
            (tmp_path / "parts" / "summary.json").unlink()
    train(config, tmp_path / "parts")
    assert left(tmp_path / "parts") == left(tmp_path / "whole")


@pytest.mark.parametrize("together", [1, 4])
def test_in_a_sweep_it_is_each_runs_own(mtl_train: MtlTrain, tmp_path: Path, together: int) -> None:
    words = [*WILD, "checkpoint.every_steps=20", "mode=joint"]
    rates = "optimizer.learning_rate=1e-9,3e-3,2e-9,1e-3"
    done = mtl_train("-m", *words, rates, f"sweep.runs_at_once={together}", "hydra.sweep.dir=s")
    assert done.status == 0, done.err
    assert "restored" not in json.loads((tmp_path / "s" / "0" / "summary.json").read_text())
    assert mtl_train(*words, "hydra.run.dir=alone").status == 0
    assert [note["iteration"] for note in restored(tmp_path / "s" / "1")] == [
        note["iteration"] for note in restored(tmp_path / "alone")
    ]
    assert mtl_train(*words, "optimizer.learning_rate=1e-9", "hydra.run.dir=slow").status == 0
    for job, folder in (("1", "alone"), ("0", "slow")):  # nor do the others begin anew with it
        one, other = (pl.read_csv(path / "losses.csv") for path in (tmp_path / "s" / job, tmp_path / folder))
        np.testing.assert_allclose(one["joint_loss"], other["joint_loss"], rtol=1e-4)


@pytest.mark.parametrize(("depth", "initializer"), [(10, "random_uniform"), (2, "random_uniform"), (10, "he_uniform")])
def test_an_initializer_that_lets_a_deep_network_diverge_at_once_is_named(
    mtl_train: MtlTrain, depth: int, initializer: str
) -> None:
    """Ten layers of 20 by the article's weights, uniform in [0, 1), begin with losses of 1e24."""
    rate = "0.001" if depth > 2 and initializer == "random_uniform" else "1e38"
    words = [f"model.shared_layers={[20] * depth}".replace(" ", ""), f"model.initializer={initializer}"]
    run = mtl_train(*words, "model.initializer_range=[0,1]", f"optimizer.learning_rate={rate}", "steps=5")
    assert run.status == 1
    assert "diverged: " in run.err
    named = (
        "weights by model.initializer=random_uniform (model.initializer_range=[0.0, 1.0]) let outputs grow through 11"
    )
    assert (named in run.err) == (rate == "0.001")
    assert ("model.initializer=he_uniform keeps their size" in run.err) == (rate == "0.001")


def test_the_rate_in_metrics_csv_is_the_one_after_going_back(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train(*WILD, "mode=joint", "checkpoint.every_steps=20", "hydra.run.dir=run")
    assert done.status == 0, done.err
    times = len(restored(tmp_path / "run"))
    assert times >= 1
    assert values(tmp_path / "run", "learning_rate") == pytest.approx({200: 3e-3 / 2**times}, rel=1e-6)


def test_the_iteration_that_diverged_is_in_losses_csv_whatever_is_logged(tmp_path: Path) -> None:
    words = [*GROWING, *LINEAR, "steps=300", "mode=joint", "optimizer.learning_rate=1e-8"]
    iteration, _ = first_bad(composed(*words))
    with pytest.raises(Exception, match="diverged"):
        train(composed(*words, f"log.every={iteration + 1}"), tmp_path)
    assert pl.read_csv(tmp_path / "losses.csv")["iteration"].to_list() == [iteration]
