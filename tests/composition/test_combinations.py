"""Which of a sweep's overrides are left to which of its jobs."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from mtl_cli.composition.combinations import Combinations, apart, overrides_of
from mtl_cli.composition.hydra_private import split_grid
from mtl_cli.config import FAMILIES
from tests.support.configs import CONF, loading
from tests.support.sweeps import sweep_of


def combined(*words: str) -> tuple[list[str], str]:
    """Returns the overrides of a grid's jobs, each job's in one text, and what is said of those left out."""
    with sweep_of(*words) as (loader, sweep):
        (grid,) = split_grid(OverridesParser.create(loader).parse_overrides(overrides_of(sweep)), None)
        combinations = Combinations(loader, sweep)
        return [" ".join(job) for job in combinations.of(grid)], combinations.left_out()


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        (
            "weighting=fixed,cagrad weighting.c=0.2,0.5",
            ["weighting=fixed", "weighting=cagrad weighting.c=0.2", "weighting=cagrad weighting.c=0.5"],
        ),
        (
            "optimizer.momentum=0,0.9 optimizer=sgd,adam",
            ["optimizer.momentum=0 optimizer=sgd", "optimizer=adam", "optimizer.momentum=0.9 optimizer=sgd"],
        ),
        (
            "sampling=uniform,temperature ++sampling.temperature=2,3",
            [
                "sampling=uniform",
                "sampling=temperature ++sampling.temperature=2",
                "sampling=temperature ++sampling.temperature=3",
            ],
        ),
        (
            "data=seed,digits data.examples.val=10,20",
            ["data=seed", "data=digits data.examples.val=10", "data=digits data.examples.val=20"],
        ),
        (
            "optimizer=sgd,adam optimizer/schedule=constant,cosine optimizer.schedule.warmup_steps=3,4 steps=9",
            [
                f"optimizer={optimizer} optimizer/schedule={schedule} steps=9"
                for optimizer in ("sgd", "adam")
                for schedule in (
                    "constant",
                    "cosine optimizer.schedule.warmup_steps=3",
                    "cosine optimizer.schedule.warmup_steps=4",
                )
            ],
        ),
        (
            "weighting=mgda,gradnorm,fairgrad weighting.normalize=l2,loss weighting.alpha=1,2",
            [
                *(f"weighting=mgda weighting.normalize={by}" for by in ("l2", "loss")),
                *(f"weighting={name} weighting.alpha={alpha}" for name in ("gradnorm", "fairgrad") for alpha in (1, 2)),
            ],
        ),
    ],
)
def test_a_key_stays_where_the_choice_has_it(words: str, jobs: list[str]) -> None:
    assert combined(*words.split())[0] == jobs


@pytest.mark.parametrize(
    "words",
    [
        "weighting=fixed,pcgrad weighting.c=0.2,0.5",  # neither has it
        "weighting=fixed,cagrad weighting.cc=0.2,0.5",
        "weighting=cagrad weighting.c=0.2,0.5 optimizer=sgd,adam",
        "weighting=cagrad,upgrad weighting.on=parameters,representation",  # both do
        "weighting=fixed,nope weighting.c=0.2,0.5",
        "weighting=fixed,cagrad seed=3,3",
        "weighting=fixed,mgda tasks.y1.weight=0.5,null",  # equal ones, and what was typed twice is twice
        "weighting=mgda,imtl tasks.y1.weight=0.3,0.4",
        "weighting=fixed,upgrad tasks.y1.weight=0.3,0.4",
        "weighting=fixed,mgda tasks.y1.weight=2,x",  # no weights
    ],
)
def test_a_grid_stays_as_it_is(words: str) -> None:
    """Also where what is wrong with it is said by its jobs."""
    with sweep_of(*words.split()) as (loader, _):
        (grid,) = split_grid(OverridesParser.create(loader).parse_overrides(words.split()), None)
    assert combined(*words.split()) == ([" ".join(job) for job in grid], "")


def test_weights_are_null_where_the_weighting_finds_its_own() -> None:
    jobs, said = combined("weighting=fixed,mgda,imtl", "weighting.learning_rate=0.1,0.2", "tasks.y1.weight=0.3,0.5")
    assert jobs == [
        *(f"weighting=fixed tasks.y1.weight={weight}" for weight in (0.3, 0.5)),
        "weighting=mgda tasks.y1.weight=null",
        *(f"weighting=imtl weighting.learning_rate={rate} tasks.y1.weight=null" for rate in (0.1, 0.2)),
    ]
    assert said == (
        "left out, as it means nothing there: weighting.learning_rate where weighting=fixed,mgda; "
        "tasks.y1.weight where weighting=mgda,imtl"
    )


def test_many_choices_are_counted() -> None:
    """Of the weightings, `cagrad` alone has `c`: all others are left without, five of them named, by their letters."""
    jobs, said = combined("weighting=glob(*)", "weighting.c=0.2,0.5")
    assert len(jobs) == len(FAMILIES["weighting"]) + 1
    assert said.endswith(
        "weighting.c where weighting=aligned_mtl,config_grad,db_mtl,dualproj,dwa and "
        f"{len(FAMILIES['weighting']) - 6} more"
    )


def test_weights_of_a_file_are_null_too(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "own.yaml").write_text(
        "# @package _global_\ntasks: {y1: {weight: 0.2}, y2: {weight: 0.8}}\n"
    )
    place = f"hydra.searchpath=[{tmp_path}]"
    jobs, said = combined(place, "experiment=own", "weighting=mgda,fixed")
    assert jobs == [
        "experiment=own weighting=mgda tasks.y1.weight=null tasks.y2.weight=null",
        "experiment=own weighting=fixed",
    ]
    assert said.endswith("tasks.y1.weight, tasks.y2.weight where weighting=mgda")


def test_what_is_left_means_something() -> None:
    """So that a job that was made sense of stays as it is, in whatever process that is looked at again."""
    words = ["weighting=fixed,mgda,cagrad", "weighting.c=0.2,0.5", "tasks.y1.weight=0.3"]
    jobs, _ = combined(*words)
    with sweep_of(*words) as (loader, sweep):
        again = Combinations(loader, sweep)
        assert [" ".join(again.of_job(job.split())) for job in jobs] == jobs
        assert not again.left_out()


def test_a_plain_value_is_swept_where_not_every_choice_has_its_key() -> None:
    """Or it would be set in the sweep's own config, whose choice is that of a run without overrides."""
    with loading(CONF) as loader:
        words = ["weighting=upgrad,cagrad", "weighting.c=0.5", "++weighting.on=representation", "steps=3", "seed=0,1"]
        assert apart(loader, words) == [
            "weighting=upgrad,cagrad",
            "weighting.c=choice(0.5)",
            "++weighting.on=choice(representation)",
            "steps=3",
            "seed=0,1",
        ]
        for words in (
            ["weighting=cagrad", "weighting.c=0.5"],
            ["optimizer=sgd,adam", "optimizer.learning_rate=0.1"],
            ["weighting=fixed,cagrad", "weighting.c=interval(0,1)", "~weighting.rescale"],
        ):
            assert apart(loader, words) == words
