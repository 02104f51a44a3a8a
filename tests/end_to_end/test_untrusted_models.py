"""Models of others: no code of theirs is run."""

import zipfile
from pathlib import Path
from typing import Any

import polars as pl

from tests.support.command import MtlTrain

LAYER = b'{"module":"keras.layers","class_name":1}'


def tampered(source: Path, target: Path, **changed: Any) -> None:
    """Writes a model's file with some of its parts changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, changed.get(name.partition(".")[0], lambda text: text)(content))
        for name in changed.get("more", ()):
            new.writestr(name, "x")


def test_models_of_others(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{'@no' if i % 2 else '=yes'}\n" for i in range(40)))
    table = ["data=table", "data.path=t.csv", "batch_size=2", "steps=2", "+tasks.y.kind=binary"]
    assert mtl_train(*table, "hydra.run.dir=run").status == 0
    assert mtl_train("predict", "run", "t.csv", "--out", "p.csv", "--id", "y").status == 2  # a prediction's name
    assert mtl_train("predict", "run", "t.csv", "--out", "p.csv").status == 0
    assert set(pl.read_csv(tmp_path / "p.csv")["y"]) <= {"'=yes", "'@no"}
    assert mtl_train("predict", "run", "t.csv", "--out", "p.parquet").status == 0
    assert set(pl.read_parquet(tmp_path / "p.parquet")["y"]) <= {"=yes", "@no"}
    good = tmp_path / "good.keras"
    (tmp_path / "run" / "model.keras").rename(good)
    attacks: list[tuple[dict[str, Any], str]] = [
        ({"config": lambda text: text.replace(b'"keras.layers"', b'"os"', 1)}, "names code of the module 'os'"),
        ({"config": lambda text: text.replace(b'"Dense"', b'"Lambda"', 1)}, "a Lambda layer"),
        ({"config": lambda text: text.replace(b'"units": 256', b'"units": 2000000000', 1)}, "its layers are of"),
        ({"config": lambda text: b'{"a": [' + b",".join([LAYER] * 25_001) + b"]}"}, "it has 25,001 layers"),
        ({"config": lambda text: b"[" * 100_000}, "its config.json can't be read"),
        ({"config": lambda text: b"{}"}, "is damaged, or not a model"),
        ({"model": lambda text: bytes(2**26)}, "that unpack to"),
        ({"more": ["../../owned"]}, "it has files for other folders"),
    ]
    for changed, message in attacks:
        tampered(good, tmp_path / "run" / "model.keras", **changed)
        refused = mtl_train("predict", "run", "t.csv", "--out", "p.csv", "--force")
        assert refused.status == 2, refused.err
        assert message in refused.err
        assert len(refused.err.splitlines()) == 1
    columns = tmp_path / "run" / "columns.json"
    good.rename(tmp_path / "run" / "model.keras")
    columns.write_text(columns.read_text().replace('"y": {', '"z": {'))
    assert "don't belong together" in mtl_train("predict", "run", "t.csv", "--out", "q.csv").err
