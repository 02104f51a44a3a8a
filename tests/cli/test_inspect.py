"""`mtl-train inspect`: the config that it writes for a table."""

import json
from pathlib import Path

import polars as pl
import pytest
import yaml
from omegaconf import OmegaConf

from mtl_cli.config import parse
from mtl_cli.tasks import KINDS
from tests.support.command import MtlTrain
from tests.support.tables import mixed

ROWS = 60
NAMES = ["yes", "null", "1e3", "a: b", "#c", "it's", 'a "b"', "a\\b", "[x]", "{y}", "*z", "&w", "~", "?", "- d", "é ü",
         "x,y", "%s", "@a", "!t", "a\tb", "a\nb", "${k}", "\\${k}", "=1+1", "2020-01-01", "0x1F", "a'b\"c",
         "a\u2028b"]  # fmt: skip


def homes() -> pl.DataFrame:
    """A table with something to check in most columns."""
    amounts = [1.17**i for i in range(ROWS)]
    return pl.DataFrame(
        {
            "zip": [f"{7 * i % 30:05d}" for i in range(ROWS)],
            "built": [f"{1 + i % 12:02d}/{1 + i % 9:02d}/2020" for i in range(ROWS)],
            "fee": [f"${13 * i % ROWS}.50" for i in range(ROWS)],
            "area": [amounts[7 * i % ROWS] for i in range(ROWS)],
            "state": [("open", "closed")[i % 2] for i in range(ROWS)],
            "price_net": [round(0.8 * amount, 2) for amount in amounts],
            "street": [f"s{i % 30}" for i in range(ROWS)],
            "rooms": [i % 5 for i in range(ROWS)],
            "price": amounts,
            "sold": [("no", "yes")[i % 2] for i in range(ROWS)],
        }
    )


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
    guess = mtl_train("inspect", "My homes.csv", "--out", "more")
    assert guess.status == 0, guess.err
    assert mtl_train("--config-dir", "more", "experiment=My_homes", "steps=20").status == 0


def test_the_closing_lines_are_broken_between_words(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal, but for the command."""
    homes().write_csv(tmp_path / "homes.csv")
    plain = mtl_train("inspect", "homes.csv", "--out", "somewhere").out.splitlines()
    for name, value in {"TTY_COMPATIBLE": "1", "COLUMNS": "60", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    narrow = mtl_train("inspect", "homes.csv", "--out", "some_other_folder", "--force").out.splitlines()
    at = next(i for i, line in enumerate(narrow) if line.startswith("wrote "))
    command = "  mtl-train --config-dir some_other_folder experiment=homes"
    assert plain[-2] == "wrote somewhere/experiment/homes.yaml, with comments on what to check; train it with"
    assert " ".join(narrow[at:-1]) == plain[-2].replace("somewhere", "some_other_folder")
    assert narrow[-1] == command
    assert max(map(len, narrow[at:])) <= 60


def test_what_inspect_writes_trains_ten_passes_over_many_rows(mtl_train: MtlTrain, tmp_path: Path) -> None:
    for rows, steps, batch in ((1_000, "4,000", 64), (300_000, "8,000", 256)):
        pl.DataFrame({"x": pl.arange(rows, eager=True) / 7, "y": pl.arange(rows, eager=True) % 90}).write_csv("t.csv")
        assert mtl_train("inspect", "t.csv", "--target", "y", "--out", str(rows)).status == 0
        words = ["--config-dir", str(rows), "experiment=t", "sweep.dry_run=true", "log.console=progress"]
        said = " ".join(mtl_train(*words).out.split())
        assert f"batches of {batch}" in said
        assert f"{steps} iterations, adam, learning rate 0.003 constant" in said
        assert "layers 256 - 256" in said


def test_the_table_marks_what_to_check_and_the_config_says_what_else_there_may_be(
    mtl_train: MtlTrain, tmp_path: Path
) -> None:
    homes().write_csv("h.csv")
    targets = [word for name in ("price", "sold", "rooms") for word in ("--target", name)]
    seen = mtl_train("inspect", "h.csv", *targets)
    assert seen.status == 0, seen.err
    table, _, check = seen.out.partition("to check:")
    marks = {line.split()[0]: line for line in table.splitlines() if line.strip()}
    for column, mark in {
        "zip": "codes?", "built": "day?", "fee": "disguised", "area": "skewed", "state": "leak?", "rooms": "amounts?",
    }.items():  # fmt: skip
        below = table.partition(marks[column])[2].splitlines()[1:3]  # where the cell is of several lines
        assert any(mark in line for line in (marks[column], *below)), column
        assert any(line.split()[:2] == [mark, column] for line in check.splitlines()), column
    assert "sold: its values stand for the classes, one by one" in " ".join(check.split())
    text = (tmp_path / "configs" / "experiment" / "h.yaml").read_text()
    for line in (
        "  # exclude: [state, price_net]   # instead, where it isn't known before the label is:",
        "  #   price_net nearly determines price: Pearson's correlation 1.0000",
        "  #   area has a long tail: ",
        "    # loss: huber   # its few large labels would count less; it has a long tail: ",
        "    kind: multiclass   # or regression (loss: mse, metric: rmse) where these are amounts",
        "  #   zip: category   # has numbers with leading zeros, as codes have",
    ):
        assert f"\n{line}" in text
    run = mtl_train("--config-dir", "configs", "experiment=h", "steps=2")
    assert run.status == 0, run.err


def test_the_config_says_why_columns_are_left_out(mtl_train: MtlTrain, tmp_path: Path) -> None:
    rows = 1200
    texts = {"name": [f"n{i % 1190}" for i in range(rows)], "unit\nof": ["kg net"] * rows}
    numbers = {"id": range(rows), "zero": [0] * rows, "gone": [None] * rows, "size": [i % 7 + 0.5 for i in range(rows)]}
    pl.DataFrame({**texts, **numbers, "y": [i % 5 / 2 for i in range(rows)]}).write_csv("t.csv")
    assert mtl_train("inspect", "t.csv", "--target", "y").status == 0
    text = (tmp_path / "configs" / "experiment" / "t.yaml").read_text()
    assert yaml.safe_load(text)["data"]["exclude"] == ["name", "unit\nof", "id", "zero", "gone"]
    assert [line for line in text.splitlines() if " rows" in line][1:] == [
        "  # name: 1,190 different texts in 1,200 rows, as an id has; take it out of exclude if it is a feature",
        "  # unit of: the same value (kg net) in all 1,200 rows",
        "  # id: 1,200 different whole numbers in 1,200 rows, as an id has; take it out of exclude if it is a feature",
        "  # zero: the same value (0) in all 1,200 rows",
        "  # gone: no value in any of 1,200 rows",
    ]
    run = mtl_train("--config-dir", "configs", "experiment=t", "steps=2", "data.exclude=[]")
    assert run.status == 0, run.err


def test_what_is_left_unsaid_of_tasks_is_written_at_its_default(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """So that a person sees what there is to change, and nothing is changed by it."""
    homes().write_csv("h.csv")
    targets = [word for name in ("price", "sold", "rooms") for word in ("--target", name)]
    assert mtl_train("inspect", "h.csv", *targets).status == 0
    file = tmp_path / "configs" / "experiment" / "h.yaml"
    written = OmegaConf.load(file)
    assert {kind.model_fields["kind"].default for kind in KINDS} == {task.kind for task in written.tasks.values()}
    for name, task in written.tasks.items():
        assert {"loss", "metric", "weight", "layers"} < set(task), name
    run = mtl_train("--config-dir", "configs", "experiment=h", "steps=2", "hydra.run.dir=said")
    assert run.status == 0, run.err
    bare = {name: {"kind": task.kind} for name, task in written.tasks.items()}
    file.write_text("# @package _global_\n" + yaml.safe_dump(yaml.safe_load(file.read_text()) | {"tasks": bare}))
    run = mtl_train("--config-dir", "configs", "experiment=h", "steps=2", "hydra.run.dir=unsaid")
    assert run.status == 0, run.err
    said, unsaid = (
        parse(yaml.safe_load((tmp_path / each / ".hydra" / "config.yaml").read_text())) for each in ("said", "unsaid")
    )
    assert said == unsaid


def test_a_table_is_shown_where_its_config_is_there(mtl_train: MtlTrain, tmp_path: Path) -> None:
    homes().write_csv("h.csv")
    file = tmp_path / "configs" / "experiment" / "h.yaml"
    assert mtl_train("inspect", "h.csv").status == 0
    file.write_text("mine")
    again = mtl_train("inspect", "h.csv", "--target", "sold")
    assert again.status == 0, again.err
    assert "task: binary" in again.out
    assert "h.yaml is there, so nothing was written; replace it with --force" in again.out
    assert file.read_text() == "mine"
    forced = mtl_train("inspect", "h.csv", "--target", "sold", "--force")
    assert forced.status == 0, forced.err
    assert list(yaml.safe_load(file.read_text())["tasks"]) == ["sold"]


def test_a_label_that_is_no_column_is_refused_with_what_was_meant(mtl_train: MtlTrain, tmp_path: Path) -> None:
    homes().write_csv("h.csv")
    wrong = mtl_train("inspect", "h.csv", "--target", "pric")
    assert wrong.status == 2
    assert wrong.err == "mtl-train: --target: there is no column 'pric'; did you mean 'price'?\n"
    wrong = mtl_train("inspect", "h.csv", "--target", "street")
    assert wrong.status == 2
    assert wrong.err == (
        "mtl-train: --target: 'street' (text, 30 different) can't be a label: those are numbers, or texts of "
        "which 2 to 20 are different\n"
    )
    assert not (tmp_path / "configs").exists()


@pytest.mark.parametrize("stem", ["2024", "on", "null", "1e3", "été 2"])
def test_a_table_of_any_name_makes_an_experiment(mtl_train: MtlTrain, tmp_path: Path, stem: str) -> None:
    homes().write_csv(f"{stem}.csv")
    seen = mtl_train("inspect", f"{stem}.csv", "--target", "price")
    assert seen.status == 0, seen.err
    words = seen.out.strip().splitlines()[-1].split()[1:]
    run = mtl_train(*words, "steps=1")
    assert run.status == 0, run.err
    assert f"outputs/{words[-1].removeprefix('experiment=')}/" in run.folder.as_posix()


def test_any_column_is_named_in_yaml_as_it_is(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Whatever it is: left out, dates, a category, a label."""
    cells: dict[str, list[object]] = {}
    for i, name in enumerate(NAMES):
        cells[f"{name}"] = [f"n{row}" for row in range(ROWS)] if i % 2 else [1] * ROWS
        cells[f"{name} d"] = [f"{1 + row % 28}.{1 + row // 28}.2024" for row in range(ROWS)]
        cells[f"{name} y"] = [(7 * row + i) % 13 + 0.5 for row in range(ROWS)]
    labels = [f"{name} y" for name in NAMES]
    pl.DataFrame(cells).with_columns(x=pl.Series([row % 9 for row in range(ROWS)])).write_parquet("t.parquet")
    seen = mtl_train("inspect", "t.parquet", *(word for label in labels for word in ("--target", label)))
    assert seen.status == 0, seen.err
    written = OmegaConf.load(tmp_path / "configs" / "experiment" / "t.yaml")
    assert list(written.data.exclude) == NAMES
    assert list(written.data.date_format) == [f"{name} d" for name in NAMES]
    assert [task.column for task in written.tasks.values()] == labels
    words = ["--config-dir", "configs", "experiment=t", "sweep.dry_run=true"]
    assert mtl_train(*words).status == 0
