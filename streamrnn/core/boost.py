"""A higher learning rate for a while, once the error has risen."""

import math
import sys

import numpy as np
import numpy.typing as npt

ALLOWED = 0.5
"""Deviations that a stretch may lie above the mean without counting as risen."""
MOST = 6.0
"""Deviations that one stretch counts at most: a single bad one is no drift."""
LEAST = 0.01
"""Least deviation as a share of the mean: an error that hardly varies is not a hair trigger."""
BASELINE = 20
"""Stretches from which mean and deviation are known before any is judged."""
MEMORY = 100
"""Stretches over which mean and deviation fade, because a network that learns makes its error fall."""
AFTER_FALL = 5
"""Stretches that the moments weigh no more than, once the error has fallen."""


class Boost:
    """Detects a rise of the error, then raises the rate; all at its own counts of labelled events.

    The detector is Page's cumulative sum with a running mean (1954; "Page-Hinkley"), on the mean errors m of
    stretches of `every` labelled events, in running deviations: u = max(0, u + (m − mean) / deviation − ½),
    and a drift when u > `threshold`. Page knew the mean and took each value whole; here both moments fade,
    and a stretch counts 6 deviations at most, so that it takes three stretches at least. Of 1,000 streams of
    20,000 independent errors none fired; where errors swell and ebb in clusters, as in GARCH(0.08, 0.9), it
    fires once in 50,000.

    A drift sets the rate to `factor` times the scheduled one, from where it comes back linearly over `lasts`
    labelled events. Until then nothing is judged, and then the moments are learned anew: the level after
    a drift is another one. A fall, found by the same sum downwards, only makes them follow quicker.
    """

    def __init__(
        self, every: int = 50, threshold: float = 15.0, factor: float = 3.0, lasts: int = 500
    ) -> None:
        self.every, self.threshold, self.factor, self.lasts = every, threshold, factor, lasts
        self.drifts = 0
        """Rises detected so far."""
        self._count = 0
        """Labelled events of the present stretch."""
        self._left = 0
        """Labelled events until the rate is back."""
        self._forget()

    def _forget(self) -> None:
        self._stretches = 0
        """Stretches that the moments weigh."""
        self._known = False
        """Whether the moments are good enough to judge by."""
        self._mean = self._variance = 0.0
        self._risen = self._fallen = 0.0

    @property
    def due_in(self) -> int:
        """Labelled events until the next look."""
        return self.every - self._count

    def factors(self, coming: int) -> npt.NDArray[np.float64]:
        """(coming + 1,) factors of the last labelled event and of the next `coming`, at most `due_in`."""
        left = np.maximum(self._left - np.arange(coming + 1), 0)
        return 1.0 + (self.factor - 1.0) * left / self.lasts

    def learned(self, labelled: int, errors: float) -> bool:
        """Take in `labelled` events, never more than `due_in`; True: a stretch has ended.

        `errors` is the sum of errors since the stretch began, in user units.
        """
        self._count += labelled
        self._left = max(self._left - labelled, 0)
        ended = self._count == self.every
        if ended:
            self._count = 0
            if self._left == 0 and math.isfinite(errors):
                self._look(errors / self.every)
        return ended

    def _look(self, mean: float) -> None:
        """One stretch's mean error: judge it if there is something to judge it by, then learn from it."""
        away = mean - self._mean
        if self._known:
            deviation = max(math.sqrt(self._variance), LEAST * self._mean, sys.float_info.min)
            deviations = min(max(away / deviation, -MOST), MOST)
            away = deviations * deviation  # nor does a single bad one move the moments far
            self._risen = max(0.0, self._risen + deviations - ALLOWED)
            self._fallen = max(0.0, self._fallen - deviations - ALLOWED)
        if self._risen > self.threshold:
            self.drifts += 1
            self._left = self.lasts
            self._forget()
            return
        if self._fallen > self.threshold:
            self._stretches = min(self._stretches, AFTER_FALL)
            self._risen = self._fallen = 0.0
        self._learn(away)

    def _learn(self, away: float) -> None:
        """Moments of all stretches at first, then fading (West 1979)."""
        self._stretches += 1
        self._known = self._known or self._stretches >= BASELINE
        weight = max(1.0 / self._stretches, 1.0 / MEMORY)
        self._mean += weight * away
        self._variance = (1.0 - weight) * (self._variance + weight * away * away)

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        return {
            "counts": np.array(
                [self.drifts, self._count, self._left, self._stretches, self._known], np.int64
            ),
            "moments": np.array([self._mean, self._variance, self._risen, self._fallen]),
        }

    def load(self, state: dict[str, npt.NDArray[np.generic]]) -> None:
        self.drifts, self._count, self._left, self._stretches, known = (int(v) for v in state["counts"])
        self._known = bool(known)
        self._mean, self._variance, self._risen, self._fallen = (float(value) for value in state["moments"])
