"""Paths that were given and lead nowhere: which part of them is to blame, and what was probably meant."""

from pathlib import Path

from mtl_cli.errors import InputError, nearest


def blocked(path: Path) -> str | None:
    """Returns what on the way keeps a path from leading to anything; None where at most its last part is missing.

    >>> blocked(Path(__file__) / "x.csv").endswith("paths.py is a file, not a folder"), blocked(Path("x.csv"))
    (True, None)
    """
    for part in (*reversed(path.parents), path):
        if part.is_symlink() and not part.exists():
            target = part.readlink()
            circle = (part.parent / target).is_symlink()
            return f"{part} is a link that leads {'round in a circle' if circle else f'nowhere (to {target})'}"
        if part == path or part.is_dir():
            continue
        return f"{part} is a file, not a folder" if part.exists() else f"there is no folder {part}{_other(part)}"
    return None


def from_where(path: Path | str) -> str:
    """Returns from where a path counts, behind a message about one that isn't there; nothing for an absolute one."""
    return "" if Path(path).is_absolute() else f" (relative paths count from the working folder, {Path.cwd()})"


def check_folder(path: Path, key: str) -> Path:
    """Returns the folder at a path; where that is a link, as `latest`, the one that it leads to at this moment.

    Raises:
        InputError: There is none.
    """
    try:
        if path.is_dir():
            while path.is_symlink():
                path = path.parent / path.readlink()
            return path
        why = blocked(path) or blocked(path / "x")
    except OSError as error:
        raise InputError(f"{key}: {str(path)[:60]} can't be looked up: {error.strerror}") from error
    raise InputError(f"{key}: {why or f'there is no folder {path}'}{from_where(path)}")


def _other(folder: Path) -> str:
    """Returns the hint at a folder beside one that isn't there."""
    names = [beside.name for beside in folder.parent.glob("*") if beside.is_dir() and not beside.name.startswith(".")]
    return f"; {nearest(folder.name, names, 'folders')}" if names else ""
