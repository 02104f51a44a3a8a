"""Grids of a sweep."""

from itertools import product
from pathlib import Path

import pytest

from mtl_cli.errors import InputError
from mtl_cli.sweeps.grid import jobs_of
from tests.support.command import MtlTrain
from tests.support.sweeps import sweep_of


@pytest.mark.parametrize(
    ("grid", "count"),
    [
        (["seed=range(0,2000)", "tasks.y1.weight=0.1,0.2"], "at least 2,002"),
        (["seed=range(0,600)", "tasks.y1.weight=0.1,0.2"], "1,200"),
        (["seed=range(0,1000000000)", "steps=range(1,1000000000)"], "at least 1,002,001"),
    ],
)
def test_a_grid_that_is_too_large_is_refused(mtl_train: MtlTrain, tmp_path: Path, grid: list[str], count: str) -> None:
    done = mtl_train("-m", *grid)
    assert done.status == 2
    assert f"sweep.max_jobs: these are {count} jobs, more than 1,000" in done.err
    assert list(tmp_path.iterdir()) == []


def test_jobs_are_the_product_the_last_key_counting_fastest() -> None:
    with sweep_of("seed=5,3", "steps=7", "batch_size=range(1,4)") as (_, sweep):
        jobs, alone = jobs_of(sweep, taken=False)
    expected = list(product((5, 3), (1, 2, 3)))
    assert [(job.config.seed, job.config.batch_size) for job in jobs] == expected
    assert [job.overrides for job in jobs] == [(f"seed={s}", "steps=7", f"batch_size={b}") for s, b in expected]
    assert [job.number for job in jobs] == list(range(6))
    assert not alone


def test_an_interpolation_is_that_of_each_job() -> None:
    """Resolved in the sweep's own config, all would get its value, and Hydra's sweeper would ask for other jobs."""
    words = ("steps=2,3", "batch_size=${steps}", "tasks.y1.weight=${.prob}", "tasks.y1.prob=0.25")
    with sweep_of(*words, "sweep.baselines=true") as (_, sweep):
        jobs, alone = jobs_of(sweep, taken=False)
    assert [(job.config.batch_size, job.config.tasks["y1"].weight) for job in jobs] == [(2, 0.25), (3, 0.25)]
    assert sorted(job.config.batch_size for job in alone) == [2, 2, 3, 3]


def test_baselines_come_behind_the_jobs() -> None:
    """One for each seed and task, in which the other task has no share, whatever weights the grid gives them."""
    with sweep_of("seed=0,1", "tasks.y1.weight=0.2,0.4,0.6", "sweep.baselines=true") as (_, sweep):
        jobs, alone = jobs_of(sweep, taken=False)
    assert len(jobs) == 6
    assert [job.number for job in alone] == [6, 7, 8, 9]
    shares = [(job.config.seed, *(task.weight for task in job.config.tasks.values())) for job in alone]
    assert sorted(shares) == [(0, 0.0, 1.0), (0, 1.0, 0.0), (1, 0.0, 1.0), (1, 1.0, 0.0)]


def test_five_mistakes_are_listed_each_with_its_job() -> None:
    with sweep_of("seed=1,2", "steps=0,5,-1") as (_, sweep), pytest.raises(InputError) as refused:
        jobs_of(sweep, taken=False)
    assert [line.partition("(")[2] for line in str(refused.value).splitlines()] == [
        "seed=1 steps=0)",
        "seed=1 steps=-1)",
    ]
    with sweep_of("steps=range(-9,0)") as (_, sweep), pytest.raises(InputError) as refused:
        jobs_of(sweep, taken=False)
    assert len(str(refused.value).splitlines()) == 5


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "seed=range(5,1)",
            "as it counts up from 5 and stops before 1; did you mean 'range(5,1,-1)'?",
        ),
        ("seed=range(1,1)", "it lists no value, as it counts up from 1 and stops before 1"),
        ("seed=range(1,5,0)", "the step of a range can't be 0"),
        ("optimizer.learning_rate=interval(0,1)", "Hydra's own sweeper takes no interval"),
        ("mode=glob(x*)", "it matches nothing; the choices are alternating, joint"),
        ("sweep.max_jobs=2,3", "sweep: its keys hold for all jobs, and can't be swept"),
    ],
)
def test_what_is_no_grid(word: str, message: str) -> None:
    with sweep_of(word) as (_, sweep), pytest.raises(InputError) as refused:
        jobs_of(sweep, taken=False)
    assert message in str(refused.value)


def test_max_jobs_counts_the_baselines_too() -> None:
    for most, refused in ((5, True), (6, False)):
        with sweep_of("seed=0,1", "sweep.baselines=true", f"sweep.max_jobs={most}") as (_, sweep):
            if refused:
                with pytest.raises(InputError, match="these are 6 jobs with the baselines, more than 5"):
                    jobs_of(sweep, taken=False)
            else:
                assert sum(map(len, jobs_of(sweep, taken=False))) == 6


def test_max_jobs_counts_the_combinations_that_make_sense() -> None:
    """Of which there are three here, and four values of keys times choices."""
    grid = ["weighting=fixed,cagrad", "weighting.c=0.2,0.5"]
    with sweep_of(*grid, "sweep.max_jobs=3") as (_, sweep):
        assert [job.number for job in jobs_of(sweep, taken=False)[0]] == [0, 1, 2]
    with sweep_of(*grid, "sweep.max_jobs=2") as (_, sweep), pytest.raises(InputError, match="these are 3 jobs, more"):
        jobs_of(sweep, taken=False)


@pytest.mark.parametrize("columns", ["40", "60", "80"])
def test_no_key_that_was_left_out_is_broken_on_a_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["weighting=fixed,mgda,cagrad", "weighting.c=0.2,0.5", "tasks.y1.weight=0.3"]
    said = {}
    for name, value in (("a pipe", "0"), ("a terminal", "1")):
        monkeypatch.setenv("TTY_COMPATIBLE", value)
        monkeypatch.setenv("COLUMNS", columns)
        with sweep_of(*words) as (_, sweep):
            jobs_of(sweep, taken=False)
        said[name] = capsys.readouterr().out.splitlines()
    (line,) = said["a pipe"]
    assert " ".join(said["a terminal"]).split() == line.split()
    assert len(said["a terminal"]) > 1
    assert max(map(len, said["a terminal"])) <= int(columns)


def test_each_job_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = f"hydra.sweep.dir={tmp_path}"
    shared = pytest.raises(InputError, match="jobs 0 and 1 would share the folder")
    with sweep_of(folder, "hydra.sweep.subdir=a", "seed=0,1") as (_, sweep), shared:
        jobs_of(sweep, taken=False)
    (tmp_path / "1" / ".hydra").mkdir(parents=True)
    with sweep_of(folder, "seed=0,1") as (_, sweep):
        with pytest.raises(InputError, match="1 has a run already; runs are never overwritten"):
            jobs_of(sweep, taken=False)
        assert len(jobs_of(sweep, taken=True)[0]) == 2


def test_a_terminal_shows_that_jobs_are_composed(mtl_train: MtlTrain, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["-m", "seed=0,1", "sweep.dry_run=true"]
    plain = mtl_train(*words)
    assert "composing" not in plain.out + plain.err
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    before, shown, after = mtl_train(*words).out.partition("composing the jobs")
    assert shown
    assert "jobs" not in before
    assert after.endswith(plain.out)
