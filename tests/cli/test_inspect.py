"""`mtl-train inspect`: the config that it writes for a table."""

import json
from pathlib import Path

import polars as pl

from tests.support.command import MtlTrain
from tests.support.tables import mixed


def test_a_config_is_written_for_an_unknown_table(mtl_train: MtlTrain, tmp_path: Path) -> None:
    frame = mixed(300).with_row_index("id").rename({"price": "${price} of it"})
    frame.with_columns(same=1).write_csv(tmp_path / "My homes.csv")
    look = mtl_train("inspect", "My homes.csv", "--target", "${price} of it", "--target", "sold")
    assert look.status == 0, look.err
    assert "mtl-train --config-dir configs experiment=My_homes" in look.out
    run = mtl_train("--config-dir", "configs", "experiment=My_homes", "steps=20")
    assert run.status == 0, run.err
    assert set(run.summary()["metrics"]["test"]) == {"price_of_it", "sold"}
    names = {each["name"] for each in json.loads((run.folder / "columns.json").read_text())["inputs"]}
    assert names == set(frame.columns) - {"id", "${price} of it", "sold"}
    again = mtl_train("inspect", "My homes.csv")
    assert again.status == 2
    assert "exists; it is not overwritten" in again.err
    guess = mtl_train("inspect", "My homes.csv", "--out", "more")
    assert guess.status == 0, guess.err
    assert mtl_train("--config-dir", "more", "experiment=My_homes", "steps=20").status == 0


def test_what_inspect_writes_trains_ten_passes_over_many_rows(mtl_train: MtlTrain, tmp_path: Path) -> None:
    for rows, steps, batch in ((1_000, "4,000", 64), (300_000, "8,000", 256)):
        pl.DataFrame({"x": pl.arange(rows, eager=True) / 7, "y": pl.arange(rows, eager=True) % 90}).write_csv("t.csv")
        assert mtl_train("inspect", "t.csv", "--target", "y", "--out", str(rows)).status == 0
        words = ["--config-dir", str(rows), "experiment=t", "sweep.dry_run=true", "log.console=progress"]
        said = " ".join(mtl_train(*words).out.split())
        assert f"batches of {batch}" in said
        assert f"{steps} iterations, adam, learning rate 0.003 constant" in said
        assert "layers 256 - 256" in said
