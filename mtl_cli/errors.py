"""What can go wrong by a user's doing, and the hint at what was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum


class ExitStatus(IntEnum):
    """How the command ended; 0 is done, and 128 + a signal's number ended by it."""

    FAILED = 1
    WRONG_INPUT = 2
    TIME_IS_OVER = 124
    """The time that the run was given ended it, as `timeout` has it."""


class InputError(Exception):
    """A config value, data file or path that can't be used: exit status 2.

    The message names the key or place, the value, the rule and, where there is one, the nearest valid choice.
    """


class NotHere(InputError):
    """A relative path that leads to no file from the working folder."""


class RunFailed(Exception):
    """A run that started and could not be finished (a loss that diverged, a full disk): exit status 1."""


def closest(given: str, valid: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Returns the valid word that `given` probably stands for: by its letters in any case, or by its initials.

    >>> closest("Lr", ["learning_rate", "epsilon"])
    'learning_rate'
    """
    names = list(valid)
    typed, folded = given.casefold(), {name.casefold(): name for name in names}
    initials = {"".join(word[:1] for word in name.split("_")): word for name, word in folded.items() if "_" in name}
    known = folded.get(typed) or initials.get(typed)
    if known:
        return known
    close = get_close_matches(given, names, n=1, cutoff=cutoff)
    folded_close = get_close_matches(typed, folded, n=1, cutoff=cutoff)
    return close[0] if close else folded[folded_close[0]] if folded_close else None


def nearest(given: str, valid: Iterable[str], noun: str = "choices") -> str:
    """Returns the hint that ends a message about an unknown word.

    >>> nearest("jiont", ["joint", "alternating"])
    "did you mean 'joint'?"
    >>> nearest("x", ["joint", "alternating"])
    'the choices are alternating, joint'
    """
    names = sorted(valid)
    close = closest(given, names)
    if close is not None:
        return f"did you mean '{close}'?"
    if not names:
        return f"there are no {noun}"
    shown = names if len(names) <= 30 else [*names[:30], f"... ({len(names)} in all)"]
    return f"the {noun} are {', '.join(shown)}"
