"""Liveness: the loop's pulse, and the thread that ends the process when a client call does not come back."""

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamrnn.errors import StuckError

log = logging.getLogger(__name__)


class Pulse:
    """What the loop is doing, and when it last moved. Written by the loop, read by other threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._call: tuple[str, float] | None = None

    def beat(self) -> None:
        """Called at least once a second by whatever waits; cheap enough to be called by everything else."""
        self._last = self._clock()

    @contextmanager
    def calling(self, name: str) -> Iterator[None]:
        """Around a client call that can hang although its slices beat."""
        self._call = (name, self._clock())
        try:
            yield
        finally:
            self._call = None
            self.beat()

    @property
    def age(self) -> float:
        """Seconds since the last beat."""
        return self._clock() - self._last

    @property
    def call(self) -> tuple[str, float] | None:
        """The client call under way and its age [s]."""
        call = self._call
        return None if call is None else (call[0], self._clock() - call[1])


class Watchdog:
    """Ends the process, by the exit code of StuckError, when a call is stuck although the broker answers.

    Restarting is the cure because recovery is exact; while the broker is away it would cure nothing, so
    nothing is ended then. Patience is counted in looks of this thread, not on a clock: a process that was
    stopped, or a machine that slept, finds its watchdog as far as it was. The loop's own work between calls,
    such as reading a large snapshot, takes as long as it takes.
    """

    def __init__(
        self,
        pulse: Pulse,
        answers: Callable[[float], bool],
        *,
        still: float = 60.0,
        call: float = 120.0,
        look: float = 2.0,
        end: Callable[[str], None] | None = None,
    ) -> None:
        """`answers(seconds)`: the broker answers within them.

        `still`: longest silence within a call [s]; `call`: longest call [s]; `look`: between two looks [s].
        """
        self._pulse = pulse
        self._answers = answers
        self._still_looks = max(1, round(still / look))
        self._call_looks = max(1, round(call / look))
        self._look = look
        self._end = end or _end_process
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        still = call = 0
        while not self._stopped.wait(self._look):
            under_way = self._pulse.call
            if under_way is None or under_way[1] < self._look:
                still = call = 0
                continue
            call += 1
            still = still + 1 if self._pulse.age > self._look else 0
            if still < self._still_looks and call < self._call_looks:
                continue
            if not self._answers(self._look):
                still = call = 0  # an outage: whoever waits gets its whole patience again afterwards
                continue
            return self._end(
                f"{under_way[0]} did not come back although the broker answers; the next start is exact"
            )
        return None


def _end_process(why: str) -> None:
    log.critical(why)
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    logging.shutdown()
    os._exit(StuckError.exit_code)
