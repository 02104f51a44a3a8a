"""Signals that ask for an end, and when they take effect."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Ctrl-C and SIGTERM: who can end in order asks whether to, by a call; the second signal is the end at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._raises = False

    def __call__(self) -> bool:
        """Tells whether there was a signal; one that comes later waits for the next call."""
        self._raises = False
        return self.signal is not None

    def let_through(self) -> None:
        """Has a signal end what is under way, from now until somebody asks.

        Raises:
            KeyboardInterrupt: There was one.
        """
        self._raises = True
        if self.signal is not None:
            raise KeyboardInterrupt

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Has a signal wait for the end of a block that imports: raised within, it would come out as something else.

        Raises:
            KeyboardInterrupt: There was one.
        """
        self._raises = False
        yield
        self.let_through()

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Takes the signals over for the block."""
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.signal = self.signal is not None, number
        if again or self._raises:
            raise KeyboardInterrupt
