"""`mtl-train resume`: a run or a sweep that was ended early goes on."""

from collections.abc import Sequence
from pathlib import Path

from mtl_cli.cli.verbs.base import Parser, Verb
from mtl_cli.composition import recorded
from mtl_cli.paths import check_folder
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.sweeps import resume as sweeps


def run(words: Sequence[str]) -> list[str]:
    """Returns the command line that goes on with a run or a sweep."""
    parser = Parser(
        prog="mtl-train resume",
        usage="%(prog)s [-h] DIR [KEY=VALUE ...]",
        description="Goes on with a run that was ended early, exactly as if it hadn't been; steps=N makes it longer. "
        "Of a sweep, goes on with the runs that haven't finished; with other or more values, trains the new ones too.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of a run, or of a sweep")
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="instead of what it was begun with")
    given = parser.parse_args(words)
    check_folder(given.folder, "DIR")
    if (given.folder / CONFIGS).is_dir():
        return recorded.arguments(given.folder.absolute(), given.overrides)
    return sweeps.arguments(given.folder, given.overrides)


VERB = Verb("resume DIR [KEY=VALUE ...]", "go on with what was ended early", run)
