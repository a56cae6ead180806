"""Quality as running sums over the whole stream, for the mix and for each member.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that
a function stands in, not of one that it imports from.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numba import njit

from streamrnn.arrays import Expected, State, shapes
from streamrnn.mixing.table import Array, Floats, Ints, copies, overwrite

RECENT = 0.5 ** (1 / 1000)
"""Of the recent error, per judged event: half its weight lies in the last 1000."""
THRESHOLDS = 100
"""Points of the ROC curve, evenly over [0, 1] (river's `n_thresholds`)."""

Quality = dict[str, float]


class Scores(Protocol):
    """Running sums over judged events; columns are the mix and then each member."""

    error: str
    """The key of `quality` that skill is measured in: the lower the better."""

    def learn(self, label: Floats, judged: Floats, losses: Floats) -> None:
        """Take in a block: label (n,), judged predictions and their losses (n, 1 + M), NaN where none."""

    def quality(self, earlier: Mapping[str, Array] | None = None) -> list[Quality]:
        """One dictionary per column: of all events, or of those since that earlier state.

        `recent` fades on its own and is the same either way.
        """

    def state(self) -> State: ...

    def expected(self) -> Expected:
        """The types and shapes of a state; `load` takes over such a one."""

    def load(self, state: Mapping[str, Array]) -> None: ...


# --- numbers --------------------------------------------------------------------------------------


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


class NumberScores:
    """Mean absolute error, root mean squared error and R²: river's MAE, RMSE and R2."""

    error = "mae"

    def __init__(self, columns: int) -> None:
        self._sums = NumberSums(
            np.zeros(1, np.int64),
            np.zeros(1),
            np.zeros(1),
            np.zeros(columns),
            np.zeros(columns),
            np.zeros(columns),
            np.zeros(1),
        )

    def learn(self, label: Floats, judged: Floats, losses: Floats) -> None:
        _numbers(label, losses, self._sums)

    def quality(self, earlier: Mapping[str, Array] | None = None) -> list[Quality]:
        s = self._sums
        if earlier is not None:
            s = _without(s, NumberSums(*(earlier[name] for name in s._fields)))
        return [
            {
                "count": int(s.judged[0]),
                "mae": _ratio(s.absolute[j], s.judged[0]),
                "rmse": _ratio(s.squared[j], s.judged[0]) ** 0.5,
                "r2": 1 - _ratio(s.squared[j], s.variation[0])
                if s.judged[0] > 1 and s.variation[0] > 0
                else 0.0,
                "recent": _ratio(s.recent[j], s.heft[0]),
            }
            for j in range(len(s.absolute))
        ]

    def state(self) -> State:
        return copies(self._sums._asdict())

    def expected(self) -> Expected:
        return shapes(self._sums._asdict())

    def load(self, state: Mapping[str, Array]) -> None:
        overwrite(self._sums._asdict(), state)


def _without(now: NumberSums, then: NumberSums) -> NumberSums:
    """The sums of what came between: pairwise mean and variation solved for one part (Chan et al. 1979)."""
    count = now.judged - then.judged
    mean = _ratios(now.judged * now.mean - then.judged * then.mean, count)
    between = (mean - then.mean) ** 2 * _ratios(then.judged * count, now.judged)
    return NumberSums(
        count,
        mean,
        np.maximum(now.variation - then.variation - between, 0.0),
        now.absolute - then.absolute,
        now.squared - then.squared,
        now.recent,
        now.heft,
    )


def _ratios(a: Array, b: Array) -> Floats:
    return np.divide(a, b, out=np.zeros(len(b)), where=b != 0)


def _ratio(a: float, b: float) -> float:
    return float(a / b) if b else 0.0


@njit(cache=True, error_model="numpy")
def _numbers(label: Floats, losses: Floats, s: NumberSums) -> None:
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


# --- classes --------------------------------------------------------------------------------------


class BinarySums(NamedTuple):
    seen: Ints
    """(2,): judged events with label 0, with label 1."""
    right: Ints
    """(1 + M,): events whose class was right; a probability above one half says 1."""
    log_loss: Floats
    """(1 + M,): Σ of it."""
    above: Ints
    """(1 + M, THRESHOLDS + 1, 2): events by the number of thresholds below the probability, and by label."""
    recent: Floats
    """(1 + M,): Σ log loss, fading."""
    heft: Floats
    """(1,): Σ 1, fading likewise."""


class BinaryScores:
    """Accuracy, log loss and area under the ROC curve: river's Accuracy, LogLoss and ROCAUC."""

    error = "log_loss"

    def __init__(self, columns: int) -> None:
        self._sums = BinarySums(
            np.zeros(2, np.int64),
            np.zeros(columns, np.int64),
            np.zeros(columns),
            np.zeros((columns, THRESHOLDS + 1, 2), np.int64),
            np.zeros(columns),
            np.zeros(1),
        )
        self._thresholds = np.arange(THRESHOLDS) / (THRESHOLDS - 1)
        self._thresholds[[0, -1]] += [-1e-7, 1e-7]  # 0 lies above the first, 1 below the last

    def learn(self, label: Floats, judged: Floats, losses: Floats) -> None:
        _classes(label, judged, losses, self._thresholds, self._sums)

    def quality(self, earlier: Mapping[str, Array] | None = None) -> list[Quality]:
        s = self._sums
        if earlier is not None:
            then = BinarySums(*(earlier[name] for name in s._fields))
            s = BinarySums(
                s.seen - then.seen,
                s.right - then.right,
                s.log_loss - then.log_loss,
                s.above - then.above,
                s.recent,
                s.heft,
            )
        count = int(s.seen.sum())
        return [
            {
                "count": count,
                "accuracy": _ratio(s.right[j], count),
                "log_loss": _ratio(s.log_loss[j], count),
                "roc_auc": _area(s.above[j], s.seen),
                "base_rate": _ratio(s.seen[1], count),
                "recent": _ratio(s.recent[j], s.heft[0]),
            }
            for j in range(len(s.right))
        ]

    def state(self) -> State:
        return copies(self._sums._asdict())

    def expected(self) -> Expected:
        return shapes(self._sums._asdict())

    def load(self, state: Mapping[str, Array]) -> None:
        overwrite(self._sums._asdict(), state)


def _area(above: Ints, seen: Ints) -> float:
    """Trapezoids under the curve through (false, true positive rate) at each threshold."""
    positive = above[::-1].cumsum(axis=0)[::-1][1:]  # (THRESHOLDS, 2): above threshold i, by label
    false, true = positive[:, 0] / max(seen[0], 1), positive[:, 1] / max(seen[1], 1)
    return float(np.sum((false[:-1] - false[1:]) * (true[:-1] + true[1:]) / 2))


@njit(cache=True, error_model="numpy")
def _classes(label: Floats, judged: Floats, losses: Floats, thresholds: Floats, s: BinarySums) -> None:
    for i in range(len(label)):
        if np.isnan(losses[i, 0]):
            continue
        y = np.int64(label[i])
        s.seen[y] += 1
        s.heft[0] = RECENT * s.heft[0] + 1.0
        for j in range(losses.shape[1]):
            p = judged[i, j]
            s.right[j] += np.int64((p > 0.5) == (y == 1))
            s.log_loss[j] += losses[i, j]
            s.above[j, _below(p, thresholds), y] += 1
            s.recent[j] = RECENT * s.recent[j] + losses[i, j]


@njit(cache=True, error_model="numpy")
def _below(p: float, thresholds: Floats) -> int:
    """How many thresholds lie below p in [0, 1]: a guess that rounding can put off by one, corrected."""
    last = len(thresholds) - 1
    below = int(min(int(p * last) + 1, last))
    if p <= thresholds[below - 1] and below > 1:
        return below - 1
    if p > thresholds[below] and below < last:
        return below + 1
    return below
