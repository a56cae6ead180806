"""What every engine that learns by BPTT counts, and what comes of it."""

from streamrnn.core.boost import Boost
from streamrnn.core.gradients.base import (
    BOOST_ERRORS,
    CLIPPED,
    LABELLED,
    NORM,
    SKIPPED,
    UPDATES,
    WINDOW_ERRORS,
    Tally,
)
from streamrnn.core.schedule import Schedule
from streamrnn.core.window import Window


class Tallied:
    """The figures of a network, and when window and boost look at its errors."""

    window: Window
    schedule: Schedule
    boost: Boost | None
    _tally: Tally

    @property
    def window_now(self) -> int:
        """Steps back that a gradient reaches now."""
        return self.window.now

    @property
    def labelled(self) -> int:
        """Labelled events so far."""
        return int(self._tally.counts[LABELLED])

    @property
    def updates(self) -> int:
        return int(self._tally.counts[UPDATES])

    @property
    def clipped(self) -> int:
        """Updates whose gradient was shortened to `clip`."""
        return int(self._tally.counts[CLIPPED])

    @property
    def skipped(self) -> int:
        """Gradients that were not finite and changed nothing."""
        return int(self._tally.counts[SKIPPED])

    @property
    def drifts(self) -> int:
        """Rises of the error that were reacted to."""
        return 0 if self.boost is None else self.boost.drifts

    @property
    def rate_now(self) -> float:
        """Learning rate of the next labelled event."""
        factor = 1.0 if self.boost is None else float(self.boost.factors(1)[-1])
        return factor * float(self.schedule.rates(self.labelled + 1, 0)[0])

    @property
    def gradient_norm(self) -> float:
        """Norm of the last finite gradient, before clipping."""
        return float(self._tally.sums[NORM])

    def _look(self, labelled: int) -> None:
        """Window and boost take a look at the errors of the last `labelled` events, if it is time to."""
        sums = self._tally.sums
        if self.window.learned(labelled, float(sums[WINDOW_ERRORS])):
            sums[WINDOW_ERRORS] = 0.0
        if self.boost is not None and self.boost.learned(labelled, float(sums[BOOST_ERRORS])):
            sums[BOOST_ERRORS] = 0.0
