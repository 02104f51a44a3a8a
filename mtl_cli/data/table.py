"""The user's own tables: one file with several labels, or a file for each task; features of any kind."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mtl_cli.data.base import Data
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.datasets.splits import Fractions
from mtl_cli.run_folder.atomic_files import fingerprint
from mtl_cli.settings import Cosmetic, Repeat
from mtl_cli.tables.dataset import rows_dataset
from mtl_cli.tables.dates import DateFormat
from mtl_cli.tables.delimited import Dialect, Encoding, Header, Separator, Thousands
from mtl_cli.tables.dtypes import Kind
from mtl_cli.tables.features import fit
from mtl_cli.tables.labelled_rows import label_rows
from mtl_cli.tables.roles import Roles
from mtl_cli.tables.schema import schema_of
from mtl_cli.tables.splits import Duplicates, assign_splits, check_learnable
from mtl_cli.tables.task_tables import Paths, read_tables
from mtl_cli.tables.warnings import notes_on
from mtl_cli.tasks import Tasks, Text

MISSING_TEXTS = ["NA", "N/A", "NaN", "nan", "null", "NULL"]


class Table(Data):
    """Tables whose first line names the columns.

    Features are all columns that nothing else names, or the ones listed. What is learned of them (means, categories)
    comes from the training rows, and the saved model does the same to the raw columns it is given.
    """

    name: Literal["table"] = "table"
    path: Paths | None = None
    val_path: Paths | None = None
    test_path: Paths | None = None
    missing: list[Text] = MISSING_TEXTS
    encoding: Encoding | None = None
    separator: Separator | None = None
    header: Header = True
    decimal: Literal[".", ","] | None = None
    thousands: Thousands | None = None
    features: list[str] | None = None
    exclude: list[str] = []
    dropped_labels: list[str] = []
    types: dict[str, Kind] = {}
    date_format: DateFormat | None = None
    text_dates: Annotated[bool, Cosmetic()] = False
    min_count: Annotated[int, Field(ge=1)] = 2
    embed_above: Annotated[int, Field(ge=1)] = 16
    weight_column: str | None = None
    split: Fractions = Fractions()
    split_column: str | None = None
    group_column: str | None = None
    duplicates: Duplicates = "keep"
    split_seed: Annotated[Annotated[int, Field(ge=0)] | None, Repeat()] = None

    @property
    def dialect(self) -> Dialect:
        """How the text files among the tables are written."""
        missing = tuple(self.missing)
        return Dialect(missing, self.encoding, self.separator, self.header, self.decimal, self.thousands)

    @property
    def _roles(self) -> Roles:
        """What the columns are for."""
        forms = self.date_format if isinstance(self.date_format, Mapping) else {}
        return Roles(
            features=self.features, exclude=self.exclude, dropped_labels=self.dropped_labels, types=self.types,
            date_forms=forms, split=self.split_column, group=self.group_column, weight=self.weight_column,
        )  # fmt: skip

    @model_validator(mode="after")
    def _check_marks(self) -> Self:
        if self.thousands is not None and self.thousands == self.decimal:
            raise ValueError(f"thousands: {self.thousands!r} is the decimal mark as well")
        return self

    def load(self, tasks: Tasks, seed: int, batch_size: int) -> Dataset:
        """Returns the tables' rows for these tasks, split."""
        tables = read_tables(tasks, self.path, {"val": self.val_path, "test": self.test_path}, self.dialect)
        rows = label_rows(tables, tasks, self._roles)
        split = assign_splits(rows, self.split, self.duplicates, seed if self.split_seed is None else self.split_seed)
        check_learnable(split, batch_size)
        features = fit(
            rows.source.frame, rows.kinds, split.numbers["train"], rows.source.place,
            date_format=self.date_format, min_count=self.min_count, embed_above=self.embed_above,
            text_dates=self.text_dates,
        )  # fmt: skip
        notes = notes_on(split, features, self.dialect)
        dataset = rows_dataset(split, features)
        files = {name: fingerprint(Path(name)) for name, _ in rows.source.files}
        schema = schema_of(features.inputs(), rows, self.dialect, self.date_format)
        return replace(dataset, notes=notes, schema=schema, files=files)
