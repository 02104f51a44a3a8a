"""Folders of runs and sweeps that earlier versions left are gone on with, reported on and predicted with.

`older/` has what two commits left of `steps=20` with small networks, without logs and without the second job of the
sweep; the places in it are made up.
"""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.support.command import MtlTrain

OLDER = Path(__file__).parent / "older"
ROWS = {"train": 42, "val": 9, "test": 9}
"""Of the table: 0.7, 0.15 and 0.15 of 60."""
VERSIONS = sorted(folder.name for folder in OLDER.iterdir())


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    shutil.copytree(OLDER / request.param, tmp_path, dirs_exist_ok=True)
    return str(request.param)


@pytest.mark.usefixtures("version")
def test_a_run_goes_on(mtl_train: MtlTrain, tmp_path: Path) -> None:
    before = (tmp_path / "run" / "losses.csv").read_text()
    longer = mtl_train("resume", "run", "steps=30")
    assert longer.status == 0, longer.err
    assert "going on from iteration 20" in longer.err
    losses = (tmp_path / "run" / "losses.csv").read_text()
    assert losses.startswith(before)
    assert mtl_train("steps=30", "model.shared_layers=[3]", "hydra.run.dir=straight").status == 0
    assert losses == (tmp_path / "straight" / "losses.csv").read_text()


@pytest.mark.usefixtures("version")
def test_a_sweep_goes_on(mtl_train: MtlTrain, tmp_path: Path) -> None:
    more = mtl_train("resume", "sweep", "seed=0,1,2")
    assert more.status == 0, more.err
    assert "1 of 3 jobs are done" in more.out
    assert pl.read_csv(tmp_path / "sweep" / "sweep.csv")["seed"].to_list() == [0, 1, 2]


def test_a_config_that_names_the_callback_of_4c20449_is_composed_without_it(
    mtl_train: MtlTrain, tmp_path: Path
) -> None:
    """As copies of that version's main config do; the command checks configs by itself now."""
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    hydra = yaml.safe_load((OLDER / "4c20449" / "sweep" / "multirun.yaml").read_text())["hydra"]
    callbacks = {"hydra": {"callbacks": hydra["callbacks"]}}
    (tmp_path / "own" / "experiment" / "x.yaml").write_text(f"# @package _global_\n{yaml.safe_dump(callbacks)}")
    run = mtl_train("--config-dir", "own", "experiment=x", "steps=2")
    assert run.status == 0, run.err


@pytest.mark.usefixtures("version")
def test_they_are_reported_on(mtl_train: MtlTrain) -> None:
    for folder, said in (("run", "20 iterations"), ("table", "best iteration 20"), ("sweep", "seed")):
        report = mtl_train("report", folder)
        assert report.status == 0, report.err
        assert said in report.out


@pytest.mark.usefixtures("version")
def test_the_model_of_a_table_predicts(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Over all rows the error is the one that was recorded then, by split."""
    predicted = mtl_train("predict", "table", "rows.csv", "--out", "p.csv")
    assert predicted.status == 0, predicted.err
    rows, found = pl.read_csv(tmp_path / "rows.csv"), pl.read_csv(tmp_path / "p.csv")
    metrics = json.loads((tmp_path / "table" / "summary.json").read_text())["metrics"]
    recorded = sum(count * metrics[split]["price"]["mse"] for split, count in ROWS.items())
    assert ((found["price"] - rows["price"]) ** 2).sum() == pytest.approx(recorded, rel=1e-5)
