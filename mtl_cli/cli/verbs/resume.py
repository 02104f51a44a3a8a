"""`mtl-train resume`: a run or a sweep that was ended early goes on."""

from collections.abc import Sequence
from pathlib import Path

from mtl_cli.cli.verbs.base import Parser, Verb
from mtl_cli.cli.which_run import only, refuse_folder_of_runs
from mtl_cli.composition import recorded
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
    parser.add_argument(
        "overrides", metavar="KEY=VALUE", nargs="*", default=[], help="instead of what it was begun with"
    )
    given = parser.parse_args(words)
    others = [Path(word) for word in given.overrides if "=" not in word and Path(word).is_dir()]
    folder = only([given.folder, *others], "DIR")
    if (folder / CONFIGS).is_dir():
        return recorded.arguments(folder.absolute(), given.overrides)
    if not (folder / "multirun.yaml").exists():
        refuse_folder_of_runs(folder, "DIR")
    return sweeps.arguments(folder, given.overrides)


VERB = Verb("resume DIR [KEY=VALUE ...]", "go on with what was ended early", run)
