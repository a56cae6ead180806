"""The learning rate over the number of labelled events, which does not depend on clocks or blocks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then constant, or a fall down to a floor.

    rate(c) = rate · min(c / warmup, 1) · share(c) at labelled event c ≥ 1, with share(c)

    - `constant`: 1
    - `inverse_sqrt`: max(√(over / max(c, over)), floor)
    - `cosine`: floor + (1 − floor) · ½ (1 + cos π p), p = (c − warmup) / (over − warmup) held within 0 and 1;
      half a period of Loshchilov and Hutter (2017), without restarts
    """

    rate: float = 3e-4
    warmup: int = 100
    """Labelled events over which the rate rises from 0."""
    shape: Literal["constant", "inverse_sqrt", "cosine"] = "constant"
    over: int | None = None
    """Labelled events after which `inverse_sqrt` begins to fall, and `cosine` has reached the floor."""
    floor: float = 0.1
    """Least share of `rate` that falling leaves."""

    def __post_init__(self) -> None:
        if (self.shape == "constant") != (self.over is None):
            raise ValueError(f"a {self.shape} schedule {'has no' if self.over else 'needs'} over")
        if self.shape == "cosine" and self.over is not None and self.over <= self.warmup:
            raise ValueError(
                f"cosine over {self.over} labelled events ends before its warm-up of {self.warmup}"
            )

    def rates(self, done: int, coming: int) -> Array:
        """(coming + 1,) the rates of labelled events `done`, `done + 1`, …, `done + coming`."""
        if self.over is None and done >= self.warmup:
            return np.full(coming + 1, self.rate)
        count = np.arange(done, done + coming + 1, dtype=np.float64)
        rates = np.full(coming + 1, self.rate)
        if self.warmup:
            rates *= np.minimum(count / self.warmup, 1.0)
        if self.over is not None:
            rates *= self._shares(count, self.over)
        return rates

    def _shares(self, count: Array, over: int) -> Array:
        if self.shape == "inverse_sqrt":
            return np.maximum(np.sqrt(over / np.maximum(count, over)), self.floor)
        progress = np.clip((count - self.warmup) / (over - self.warmup), 0.0, 1.0)
        return self.floor + (1.0 - self.floor) * 0.5 * (1.0 + np.cos(np.pi * progress))
