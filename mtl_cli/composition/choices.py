"""What is said of a choice that a config group doesn't have: who has it, and where one of the user's own may be."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from hydra.core.config_loader import ConfigLoader
from hydra.core.object_type import ObjectType

from mtl_cli.errors import closest, nearest

MAIN: Final = "config"
"""The main config of the project's folder."""
ENDINGS: Final = (".yaml", ".yml")
OWN: Final = "experiment"
"""The group whose choices are mostly the user's own."""


def no_such_choice(loader: ConfigLoader, file: str) -> str:
    """Returns what is wrong with a choice, which Hydra looked for as the file `<group>/<choice>`."""
    groups = ["hydra/launcher", "hydra/sweeper", *_groups(loader)]
    group = max((known for known in groups if file.startswith(f"{known}/")), key=len, default=file.rpartition("/")[0])
    path = Path(file.removeprefix(f"{group}/"))
    choice = path.stem if path.suffix in ENDINGS else path.name
    choices = loader.get_group_options(group)
    text = f"{group}: there is no choice {str(path)!r}"
    if len(path.parts) > 1:
        option = f"--config-dir {path.parent.parent} " if path.parent.name == group else ""
        return f"{text}; a choice is a file's name without its folder: '{option}{group}={choice}'"
    others = [f"'{other}={choice}'" for other in _groups(loader) if choice in loader.get_group_options(other)]
    if others:
        return f"{text}; another group has it: {' or '.join(others)}"
    for folder in _folders(loader):
        if (wrong := folder / group / f"{choice}.yml").is_file():
            return f"{text}; {wrong} has to end in .yaml to be one"
    return f"{text}{where_else(group, choice, choices)}"


def where_else(group: str, choice: str, choices: Sequence[str]) -> str:
    """Returns what ends a message about a choice that isn't there: where one of that name is, or what was meant."""
    for folder in _beside(group, choice):
        return f", but there is one in {folder}: '--config-dir {folder} {group}={choice}'"
    hint = nearest(choice, choices)
    if group == OWN and closest(choice, choices) is None:
        hint += f"; one of your own, DIR/{group}/{choice}.yaml, needs --config-dir DIR"
    return f"; {hint}"


def no_main_config(loader: ConfigLoader, name: str) -> str:
    """Returns what is wrong where the main config isn't there."""
    folder = next((place for place in _folders(loader, "main")), Path())
    mains = loader.get_group_options("")
    if MAIN not in mains:
        return (
            f"--config-path: there is no {name}.yaml in {folder}, which takes the place of all configs; "
            f"--config-dir {folder} adds one's own to them"
        )
    known = [main for main in mains if not main.startswith("_")]
    hint = f"did you mean '{OWN}={name}'?" if name in loader.get_group_options(OWN) else nearest(name, known)
    return f"--config-name: there is no main config {name!r}; {hint}"


def _groups(loader: ConfigLoader) -> Iterator[str]:
    """Yields the config groups, those in another one too, but for Hydra's own."""
    for group in loader.get_group_options("", ObjectType.GROUP):
        if group != "hydra":
            yield group
            yield from (f"{group}/{inner}" for inner in loader.get_group_options(group, ObjectType.GROUP))


def _folders(loader: ConfigLoader, provider: str | None = None) -> Iterator[Path]:
    """Yields the folders that configs are looked for in."""
    for place in loader.get_search_path().get_path():
        if "://" not in (path := place.path.removeprefix("file://")) and provider in (None, place.provider):
            yield Path(path)


def _beside(group: str, choice: str) -> Iterator[Path]:
    """Yields the folders in the working folder, and itself, that would have a choice if they were named."""
    for folder in (Path(), *sorted(path for path in Path().iterdir() if path.is_dir())):
        if any((folder / group / f"{choice}{ending}").is_file() for ending in ENDINGS):
            yield folder
