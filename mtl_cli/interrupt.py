"""Signals that ask for an end, and when they take effect."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIG_IGN
from types import FrameType
from typing import Any

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupt:
    """Ctrl-C, SIGTERM, SIGHUP: who can end in order asks whether to, by a call; the second signal is the end at once.

    A signal that the process was begun to ignore stays ignored: SIGHUP after `nohup`, Ctrl-C after a script's `&`.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._raises = False
        self._heard: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Tells whether there was a signal; one that comes later waits for the next call."""
        self.hold_back()
        return self.signal is not None

    def hold_back(self) -> None:
        """Has a signal wait until somebody asks."""
        self._raises = False

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

        Polars, once imported, hears Ctrl-C first, and raises it wherever it is then at work; the end takes it back.

        Raises:
            KeyboardInterrupt: There was one.
        """
        self.hold_back()
        yield
        self._hear()
        self.let_through()

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Takes the signals over for the block."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        self._heard = {number: SIG_IGN if of == SIG_IGN else self._handle for number, of in before.items()}
        self._hear()
        try:
            yield
        finally:
            self._heard = {}
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self) -> None:
        for number, handler in self._heard.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.signal = self.signal is not None, number
        if again or self._raises:
            raise KeyboardInterrupt
