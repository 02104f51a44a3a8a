"""Which verbs there are, and what `mtl-train --help` says of them."""

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from mtl_cli.cli import verbs
from mtl_cli.cli.verbs.base import Verb
from mtl_cli.errors import InputError, nearest

VERBS: Final = tuple(module.name for module in iter_modules(verbs.__path__) if module.name != "base")
COLUMNS: Final = (32, 47)
"""Where the words begin that say what a verb does: behind what it takes, at the first of them that it leaves free."""


def verb_of(arguments: Sequence[str]) -> Verb | None:
    """Returns what the first word asks for; None where it is an override or an option.

    Raises:
        InputError: It is neither, nor a verb.
    """
    if not arguments or arguments[0].startswith(("-", "+", "~")) or "=" in arguments[0]:
        return None
    if arguments[0] not in VERBS:
        hint = nearest(arguments[0], VERBS, "commands")
        raise InputError(f"{arguments[0]!r} is no command of mtl-train; {hint} (overrides look like key=value)")
    return _verb(arguments[0])


def completed(line: str) -> tuple[list[str], str | None]:
    """Returns the verbs that a line may go on with, and what Hydra is to complete; None where that is nothing of its.

    >>> completed("res"), completed("help optim"), completed("report out")
    ((['resume'], 'res'), ([], 'optim'), ([], None))
    """
    first, blank, rest = line.partition(" ")
    if not blank:
        return [name for name in VERBS if name.startswith(first)], line
    if first not in VERBS:
        return [], line
    return completed(rest) if _verb(first).takes_words_of_configs else ([], None)


def with_verbs(template: str) -> str:
    """Returns a text of help with a line for each verb where it has `$VERBS`, after the same indentation."""
    before, found, after = template.partition("$VERBS")
    indentation = before.rpartition("\n")[2]
    return before + f"\n{indentation}".join(_line(_verb(name)) for name in VERBS) + after if found else template


def _verb(name: str) -> Verb:
    """Returns a verb, whose module is imported for it alone: some take a while."""
    verb: Verb = import_module(f"mtl_cli.cli.verbs.{name}").VERB
    return verb


def _line(verb: Verb) -> str:
    usage = f"mtl-train {verb.usage}"
    column = next(column for column in COLUMNS if len(usage) < column)
    return f"{usage:<{column}}{verb.does}"
