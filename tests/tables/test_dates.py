"""Dates in any form: found, and read as they are."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mtl_cli.tables.dates import forms_of
from mtl_cli.tables.dtypes import to_days
from tests.support.command import MtlTrain
from tests.support.tables import kinds_of, place

MOMENTS = [datetime(2019, 12, 28, 3, 4, 5) + timedelta(hours=17 * i) for i in range(40)]
FORMS = [
    "%d.%m.%Y", "%d.%m.%y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%Y/%m/%d", "%d %b %Y", "%d %B %Y", "%B %d, %Y",
    "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d/%m/%Y %H:%M:%S",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_dates_is_found_and_reads_them(form: str) -> None:
    """As Python's own strftime writes them."""
    written = [moment.strftime(form) for moment in MOMENTS]
    (found,) = forms_of(pl.Series(written))
    expected = [(datetime.strptime(text, form) - datetime(1970, 1, 1)) / timedelta(days=1) for text in written]
    assert to_days(pl.Series(written), "x", found, place) == pytest.approx(np.array(expected, np.float32), abs=2e-3)


@pytest.mark.parametrize(
    ("cells", "forms"),
    [
        (["1/2/2020", "3/4/2020", "2/1/2020"], ["%m/%d/%Y", "%d/%m/%Y"]),
        (["1/2/2020", "2/2/2020", "1/3/2020"], ["%d/%m/%Y"]),
        (["2/1/2020", "1/2/2020"], ["%m/%d/%Y", "%d/%m/%Y"]),
        (["1.2.2020", "3.4.2020", "2.1.2020"], ["%d.%m.%Y"]),
        (["31.12.2020"], ["%d.%m.%Y"]),
        (["2020-01-31", "2020-02-01 10:00"], ["ISO 8601"]),
        (["2020-01-31T10:00:00Z", "2020-02-01T10:00:00.5Z"], ["ISO 8601"]),
        (["1/2/2020", "soon"], []),
        (["1.2.3", "4.5.6"], []),
        (["10/10/0020", "1/1/0021"], []),
        ([20200131, 20201231], ["%Y%m%d"]),
        ([20200131, 20201331], []),
        ([1, 2], []),
    ],
)
def test_which_forms_cells_have(cells: list[Any], forms: list[str]) -> None:
    assert forms_of(pl.Series(cells)) == forms


def test_dates_in_any_form_are_the_same_to_the_model(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """One column, written in four forms: the same losses, and the same predictions from each file."""
    moments = [datetime(2020, 1, 3) + timedelta(days=3 * i) for i in range(60)]
    forms = {"a": "%Y-%m-%d", "b": "%m/%d/%Y", "c": "%d.%m.%y", "d": "%Y%m%d"}
    columns = {name: [moment.strftime(form) for moment in moments] for name, form in forms.items()}
    columns["e"] = [str(int((moment - datetime(1970, 1, 1)).total_seconds())) for moment in moments]
    given = {name: f"data.date_format={{when: '{form}'}}" for name, form in (forms | {"e": "seconds"}).items()}
    losses, predictions = set(), set()
    for name, cells in columns.items():
        pl.DataFrame({"when": cells, "y": [i % 7 for i in range(60)]}).write_csv(tmp_path / f"{name}.csv")
        words = ["data=table", f"data.path={name}.csv", "+tasks.y.kind=regression", "batch_size=8", "steps=20"]
        run = mtl_train(*words, given[name], f"hydra.run.dir={name}")
        assert run.status == 0, run.err
        assert kinds_of(tmp_path / name) == {"when": "date"}
        assert mtl_train("predict", name, f"{name}.csv", "--out", f"{name}.p.csv").status == 0
        losses.add((tmp_path / name / "losses.csv").read_bytes())
        predictions.add((tmp_path / f"{name}.p.csv").read_bytes())
    assert len(losses) == len(predictions) == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.date_format=soon", "data.date_format: a form of dates is like '%d.%m.%Y', seconds or milliseconds, got"),
        ("data.date_format={x: 5}", "data.date_format: x: a form of dates is like"),
        ("data.date_format={no: '%Y'}", "data.date_format.no: no feature has this name; the features are x"),
        ("data.date_format={x: '%d/%m/%Y'}", "t.csv, row 1, column 'x' holds 0, not a date in the form '%d/%m/%Y'"),
    ],
)  # fmt: skip
def test_forms_of_dates_are_checked(mtl_train: MtlTrain, tmp_path: Path, override: str, message: str) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{i % 3}\n" for i in range(40)))
    run = mtl_train("data=table", "data.path=t.csv", "+tasks.y.kind=regression", "batch_size=4", override)
    assert (run.status, len(run.err.splitlines())) == (2, 1)
    assert message in run.err
