"""Configs of jobs: those that Hydra composes, which it isn't asked for each time."""

from collections.abc import Sequence

import pytest
from omegaconf import DictConfig, OmegaConf

from mtl_cli.sweeps.job_configs import Composer
from tests.support.sweeps import sweep_of

JOBS: dict[str, list[list[str]]] = {
    "numbers": [[f"seed={i}", f"tasks.y1.weight={i / 8}"] for i in range(4)],
    "null and true": [["eval.every=3", "model.use_bias=true"], ["eval.every=null", "model.use_bias=false"]],
    "texts": [["name=a"], ["name=b"], ["name=a"]],
    "lists": [["model.shared_layers=[3]"], ["model.shared_layers=[4,5]"], ["model.shared_layers=[]"]],
    "groups": [["mode=joint", "seed=1"], ["mode=alternating", "seed=1"], ["mode=joint", "seed=2"]],
    "keys of a group": [["optimizer=sgd", "optimizer.momentum=0.5"], ["optimizer=sgd", "optimizer.momentum=0"]],
    "new keys": [["+tasks.y3.kind=binary", "seed=1"], ["seed=2"], ["~tasks.y1", "seed=3"]],
    "Hydra's": [["hydra.job.name=a", "seed=1"], ["hydra.job.name=b", "seed=2"]],
    "a value that another one stands for": [["steps=5", "+x=${steps}"], ["steps=6", "+x=${steps}"]],
    "one key in two orders": [["seed=1", "steps=2"], ["steps=3", "seed=4"], ["seed=5", "steps=6"]],
}


@pytest.mark.parametrize("kind", JOBS)
def test_a_jobs_config_is_hydras(kind: str) -> None:
    with sweep_of() as (loader, sweep):
        composer = Composer(loader, sweep)
        for job in [*JOBS[kind], *JOBS[kind]]:
            found = OmegaConf.to_container(composer(job))
            assert found == OmegaConf.to_container(loader.load_sweep_config(sweep, job)), job


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("numbers", 2), ("null and true", 2), ("texts", 3), ("groups", 3), ("one key in two orders", 3)],
)
def test_hydra_is_asked_twice_where_jobs_differ_in_plain_values(
    monkeypatch: pytest.MonkeyPatch, kind: str, asked: int
) -> None:
    """Once for the config, once to see that setting values in it gives the same; else for each, or each set of keys."""
    with sweep_of() as (loader, sweep):
        calls: list[Sequence[str]] = []
        compose = loader.load_sweep_config

        def counted(config: DictConfig, job: list[str]) -> DictConfig:
            calls.append(job)
            return compose(config, job)

        monkeypatch.setattr(loader, "load_sweep_config", counted)
        composer = Composer(loader, sweep)
        for job in JOBS[kind]:
            composer(job)
        assert len(calls) == asked


def test_a_job_that_was_composed_is_spared_once() -> None:
    with sweep_of() as (loader, sweep):
        Composer(loader, sweep).spare([["seed=1"]])
        assert loader.load_sweep_config(sweep, ["seed=1"]) is sweep
        assert loader.load_sweep_config(sweep, ["seed=1"]).seed == 1
        assert loader.load_sweep_config(sweep, ["seed=2"]).seed == 2
