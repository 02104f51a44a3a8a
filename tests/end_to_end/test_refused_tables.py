"""Bad tables, and paths that lead nowhere: one clear message, and nothing left behind."""

from pathlib import Path

import pytest

from tests.support.command import MtlTrain
from tests.support.refusals import GOOD, PRICE, TABLE, assert_refused

DATA: list[tuple[str | bytes | None, list[str], str]] = [
    (None, [PRICE], "data.path: there is no file t.csv"),
    ("", [PRICE], "data.path: t.csv is empty"),
    ("a,b,price\n", [PRICE], "data.path: t.csv has a header but no rows"),
    ("a,b,price\n1,2,3\n1,2,3,4,5\n", [PRICE], "data.path: t.csv can't be read as csv"),
    (b"a,b,price\n1,2,3\n\xff\xfe,2,3\n", [PRICE], "data.path: t.csv can't be read as csv"),
    (GOOD, ["+tasks.prise.kind=regression"], "has no column 'prise'; did you mean 'price'?"),
    (GOOD, ["data.features=[a,c]", PRICE], "data.features: t.csv has no column 'c'"),
    (GOOD, ["data.features=[a,price]", PRICE], "a label can't be a feature"),
    (GOOD.replace("4,9", "4,x"), [PRICE, "+data.types.b=number"], "t.csv, row 4, column 'b' holds 'x', not a number"),
    (GOOD.replace("4,9", "4,inf"), [PRICE], "t.csv, row 4, column 'b' holds inf"),
    (GOOD, ["+tasks.price.kind=binary"], "tasks.price: t.csv, row 1, column 'price' holds 3.5, not 0 or 1"),
    (
        GOOD,
        ["+tasks.class={kind: multiclass, units: 2}"],
        "units: 2, but column 'class' has 3 classes (0, 1, 2)",
    ),
    (
        GOOD,
        ["+tasks.price.kind=multiclass"],
        "t.csv, row 1, column 'price' holds 3.5, not a whole number or text",
    ),
    (
        GOOD,
        [PRICE, "batch_size=5"],
        "batch_size: 5 is more than the 4 rows of the training split with a label of price, the task with most; of the "
        "6 rows in all splits only labelled training rows count",
    ),
    (GOOD, [PRICE, "data.split.train=0.9"], "data.split: train, val and test must add up to 1"),
    (GOOD, [PRICE, "data.split={train: 0.98, val: 0.01, test: 0.01}"], "leaves this split empty"),
    (GOOD, [PRICE, "data.split={train: 1, val: 0, test: 0}", "early_stopping.patience=3"], "needs a validation split"),
    (GOOD.replace("a,b", "a,price"), [PRICE], "has the column 'price' more than once"),
    (GOOD.replace("4,9", "4,1e300"), [PRICE], "t.csv, row 4, column 'b' holds 1e+300, not a finite number (float32)"),
    (
        GOOD.replace("4,9", "4,3.3e38").replace("1,2,", "1,-3.3e38,"),
        [PRICE],
        "t.csv, row 1, column 'b' holds -3.3e+38, not a number within 1e+37 of the others; the column goes from "
        "-3.3e+38 to 3.3e+38",
    ),
    (GOOD.replace("9,6,", "9,1e39,"), [PRICE], "tasks.price: t.csv, row 4, column 'price' holds 1e+39"),
    (GOOD, [PRICE, f"data.path={'x' * 5000}.csv"], "can't be looked up"),
    (
        GOOD.replace("\n", "\r"),
        [PRICE],
        "t.csv can't be read as csv: line 1 has rows that end with CR alone, as on old",
    ),
    (GOOD.replace("0\n", "0\r"), [PRICE], "t.csv can't be read as csv: line 2 has rows that end with CR alone"),
    (GOOD, ["+tasks.price={kind: regression, units: 3}"], "tasks.price.units: 3, but the task has 1 label columns"),
]


@pytest.mark.parametrize(("table", "arguments", "message"), DATA, ids=lambda value: str(value)[-40:])
def test_data(
    mtl_train: MtlTrain, tmp_path: Path, table: str | bytes | None, arguments: list[str], message: str
) -> None:
    if table is not None:
        (tmp_path / "t.csv").write_bytes(table.encode() if isinstance(table, str) else table)
    run = mtl_train(*TABLE, *arguments)
    assert_refused(run.status, run.err, tmp_path, message)


DEAD_ENDS = [
    ("loop.csv", "loop.csv is a link that leads round in a circle"),
    ("loop.csv/x.csv", "loop.csv is a link that leads round in a circle"),
    ("lost.csv", "lost.csv is a link that leads nowhere (to gone)"),
    ("lost.csv/x.csv", "lost.csv is a link that leads nowhere (to gone)"),
    ("t.csv/x.csv", "t.csv is a file, not a folder"),
    ("flder/x.csv", "flder; did you mean 'folder'?"),
    ("folder/deep/x.csv", "folder/deep"),
]
"""Paths, and what is said of the part of them that is to blame."""
WITH_PATHS = [
    ["data=table", PRICE, "data.path={}"],
    ["data=table", PRICE, "data.path={}/*.csv"],
    ["inspect", "{}"],
    ["resume", "{}"],
    ["report", "{}"],
    ["predict", "{}", "t.csv", "--out", "o.csv"],
    ["predict", "folder", "t.csv", "--out", "{}"],
    ["--config-dir", "{}", "steps=3"],
]


@pytest.mark.parametrize("arguments", WITH_PATHS, ids=lambda arguments: "-".join(arguments)[:40])
@pytest.mark.parametrize(("path", "message"), DEAD_ENDS)
def test_paths_that_lead_nowhere(
    mtl_train: MtlTrain, tmp_path: Path, arguments: list[str], path: str, message: str
) -> None:
    (tmp_path / "loop.csv").symlink_to("pool")
    (tmp_path / "pool").symlink_to("loop.csv")
    (tmp_path / "lost.csv").symlink_to("gone")
    (tmp_path / "folder").mkdir()
    (tmp_path / "t.csv").write_text(GOOD)
    before = sorted(tmp_path.rglob("*"))
    run = mtl_train(*(word.format(path) for word in arguments))
    assert_refused(run.status, run.err, tmp_path, message)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["data=table", PRICE, "data.path=t.csv"],
        ["data=table", PRICE, "data.path=x/t.csv"],
        ["data=table", PRICE, "data.path=x/*.csv"],
        ["inspect", "t.csv"],
        ["resume", "run"],
        ["report", "run"],
        ["predict", "run", "t.csv", "--out", "o.csv"],
    ],
)
def test_from_where_relative_paths_count(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = mtl_train(*arguments)
    message = f"(relative paths count from the working folder, {tmp_path}/elsewhere)\n"
    assert_refused(run.status, run.err, tmp_path, message)
    assert "(relative" not in mtl_train("inspect", f"{tmp_path}/u.csv").err


def test_a_cell_that_is_neither_true_nor_false(mtl_train: MtlTrain, tmp_path: Path) -> None:
    rows = ["a,b,price", *(f"{i},{'true' if i % 2 else 'FALSE'},{i}" for i in range(8))]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    assert mtl_train(*TABLE, PRICE, "steps=3", "hydra.run.dir=run").status == 0
    (tmp_path / "p.csv").write_text("a,b\n1,true\n2,False\n3,maybe\n4,\n")
    run = mtl_train("predict", "run", "p.csv", "--out", "o.csv")
    message = "p.csv, row 3, column 'b' holds 'maybe', not a whole number, true or false, as in training"
    assert_refused(run.status, run.err, tmp_path, message)
    assert not (tmp_path / "o.csv").exists()


def test_the_good_table_trains(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    tasks = [PRICE, "+tasks.sold.kind=binary", "+tasks.class.kind=multiclass"]
    assert mtl_train(*TABLE, "steps=5", *tasks).status == 0


@pytest.mark.parametrize("mode", ["joint", "alternating"])
@pytest.mark.parametrize("extra", [["eval.every=1"], ["steps=1"], ["eval.every=100", "log.every=7"]])
def test_divergence_is_told_as_such(mtl_train: MtlTrain, tmp_path: Path, mode: str, extra: list[str]) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    run = mtl_train(*TABLE, PRICE, "optimizer.learning_rate=1e38", "steps=50", *extra, f"mode={mode}")
    assert run.status == 1
    assert "diverged: " in run.err
    assert "iteration" in run.err
    assert "Warning" not in run.err
    assert run.summary()["status"] == "failed"
    assert run.losses()["iteration"].to_list()[-1] == run.summary()["iterations"] or "log.every=7" not in extra
