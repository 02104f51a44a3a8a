"""Which jobs of a sweep are trained."""

from pathlib import Path

from mtl_cli.identity import config_hash
from mtl_cli.sweeps.plan import plan
from mtl_cli.training.job import Job
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.sweeps import summaries


def test_a_job_that_is_there_twice_is_trained_once(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train("-m", "tasks.y1.weight=0.5,null", "seed=3,3", "steps=20", "hydra.sweep.dir=s")
    assert done.status == 0
    assert "4 jobs, 1 program, 20 iterations; 3 duplicates trained once" in done.out
    files = {number: (tmp_path / "s" / number / "losses.csv").read_bytes() for number in "0123"}
    assert len(set(files.values())) == 1
    assert summaries(tmp_path / "s")["2"]["overrides"][0] == "tasks.y1.weight=null"


def test_jobs_that_write_other_files_are_trained_each() -> None:
    """Though what they come to is the same."""
    jobs = [Job(i, composed(*words), ()) for i, words in enumerate(([], ["log.every=2"], ["checkpoint.keep=3"], []))]
    planned = plan(jobs)
    assert planned.trained == 3
    assert {first: [job.number for job in twins] for first, twins in planned.twice.items()} == {0: [3]}
    assert len({config_hash(job.config) for job in jobs}) == 1
