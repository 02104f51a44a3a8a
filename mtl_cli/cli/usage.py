"""Which verbs there are, and what `mtl-train --help` says of them."""

import re
import shutil
from collections.abc import Callable, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from mtl_cli.cli import verbs
from mtl_cli.cli.verbs.base import Verb
from mtl_cli.errors import InputError, nearest
from mtl_cli.reference.groups import data_defaults, whose
from mtl_cli.terminal.formatting import filled

VERBS: Final = tuple(module.name for module in iter_modules(verbs.__path__) if module.name != "base")
COLUMNS: Final = 80
"""Of the page, at most."""


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


def help_page(template: str, fill: Callable[[str], str]) -> str:
    """Returns the text of `mtl-train --help`, in lines that the terminal shows, of 80 columns at most.

    Args:
        template: Has `$VERBS` and `$DEFAULTS` where lines for each verb and each choice of data stand, with the
            indentation of the first.
        fill: Fills in what Hydra has.
    """
    for mark, said in (("$VERBS", _verbs), ("$DEFAULTS", _defaults)):
        before, found, after = template.partition(mark)
        indentation = before.rpartition("\n")[2]
        template = before + f"\n{indentation}".join(said()) + after if found else template
    width = min(COLUMNS, shutil.get_terminal_size().columns)
    return "\n".join(_wrapped(line, width) for line in fill(template).splitlines())


def _verb(name: str) -> Verb:
    """Returns a verb, whose module is imported for it alone: some take a while."""
    verb: Verb = import_module(f"mtl_cli.cli.verbs.{name}").VERB
    return verb


def _verbs() -> list[str]:
    """Returns a line for each verb: how it is used, and what it does."""
    found = {f"mtl-train {verb.usage}": verb.does for verb in map(_verb, VERBS)}
    width = max(map(len, found))
    return [f"{usage:<{width}}   {does}" for usage, does in found.items()]


def _defaults() -> list[str]:
    """Returns a line for each choice of data that has defaults for other keys."""
    return [
        f"{whose(data)}: {', '.join(f'{key}={value}' for key, value in given.items())}"
        for data, given in data_defaults().items()
    ]


def _wrapped(line: str, width: int) -> str:
    """Returns a line broken between words; a command stays whole, and what stands beside it goes below it."""
    indentation = " " * (len(line) - len(line.lstrip()) + 4)
    beside = re.fullmatch(r"( +mtl-train .*?) {3,}(.*)", line)
    if len(line) <= width or not beside:
        return filled(line, width, others=indentation)
    return "\n".join([beside[1], _wrapped(indentation + beside[2], width)])
