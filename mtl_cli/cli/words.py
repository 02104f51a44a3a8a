"""The words of a command line as Hydra takes them: options it has, overrides together, `~` as the home folder."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from mtl_cli.cli.options import is_key, no_option, options_of
from mtl_cli.composition.hydra_private import get_args_parser
from mtl_cli.composition.recorded import in_quotes
from mtl_cli.errors import InputError

_HOME: Final = re.compile(r"(?<=[=,\[:({])(\s*)~(/[^,\[\]{}()'\"]*)?(?=\s*(?:[,\]})]|$))")
"""A path in the home folder, where a value, or an item of one, begins."""
_PLAIN: Final = re.compile(r"[\w/.+@%*?| -]+", re.ASCII)
"""Values that Hydra takes as they are."""


def at_home(word: str) -> str:
    """Returns a word with the home folder for `~`, where a shell left it: in an option's value, or an override's.

    Hydra has no `~` in values, but in quotes, where it stays what it is.
    """
    if word == "~" or word.startswith("~/"):
        return str(Path(word).expanduser())
    if word.startswith("-") and "=~/" in word:
        option, _, path = word.partition("=")
        return f"{option}={Path(path).expanduser()}"
    return word if _is_readable(word) else _HOME.sub(_expanded, word)


def in_order(words: Sequence[str], verbs: Sequence[str]) -> list[str]:
    """Returns the words of a command line with the overrides together, as Hydra wants them.

    Raises:
        InputError: Hydra has no such option.
    """
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    options = options_of(parser)
    for i, word in enumerate(words):
        if word.startswith("--") and is_key(word) and word.partition("=")[0] not in options:
            raise InputError(no_option(words[i:], options, verbs))  # argparse may take it for the beginning of another
    given, left = parser.parse_known_args(words)
    for word in left:
        if word.startswith("-"):
            raise InputError(no_option(words[words.index(word) :], options, verbs))
    overrides = [*given.overrides, *left]
    return [*(word for word in words if word not in overrides), *overrides] if left else list(words)


def _refuse(message: str) -> NoReturn:
    """Refuses options that argparse can't understand.

    Raises:
        InputError: Always.
    """
    raise InputError(message.removeprefix("argument "))


def _is_readable(word: str) -> bool:
    if "~" not in word.lstrip("~"):
        return True
    try:
        OverridesParser.create().parse_override(word)
    except (HydraException, ValueError):
        return False
    return True


def _expanded(found: re.Match[str]) -> str:
    path = str(Path.home()) + (found[2] or "")
    return found[1] + (path if _PLAIN.fullmatch(path) else in_quotes(path))
