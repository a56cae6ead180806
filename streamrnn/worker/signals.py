"""SIGTERM and SIGINT: the first asks the loop to finish, the second ends the process at once."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ASKED_BY = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """Whether the loop was asked to finish.

    A plain flag: a lock might be held by the very code that a signal interrupts.
    """

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        self.asked = True

    def wait(self, seconds: float) -> None:
        """Returns after `seconds`, or a moment after it was asked."""
        end = time.monotonic() + seconds
        while not self.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(0.1, left))


@contextmanager
def obeyed(stopping: Stopping) -> Iterator[None]:
    """Signals set `stopping` while the block runs; outside the main thread, which gets none, nothing does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        if came:
            os._exit(128 + number)  # whatever hangs; the next start recovers exactly
        came.append(number)
        stopping.ask()
        name = signal.Signals(number).name
        # not through logging or a buffered stream, in the midst of which the signal may have come
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _ASKED.format(name=name).encode())

    before = {number: signal.signal(number, handle) for number in ASKED_BY}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_ASKED = "{name}: finishing the batch; once more stops at once\n"
