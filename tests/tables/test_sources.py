"""Tables one after the other: their names, and columns that some of them lack."""

import pytest

from mtl_cli.tables.sources import join
from tests.support.table_rows import source


@pytest.mark.parametrize(("count", "name"), [(1, "0.csv"), (2, "0.csv and 1 more"), (3, "0.csv and 2 more")])
def test_the_name_of_files(count: int, name: str) -> None:
    assert join([source(f"{i}.csv", a=[i]) for i in range(count)], ["a"]).name == name


def test_a_column_that_a_table_lacks_is_missing_in_its_rows() -> None:
    whole = join(
        [source("1.csv", a=[1, 2]), source("2.csv", b=["u", "v"]), source("3.csv", a=[5.5], b=["w"])], ["b", "a"]
    )
    assert whole.frame.to_dict(as_series=False) == {"b": [None, None, "u", "v", "w"], "a": [1, 2, None, None, 5.5]}
    assert [whole.place(row) for row in (1, 2, 4)] == ["1.csv, row 2", "2.csv, row 1", "3.csv, row 1"]
