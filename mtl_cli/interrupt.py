"""Signals that ask for an end, and when they take effect."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from signal import SIG_IGN
from types import FrameType
from typing import Any, TextIO, cast

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

READER_LEFT = getattr(signal, "SIGPIPE", 13)


class Interrupt:
    """Ctrl-C, SIGTERM, SIGHUP: who can end in order asks whether to, by a call; the second signal is the end at once.

    So is it where nobody reads what is printed any more, as after `| head`; nothing more is printed then.

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

    @contextmanager
    def minding_readers(self) -> Iterator[None]:
        """Takes the standard streams over for the block."""
        streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = (cast(TextIO, _Outlet(stream, self._reader_left)) for stream in streams)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams

    def status(self, else_: int) -> int:
        """Returns the exit status that says what ended the process; another one where nothing did."""
        with suppress(OSError):  # nothing can be said any more
            sys.stdout.flush()
        return else_ if self.signal is None else 128 + self.signal

    def _hear(self) -> None:
        for number, handler in self._heard.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.signal = self.signal is not None, number
        if again or self._raises:
            raise KeyboardInterrupt

    def _reader_left(self) -> None:
        if self.signal is None:
            self.signal = READER_LEFT


class _Outlet:
    """A standard stream whose reader may leave: that is told once, and what comes later goes nowhere."""

    def __init__(self, stream: TextIO, left: Callable[[], None]) -> None:
        self._stream = stream
        self._left = left

    def write(self, text: str) -> int:
        with self._minding():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._minding():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _minding(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self._left()
