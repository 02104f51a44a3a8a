"""`mtl-train`, and `python -m mtl_cli`."""

import signal


def main() -> None:
    """Runs the command; until that minds signals itself, Ctrl-C ends the process without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mtl_cli import main as command  # takes half a second

    command.main()


if __name__ == "__main__":
    main()
