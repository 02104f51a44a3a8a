"""What can go wrong by a user's doing, and the hint at what was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(Exception):
    """A config value, data file or path that can't be used: exit status 2.

    The message names the key or place, the value, the rule and, where there is one, the nearest valid choice.
    """


class RunFailed(Exception):
    """A run that started and could not be finished (a loss that diverged, a full disk): exit status 1."""


def nearest(given: str, valid: Iterable[str], noun: str = "choices") -> str:
    """Returns the hint that ends a message about an unknown word.

    >>> nearest("jiont", ["joint", "alternating"])
    "did you mean 'joint'?"
    >>> nearest("lr", ["learning_rate", "epsilon"])
    "did you mean 'learning_rate'?"
    >>> nearest("x", ["joint", "alternating"])
    'the choices are alternating, joint'
    """
    names = sorted(valid)
    typed = given.casefold()
    short = [name for name in names if typed == "".join(word[:1] for word in name.casefold().split("_"))]
    folded = {name.casefold(): name for name in names}
    close = short or [folded[name] for name in get_close_matches(typed, folded, n=1, cutoff=0.6)]
    if close:
        return f"did you mean '{close[0]}'?"
    if not names:
        return f"there are no {noun}"
    shown = names if len(names) <= 30 else [*names[:30], f"... ({len(names)} in all)"]
    return f"the {noun} are {', '.join(shown)}"
