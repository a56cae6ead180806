"""Scores of numbers.

The compiled function of this file calls no other: numba's cache notices an edit of the file that a function
stands in, not of one that it imports from.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.compiled import loop
from streamrnn.mixing.scores.base import Quality, ratio, ratios
from streamrnn.mixing.table import Array, Floats, Ints, Memory, Nothing, no_table

RECENT = 0.5 ** (1 / 1000)
"""Of the recent error, per judged event: half its weight lies in the last 1000."""


class NumberSums(NamedTuple):
    judged: Ints
    """(1,): events."""
    mean: Floats
    """(1,): of their labels."""
    variation: Floats
    """(1,): Σ (y − mean)² (Welford 1962)."""
    absolute: Floats
    """(1 + M,): Σ |error|."""
    squared: Floats
    """(1 + M,): Σ error²."""
    recent: Floats
    """(1 + M,): Σ |error|, fading."""
    heft: Floats
    """(1,): Σ 1, fading likewise."""


class NumberScores(Memory[Nothing, Nothing, NumberSums]):
    """Mean absolute error, root mean squared error and R²: river's MAE, RMSE and R2."""

    error = "mae"

    def __init__(self, columns: int) -> None:
        sums = NumberSums(
            np.zeros(1, np.int64),
            np.zeros(1),
            np.zeros(1),
            np.zeros(columns),
            np.zeros(columns),
            np.zeros(columns),
            np.zeros(1),
        )
        super().__init__(no_table(), no_table(), sums)

    def learn(self, steps: Steps, label: Floats, judged: Floats, losses: Floats) -> None:
        _learn(label, losses, self.stream)

    def quality(self, earlier: Mapping[str, Array] | None = None) -> list[Quality]:
        s = self.stream
        if earlier is not None:
            s = _without(s, NumberSums(*(earlier[f"stream/{name}"] for name in s._fields)))
        return [
            {
                "count": int(s.judged[0]),
                "mae": ratio(s.absolute[j], s.judged[0]),
                "rmse": ratio(s.squared[j], s.judged[0]) ** 0.5,
                "r2": 1 - ratio(s.squared[j], s.variation[0])
                if s.judged[0] > 1 and s.variation[0] > 0
                else 0.0,
                "recent": ratio(s.recent[j], s.heft[0]),
            }
            for j in range(len(s.absolute))
        ]

    def confusion(self) -> None:
        return None


def _without(now: NumberSums, then: NumberSums) -> NumberSums:
    """The sums of what came between: pairwise mean and variation solved for one part (Chan et al. 1979)."""
    count = now.judged - then.judged
    mean = ratios(now.judged * now.mean - then.judged * then.mean, count)
    between = (mean - then.mean) ** 2 * ratios(then.judged * count, now.judged)
    return NumberSums(
        count,
        mean,
        np.maximum(now.variation - then.variation - between, 0.0),
        now.absolute - then.absolute,
        now.squared - then.squared,
        now.recent,
        now.heft,
    )


@loop
def _learn(label: Floats, losses: Floats, s: NumberSums) -> None:
    for i in range(len(label)):
        if np.isnan(losses[i, 0]):
            continue
        s.judged[0] += 1
        change = label[i] - s.mean[0]
        s.mean[0] += change / s.judged[0]
        s.variation[0] += change * (label[i] - s.mean[0])
        s.heft[0] = RECENT * s.heft[0] + 1.0
        for j in range(losses.shape[1]):
            s.absolute[j] += losses[i, j]
            s.squared[j] += losses[i, j] * losses[i, j]
            s.recent[j] = RECENT * s.recent[j] + losses[i, j]
