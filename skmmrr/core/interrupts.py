"""Ctrl-C that waits for a good moment."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether Ctrl-C was pressed.

    Attributes
    ----------
    requested : bool
    answered : bool
        Whether what was interrupted has said so.
    """

    def __init__(self) -> None:
        self.requested = self.answered = False

    def request(self, signal_number: int, frame: FrameType | None) -> None:
        """Take note of a first Ctrl-C; a second one raises KeyboardInterrupt at once."""
        if self.requested:
            signal.default_int_handler(signal_number, frame)
        self.requested = True


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Context in which a first Ctrl-C only sets a flag, for work that stops by itself.

    Signals reach the main thread alone, and an application's own handler is left in place.
    """
    interrupt = Interrupt()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt.request)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
