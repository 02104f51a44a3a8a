"""A run's folder while it trains: what grows with each chunk, and the checkpoints that it can go on from."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from mtl_cli.run_folder.atomic_files import RUN_FILES, Mark
from mtl_cli.run_folder.checkpoints import Checkpoints, Snapshot
from mtl_cli.run_folder.csv_files import ChunkRecord, Output

KEPT_FROM_BEFORE = ("train.log",)
KEPT_WHEN_RESUMED = ("model.keras", "columns.json")


class RunFolder:
    """The outputs of a run, open from `open` until the block ends, and its checkpoints."""

    def __init__(self, path: Path, outputs: Sequence[Output], checkpoints: Checkpoints) -> None:
        """Takes the folder, what the run writes into it as it trains, and its checkpoints."""
        self.path = path
        self.checkpoints = checkpoints
        self._outputs = {output.name: output for output in outputs}
        self._opened = ExitStack()

    @property
    def names(self) -> set[str]:
        """The outputs' names."""
        return set(self._outputs)

    @property
    def marks(self) -> dict[str, Mark]:
        """How far each output is written."""
        return {name: output.mark for name, output in self._outputs.items()}

    def __enter__(self) -> Self:
        """Returns the folder."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Closes the outputs."""
        self._opened.close()

    def open(self, marks: Mapping[str, Mark]) -> None:
        """Opens the outputs: where there are marks as they were then, else new, and removes what else a run left."""
        kept = {*marks, *KEPT_FROM_BEFORE, *(KEPT_WHEN_RESUMED if marks else ())}
        for name in set(RUN_FILES) - kept:
            (self.path / name).unlink(missing_ok=True)
        for name, output in self._outputs.items():
            output.begin(marks.get(name))
            self._opened.callback(output.close)

    def record(self, chunk: ChunkRecord) -> None:
        """Writes what there is to write of a chunk.

        Raises:
            RunFailed: A file can't be written.
        """
        for output in self._outputs.values():
            output.record(chunk)

    def save(self, snapshot: Snapshot) -> None:
        """Writes a checkpoint, and makes sure that what it counts on is on the disk before it.

        Raises:
            RunFailed: A file can't be written.
        """
        for output in self._outputs.values():
            output.sync()
        self.checkpoints.write(snapshot)

    def cut(self, marks: Mapping[str, Mark]) -> None:
        """Takes every output back to an earlier mark."""
        for name, output in self._outputs.items():
            output.cut(marks[name])
