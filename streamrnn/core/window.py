"""How many steps back a gradient reaches: fixed, or growing with what has been learned."""

from typing import Literal

import numpy as np
import numpy.typing as npt

PLATEAU = 0.01
"""An error that fell by a smaller share than this from one stretch to the next has reached its plateau."""


class Window:
    """k, and when it doubles. It looks at its own count of labelled events, never at a clock.

    By count it doubles after every `every` labelled events. By plateau it compares the mean errors of two
    adjacent stretches of that many events and doubles when the later one is less than 1 % better; then both
    stretches begin anew, so that two of them pass before the next look. With a season a stretch is rounded
    up to whole seasons, because part of a season may be easier than another.
    """

    def __init__(
        self,
        first: int,
        last: int,
        by: Literal["plateau", "count"] = "plateau",
        every: int = 2000,
        season: int | None = None,
    ) -> None:
        self.first, self.last, self.by = first, last, by
        self.every = every if season is None else -(-every // season) * season
        self.now = first
        self._count = 0
        """Labelled events of the present stretch."""
        self._before = np.nan
        """Mean error of the stretch before; NaN: there is none."""

    @classmethod
    def fixed(cls, steps: int) -> "Window":
        return cls(steps, steps)

    @property
    def due_in(self) -> int | None:
        """Labelled events until the next look; None: it will never change again."""
        return self.every - self._count if self.now < self.last else None

    def learned(self, labelled: int, errors: float) -> bool:
        """Take in `labelled` events, never more than `due_in`; True: a stretch has ended.

        `errors` is the sum of errors since the stretch began, in user units.
        """
        if self.now == self.last:
            return False
        self._count += labelled
        ended = self._count == self.every
        if ended:
            self._look(errors / self.every)
        return ended

    def _look(self, mean: float) -> None:
        improved = mean <= (1.0 - PLATEAU) * self._before
        grow = self.by == "count" or not (np.isnan(self._before) or improved)
        if grow:
            self.now = min(2 * self.now, self.last)
        self._before = np.nan if grow else mean
        self._count = 0

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        return {"steps": np.array([self.now, self._count]), "before": np.array([self._before])}

    def load(self, state: dict[str, npt.NDArray[np.generic]]) -> None:
        self.now, self._count = (int(value) for value in state["steps"])
        self._before = float(state["before"][0])
