"""The learning rate over the number of labelled events, which does not depend on clocks or blocks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then constant, then decay with the inverse square root down to a floor.

    rate(c) = rate · min(c / warmup, 1) · max(√(decay / max(c, decay)), floor) at labelled event c ≥ 1
    """

    rate: float = 3e-4
    warmup: int = 100
    """Labelled events over which the rate rises from 0."""
    decay: int | None = None
    """Labelled events after which it falls; none: it stays."""
    floor: float = 0.1
    """Least share of `rate` that decay leaves."""

    def rates(self, done: int, coming: int) -> npt.NDArray[np.float64]:
        """(coming + 1,) the rates of labelled events `done`, `done + 1`, …, `done + coming`."""
        if self.decay is None and done >= self.warmup:
            return np.full(coming + 1, self.rate)
        count = np.arange(done, done + coming + 1, dtype=np.float64)
        rates = np.full(coming + 1, self.rate)
        if self.warmup:
            rates *= np.minimum(count / self.warmup, 1.0)
        if self.decay is not None:
            rates *= np.maximum(np.sqrt(self.decay / np.maximum(count, self.decay)), self.floor)
        return rates
