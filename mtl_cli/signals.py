"""Signals that ask for an end, and when they take effect."""

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from signal import SIG_IGN
from types import FrameType
from typing import Any, Final, TextIO, cast

from mtl_cli.errors import ExitStatus

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
SIGNALS: Final = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
SIGPIPE: Final = getattr(signal, "SIGPIPE", 13)
_SIGHUP: Final = getattr(signal, "SIGHUP", 1)
ACKNOWLEDGED: Final = "mtl-train: ending in order; again: at once"
SECONDS_TO_END_AT_ONCE: Final = 0.25
"""How long a signal that ends the command at once may take to do so before it is acknowledged."""


class Interrupt:
    """Ctrl-C, SIGTERM, SIGHUP, and those by which queues say that the time is over, SIGUSR1 and SIGUSR2.

    Who can end in order asks whether to, by a call; the second signal is the end at once. To end is the answer as well
    when the time is over that was given to the command (`max_time`), and after a broken pipe (SIGPIPE, as of `| head`);
    nothing more is printed then.

    A signal that the process was begun to ignore stays ignored: SIGHUP after `nohup`, Ctrl-C after a script's `&`.

    The first one that doesn't end the command at once is acknowledged, in a line on standard error.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._begun = time.monotonic()
        self._until = math.inf
        self._over = False
        self._output_is_incomplete = False
        self._raises = False
        self._raised = False
        self._handlers: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Tells whether to end; a signal that comes later waits for the next call."""
        self.defer()
        self._over |= time.monotonic() >= self._until
        return self.asked

    @property
    def asked(self) -> bool:
        """Whether there was a signal, or somebody was told that the time is over."""
        return self.signal is not None or self._over

    def reason(self) -> str:
        """Returns what asked for an end: the name of a signal, or `max_time`; nothing where nothing did."""
        if self.signal is None:
            return "max_time" if self._over else ""
        return "SIGPIPE" if self.signal == SIGPIPE else signal.Signals(self.signal).name

    def limit(self, seconds: float | None) -> None:
        """Sets how long the command may take, from its beginning."""
        self._until = math.inf if seconds is None else self._begun + seconds

    def defer(self) -> None:
        """Defers signals until somebody asks."""
        self._raises = False

    def deliver(self) -> None:
        """Delivers signals at once, from now until somebody asks.

        Raises:
            KeyboardInterrupt: There was one, or the time is over.
        """
        self._raises = True
        if self.asked:
            raise KeyboardInterrupt

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Defers signals to the end of a block that imports: raised within, one would come out as something else.

        Polars, once imported, hears Ctrl-C first, and raises it wherever it is then at work; the end takes it back.

        Raises:
            KeyboardInterrupt: There was one.
        """
        self.defer()
        yield
        self._install()
        self.deliver()

    @contextmanager
    def as_itself(self) -> Iterator[None]:
        """Has a signal that is raised in the block come out as such, where what it cuts short makes an error of it.

        Raises:
            KeyboardInterrupt: That happened.
        """
        try:
            yield
        except Exception as error:
            if self._raised:
                raise KeyboardInterrupt from error
            raise

    @contextmanager
    def handling(self, *, passes_on: bool = False) -> Iterator[None]:
        """Takes the signals over for the block.

        Args:
            passes_on: Whether who had them before gets the one that came, at the end of the block: a launcher has its
                process wait in the queue again. SIGTERM stays with one that has a handler for it.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are others' there
            return
        if passes_on:
            self.signal, self._over, self._begun = None, False, time.monotonic()
        before = {number: signal.getsignal(number) for number in SIGNALS}
        own = [
            number
            for number, handler in before.items()
            if not (passes_on and number == signal.SIGTERM and callable(handler))
        ]
        self._handlers = {number: SIG_IGN if before[number] == SIG_IGN else self._handle for number in own}
        self._install()
        try:
            with self._acknowledging() if not passes_on else nullcontext():
                yield
        finally:
            self._handlers = {}
            for number, handler in before.items():
                signal.signal(number, handler)
            if passes_on and self.signal is not None:
                signal.raise_signal(self.signal)

    @contextmanager
    def surviving_broken_pipes(self) -> Iterator[None]:
        """Takes the standard streams over for the block, so that printing to them never raises."""
        streams = sys.stdout, sys.stderr
        sys.stdout = cast(TextIO, _SafeStream(streams[0], self._output_lost))
        sys.stderr = cast(TextIO, _SafeStream(streams[1], self._error_lost))
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams

    def status(self, else_: int) -> int:
        """Returns the exit status that says what ended the process; another one where nothing did.

        It is 1 rather than 0 where something that was printed came nowhere.
        """
        with suppress(OSError):  # nothing can be said any more
            sys.stdout.flush()
        else_ = else_ or int(self._output_is_incomplete)
        if self.signal is not None:
            return 128 + self.signal
        return ExitStatus.TIME_IS_OVER if self._over and else_ == 128 + signal.SIGINT else else_

    def _install(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.signal = self.signal is not None, number
        if again or self._raises:
            self._raised = True
            raise KeyboardInterrupt

    @contextmanager
    def _acknowledging(self) -> Iterator[None]:
        """Has a thread acknowledge signals: the main one may be in compiled code, or in the middle of printing."""
        try:
            terminal = os.dup(2)
        except OSError:  # closed: nothing can be said
            yield
            return
        hears, told = os.pipe()
        os.set_blocking(told, False)
        thread = threading.Thread(target=self._acknowledge, args=(hears, terminal, sys.stderr), daemon=True)
        thread.start()
        before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            os.close(told)
            thread.join(1.0)
            os.close(hears)
            os.close(terminal)

    def _acknowledge(self, hears: int, terminal: int, stderr: TextIO) -> None:
        """Waits for a signal, and prints the line unless that ends the command at once, or its terminal is gone.

        A live view on the terminal has taken standard error over, to print above itself. Else the line goes to where
        standard error was at first: while TensorFlow is loaded and compiles it goes nowhere.
        """
        while heard := os.read(hears, 1):
            if heard[0] == _SIGHUP or self._handlers.get(heard[0], SIG_IGN) == SIG_IGN:
                continue
            until = time.monotonic() + SECONDS_TO_END_AT_ONCE
            while self._raises and not self._raised and time.monotonic() < until:
                time.sleep(0.01)
            if self._raised:
                continue
            with suppress(OSError, ValueError):
                if sys.stderr is not stderr and os.isatty(terminal):
                    print(ACKNOWLEDGED, file=sys.stderr, flush=True)
                else:
                    os.write(terminal, f"{ACKNOWLEDGED}\n".encode())
            return

    def _output_lost(self, error: OSError) -> None:
        """A full disk is no reason to end: a run's own files may be on another one."""
        if isinstance(error, BrokenPipeError):
            self._error_lost(error)
        else:
            self._output_is_incomplete = True
            print(f"mtl-train: standard output can't be written: {error.strerror}", file=sys.stderr)

    def _error_lost(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError) and self.signal is None:
            self.signal = SIGPIPE


class _SafeStream:
    """A standard stream whose pipe may break, or disk be full: that is told once, and what comes later goes nowhere.

    So printing never raises: it would come out of a refusal as another error.
    """

    def __init__(self, stream: TextIO, lost: Callable[[OSError], None]) -> None:
        self._stream = stream
        self._lost = lost

    def write(self, text: str) -> int:
        with self._surviving():
            try:
                self._stream.write(text)
            except UnicodeEncodeError as error:  # as standard error has it
                self._stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        return len(text)

    def flush(self) -> None:
        with self._surviving():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self._lost(error)
