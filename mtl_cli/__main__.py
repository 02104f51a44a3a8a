"""`mtl-train`, and `python -m mtl_cli`.

The working folder may be somebody else's, so nothing is imported from there. Begun by `-m` without `-P`, Python looks
there first for what it imports before this file: that can't be helped here.
"""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]

import atexit
import os
import signal
import threading
from contextlib import suppress

from mtl_cli.signals import SIGNALS


def main() -> None:
    """Runs the command; until that minds signals itself, they end the process without a word.

    The default action would do, but polars replaces that of Ctrl-C, when it is imported, by one that does nothing.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # for workers, which launchers begin by `-m` as well
    _open_standard_streams()
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: os._exit(128 + number))
    from mtl_cli.cli import main as command  # takes half a second

    try:
        command.main()
    except SystemExit as end:
        if isinstance(end.code, int) and _is_alone():
            _leave(end.code)
        raise


def _open_standard_streams() -> None:
    """Has those that are closed (`>&-`) go nowhere; else the next file that is opened would get what is printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, the stream's own
            setattr(sys, name, os.fdopen(nowhere, mode))


def _is_alone() -> bool:
    """Tells whether no other thread has to be waited for."""
    return all(thread.daemon or thread is threading.main_thread() for thread in threading.enumerate())


def _leave(status: int) -> None:
    """Ends the process, with all that was to be done at its end: to take TensorFlow apart as well takes a second."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads any more
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
