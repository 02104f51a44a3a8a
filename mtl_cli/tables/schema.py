"""`columns.json`: the raw columns that a run's model takes, and what it gives for each task.

A run's folder may come from others, so all that is made use of is checked first, and then held to the model.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from mtl_cli.config_errors import describe
from mtl_cli.errors import InputError
from mtl_cli.settings import Settings
from mtl_cli.tables.dates import DateFormat
from mtl_cli.tables.delimited import Dialect, Encoding, Header, Separator, Thousands
from mtl_cli.tables.dtypes import LONGEST_NAME
from mtl_cli.tables.labelled_rows import LabelledRows
from mtl_cli.tables.model_inputs import Input, InputKind
from mtl_cli.tasks import MOST_TASKS, TASK_NAME, Binary
from mtl_cli.untrusted.escaping import SHOWN
from mtl_cli.untrusted.files import read_json

LONGEST_CLASS: Final = LONGEST_NAME + len("not ")
"""Characters of a class: where a column has one class alone, the other is its opposite."""
MOST_INPUTS: Final = 100_000
MOST_CLASSES: Final = 1_000_000
MOST_MISSING: Final = 10_000
"""Texts that stand for a missing value; each is looked for in every cell."""

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Class = str | int | bool


class Column(Settings):
    """A raw column that the model takes."""

    name: Name
    kind: InputKind


class Predicted(Settings):
    """What the model gives for a task.

    Attributes:
        columns: The label columns it learned from.
        classes: As the label column has them; none for a regression, or for several columns.
        probabilities: The classes that the model gives probabilities of: all, or of two the second one.
    """

    columns: Annotated[list[Name], Field(min_length=1, max_length=MOST_INPUTS)]
    classes: Annotated[list[Any], Field(max_length=MOST_CLASSES)]
    probabilities: Annotated[list[Any], Field(max_length=MOST_CLASSES)]

    @property
    def width(self) -> int:
        """How many numbers the model gives for a row."""
        return len(self.probabilities or self.columns)

    @field_validator("columns")
    @classmethod
    def _check_columns(cls, columns: list[str]) -> list[str]:
        _refuse_twice(columns)
        return columns

    @field_validator("classes", "probabilities")
    @classmethod
    def _check_classes(cls, classes: list[Any]) -> list[Any]:
        for given in classes:
            if type(given) not in (str, int, bool) or type(given) is not type(classes[0]):
                raise ValueError(f"all are texts, all whole numbers or all true and false, got {_shown(given)}")
            if isinstance(given, str) and (len(given) > LONGEST_CLASS or not _encodable(given)):
                raise ValueError(f"a class is a text of at most {LONGEST_CLASS} characters, got {_shown(given)}")
            if isinstance(given, int) and not -(2**63) <= given < 2**63:
                raise ValueError(f"a class is a number of 64 bits, got {_shown(given)}")
        _refuse_twice(classes)
        return classes

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if len(self.classes) == 1:
            raise ValueError(f"classes: there are two or more, or none, got {_shown(self.classes)}")
        if self.classes and len(self.columns) > 1:
            raise ValueError(f"classes: a task with {len(self.columns)} columns has none, got {_shown(self.classes)}")
        given = [self.classes, self.classes[1:]] if len(self.classes) == 2 else [self.classes]
        if self.probabilities not in given:
            rule = "those of all classes, or of two the second one's"
            raise ValueError(f"probabilities: the model gives {rule}, got {_shown(self.probabilities)}")
        return self


class Schema(Settings):
    """What `columns.json` holds."""

    inputs: Annotated[list[Column], Field(min_length=1, max_length=MOST_INPUTS)]
    date_format: DateFormat | None
    missing: Annotated[list[Annotated[str, Field(max_length=LONGEST_NAME)]], Field(max_length=MOST_MISSING)]
    encoding: Encoding | None = None
    separator: Separator | None = None
    header: Header = True
    decimal: Literal[".", ","] | None = None
    thousands: Thousands | None = None
    strip: bool = False
    tasks: Annotated[dict[str, Predicted], Field(min_length=1, max_length=MOST_TASKS)]

    @property
    def dialect(self) -> Dialect:
        """How the text files are written that it learned from."""
        missing = tuple(self.missing)
        return Dialect(missing, self.encoding, self.separator, self.header, self.decimal, self.thousands, self.strip)

    def columns(self) -> list[Input]:
        """Returns the raw columns, as rows are read for them."""
        return [Input(column.name, column.kind) for column in self.inputs]

    def names(self, task: str) -> list[str]:
        """Returns the columns of a task's predictions."""
        return prediction_names(task, self.tasks[task].columns, self.tasks[task].probabilities)

    @field_validator("inputs")
    @classmethod
    def _check_inputs(cls, inputs: list[Column]) -> list[Column]:
        _refuse_twice([column.name for column in inputs])
        return inputs

    @field_validator("tasks", mode="before")
    @classmethod
    def _check_names(cls, tasks: Any) -> Any:
        for task in tasks if isinstance(tasks, dict) else ():
            if not TASK_NAME.fullmatch(task) or len(task) > LONGEST_NAME:
                raise ValueError(f"a task's name is a letter followed by letters, digits or '_', got {_shown(task)}")
        return tasks

    @model_validator(mode="after")
    def _check_predictions(self) -> Self:
        owners: dict[str, str] = {}
        for task in self.tasks:
            for name in self.names(task):
                other = owners.setdefault(name, task)
                if other != task:
                    raise ValueError(f"tasks.{task}: its predictions and those of tasks.{other} have a column {name!r}")
        return self


def schema_of(
    inputs: Sequence[Input], rows: LabelledRows, dialect: Dialect, date_format: str | Mapping[str, str] | None
) -> dict[str, Any]:
    """Returns what `columns.json` is to hold.

    Args:
        inputs: The raw columns that the model takes.
        rows: The rows that it learns from.
        dialect: How the text files among their tables are written.
        date_format: How dates are to be read, in all columns or by column.

    Raises:
        InputError: Predictions of two tasks would have the same column.
    """
    tasks: dict[str, Any] = {
        name: {
            "columns": list(labels.cells),
            "classes": labels.classes,
            "probabilities": labels.classes[isinstance(labels.task, Binary) :],
        }
        for name, labels in rows.labels.items()
    }
    owners: dict[str, str] = {}
    for name, task in tasks.items():
        for column in prediction_names(name, task["columns"], task["probabilities"]):
            if column in owners:
                raise InputError(
                    f"tasks.{name}: its predictions and those of tasks.{owners[column]} would both have a column "
                    f"{column!r}; rename one of the tasks"
                )
            owners[column] = name
    decimal = "," if rows.tables[0].source.notation.decimal == "," else dialect.decimal
    return {
        "inputs": [column._asdict() for column in inputs],
        "date_format": date_format,
        "encoding": dialect.encoding,
        "separator": dialect.separator,
        "header": dialect.header,
        "strip": dialect.strip,
        "missing": list(dialect.missing),
        "decimal": decimal,
        "thousands": dialect.thousands,
        "tasks": tasks,
    }


def prediction_names(task: str, columns: list[str], probabilities: list[Any]) -> list[str]:
    """Returns the columns of a task's predictions.

    A classification's are `<task>`, the likeliest class, and `<task>_<class>` for the classes whose probabilities the
    model gives (binary: the positive one's); a regression's `<task>`, or `<task>_<column>` where there are several.
    """
    if probabilities:
        return [task, *(f"{task}_{str(c).lower() if isinstance(c, bool) else c}" for c in probabilities)]
    return [task] if len(columns) == 1 else [f"{task}_{column}" for column in columns]


def read_schema(file: Path) -> Schema:
    """Returns what a run's `columns.json` holds.

    Raises:
        InputError: It can't be read, or something in it is wrong; the first such thing is named.
    """
    try:
        content = read_json(file)
    except (OSError, ValueError) as error:
        raise InputError(f"RUN_DIR: {file} can't be read: {error}") from error
    try:
        return Schema.model_validate(content)
    except ValidationError as error:
        detail = error.errors()[0]
        raise InputError(f"RUN_DIR: {file}: {describe(Schema, detail | {'input': _Shown(detail['input'])})}") from None


class _Shown:
    """A value as a message shows it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        text = repr(self._value)
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."

    __str__ = __repr__


def _shown(value: Any) -> str:
    return repr(_Shown(value))


def _refuse_twice(values: Sequence[Any]) -> None:
    seen = set[Any]()
    for value in values:
        if value in seen:
            raise ValueError(f"{_shown(value)} is there twice")
        seen.add(value)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
