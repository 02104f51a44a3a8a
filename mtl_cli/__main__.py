"""`mtl-train`, and `python -m mtl_cli`."""

import os
import signal


def main() -> None:
    """Runs the command; until that minds signals itself, Ctrl-C ends the process without a word.

    The default action would do, but polars replaces it, when it is imported, by one that does nothing.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    from mtl_cli import main as command  # takes half a second

    command.main()


if __name__ == "__main__":
    main()
