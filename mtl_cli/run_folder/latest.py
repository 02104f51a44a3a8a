"""The link `latest` beside dated folders, to the newest run or sweep. Nothing that looks for runs follows it."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mtl_cli.run_folder.locks import is_free

LATEST: Final = "latest"
_DATED: Final = re.compile(r"(?:sweep_)?(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-\d{6})")
"""What conf/config.yaml calls the folders of runs and sweeps."""


def is_dated(folder: Path) -> bool:
    """Tells whether a folder is called by the moment that its run or sweep began.

    >>> is_dated(Path("outputs/mtl/sweep_2026-11-29_19-45-05-853703")), is_dated(Path("outputs/first"))
    (True, False)
    """
    return _DATED.fullmatch(folder.name) is not None


@contextmanager
def linked(folder: Path) -> Iterator[None]:
    """Has `latest` beside a dated folder lead to the newest from here on; back, where nothing came into the folder."""
    _point(folder.parent, but=None)
    try:
        yield
    finally:
        with suppress(OSError):
            if not folder.is_dir() or is_free(folder):
                _point(folder.parent, but=folder)


def _point(parent: Path, but: Path | None) -> None:
    """Makes the link anew, whole or not at all, which several processes may do at once; without links there is none."""
    link = parent / LATEST
    with suppress(OSError, NotImplementedError):
        if link.is_symlink():
            if not _DATED.fullmatch(str(link.readlink())):
                return
        elif link.exists():
            return
        dated = {name[1]: path for path in parent.iterdir() if path != but and (name := _DATED.fullmatch(path.name))}
        newest = max((date for date, path in dated.items() if path.is_dir() and not path.is_symlink()), default=None)
        if newest is None:
            link.unlink(missing_ok=True)
            return
        beside = parent / f".{LATEST}.{secrets.token_hex(8)}"
        beside.symlink_to(dated[newest].name, target_is_directory=True)
        try:
            beside.replace(link)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
