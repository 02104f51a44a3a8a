"""What Hydra makes for a run or a sweep, which is taken away again where nothing came of it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.run_folder.locks import LOCK


def absolute(folder: str) -> Path:
    """Returns the path without `..`, as Hydra makes it."""
    return Path(os.path.abspath(folder))  # noqa: PTH100 (`Path.absolute` keeps `..`, `resolve` follows links)


def has_run(folder: Path) -> bool:
    """Tells whether a run was begun in a folder."""
    return any((folder / name).exists() for name in ("losses.csv", "summary.json"))


@contextmanager
def placing(folder: Path, *, discards: bool) -> Iterator[None]:
    """Says of an error of the block's what folder it is of, where it doesn't say so: Hydra writes there.

    Args:
        folder: The folder.
        discards: Whether Hydra's files in it are removed then, if there is nothing of a run.
    """
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(folder)
        if discards:
            discard(folder)
        raise


def discard(folder: Path) -> None:
    """Removes what Hydra made for a run, where there is none: its log, and its folder of configs."""
    if has_run(folder):
        return
    for handler in logging.getLogger().handlers:
        handler.close()
        if isinstance(handler, logging.FileHandler) and folder in (file := Path(handler.baseFilename)).parents:
            file.unlink(missing_ok=True)
    for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
        (folder / CONFIGS / name).unlink(missing_ok=True)
    remove_empty(folder / CONFIGS, folder)


def discard_sweep(sweep: Path) -> None:
    """Removes what Hydra writes of a sweep before its jobs, where nothing else came into its folder."""
    names = {"multirun.yaml", "sweep.csv", "sweep.md"}
    with suppress(OSError):
        if {path.name for path in sweep.iterdir()} <= {*names, LOCK}:
            for name in names:
                (sweep / name).unlink(missing_ok=True)


def remove_empty(folder: Path, end: Path) -> None:
    """Removes the folder and those above it, as long as they are empty, up to one that stays."""
    with suppress(OSError):
        while folder != end and end in folder.parents:
            folder.rmdir()
            folder = folder.parent
