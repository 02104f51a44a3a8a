"""What is said of what went wrong, on standard error."""

import re
import shutil
import sys
from contextlib import suppress
from typing import Final

from mtl_cli.errors import InputError, RunFailed
from mtl_cli.terminal.formatting import filled
from mtl_cli.untrusted.escaping import visible

MOST_LINES: Final = 20
LONGEST_LINE: Final = 1000
"""Of a message."""
_JOINT: Final = "\xa0"
"""A blank at which no line is broken; messages have none, once they are visible."""


def brief(error: Exception) -> str:
    """Returns an error in one or a few lines, with its type where the message isn't the project's own."""
    if isinstance(error, InputError | RunFailed):
        return str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        shape = re.search(r"shape ?([\[(][\d, ]+[\])])", str(error))
        what = f"an array of {shape[1]} numbers" if shape else "the run"
        return f"out of memory: {what} doesn't fit; smaller layers, a smaller batch_size or fewer rows need less"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def complain(message: str) -> None:
    """Prints what is wrong, as much of it as one reads; what it quotes can't act on the terminal."""
    lines = message.rstrip("\n").split("\n")
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"and {len(lines) - MOST_LINES:,} more"]
    for line in lines:
        text = visible(line[: LONGEST_LINE + 1])
        with suppress(OSError):  # in a process of another's, whose streams are its own
            text = f"mtl-train: {text if len(text) <= LONGEST_LINE else f'{text[:LONGEST_LINE]}...'}"
            print(_wrapped(text) if sys.stderr.isatty() else text, file=sys.stderr)


def _wrapped(text: str) -> str:
    """Returns the text broken between words for the terminal; what begins like a command stays whole."""
    whole = re.sub(r"mtl-train [^;:,()]*[^;:,() ]", lambda command: command[0].replace(" ", _JOINT), text)
    width = shutil.get_terminal_size().columns
    return filled(whole, width).replace(_JOINT, " ")
