"""Intervals around predictions that cover the asked share of labels, whatever stream and predictor do.

The interval around a prediction p is p ± e^q σ; σ is the key's typical absolute error. After each label that
an interval was made for
    q ← q + η (missed − α),    missed = 1 outside, 0 inside; α = 1 − level                       (1)
This is the quantile tracker of Angelopoulos, Candès & Tibshirani ("Conformal PID control for time series
prediction", 2023), hence adaptive conformal inference (Gibbs & Candès 2021), on the logarithm of the error
over σ: there η has no unit, and an interval is never empty. With an η that never grows, summing (1) by parts
gives after T labels, without any assumption,
    |misses / T − α| ≤ (max q − min q) / (η_T T)                                                 (2)
and q stays within the logarithms of the errors over σ, give or take a step. Two things are ours. η falls as
1/√t to RATE, so that a fresh key finds its width soon. σ is a slow and a lively running mean together:
intervals widen at once where errors do, and are narrower elsewhere for it. A fresh key starts from the
stream's usual q and σ.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that a
function stands in, not of one that it imports from.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from streamrnn.arrays import State, Steps, expect, within
from streamrnn.compiled import inlined, loop
from streamrnn.mixing.table import Array, Floats, Ints, Memory, Table

RATE = 0.025
"""η, once a key has been judged often."""
START = 0.5
"""η of a key's first label; that of its t-th is START / √t, at least RATE."""
SLOW = 1 - 0.5 ** (1 / 200)
"""Gain of the slow mean: half its weight lies in the key's last 200 errors."""
LIVELY = 1 - 0.5 ** (1 / 5)
"""Gain of the lively mean, likewise of the last 5."""
SHARE = 0.3
"""Of the lively mean in σ."""
USUAL = 1 / 500
"""Gain of what the stream remembers over all its keys."""
LEAST = math.log(0.05)
"""Least q. Where nearly all errors are 0 it would fall on, and take as long to rise again."""
MOST = math.log(1e6)
"""Greatest q."""
WIDEST = 1e200
"""Greatest half-width: ends of an interval are always numbers."""
RECENT = 0.5 ** (1 / 1000)
"""Of the recent coverage, per judged interval: half its weight lies in the last 1000."""


class IntervalMemory(NamedTuple):
    """What the intervals hold of each key."""

    errors: Ints
    """Errors seen."""
    reach: Floats
    """q"""
    slow: Floats
    """Mean absolute error."""
    lively: Floats
    """The same of the last few events."""


class IntervalWaiting(NamedTuple):
    intervals: Floats
    """(rows, 2): predictions that wait for their label, and the half-widths around them; −1 where none."""


class IntervalStream(NamedTuple):
    """What the intervals hold once."""

    errors: Ints
    """(1,): errors seen."""
    reach: Floats
    """(1,): usual q."""
    error: Floats
    """(1,): usual absolute error."""
    judged: Ints
    """(1,): intervals that were judged by a label."""
    covered: Ints
    """(1,): how many of them covered it."""
    width: Floats
    """(1,): sum of their widths."""
    score: Floats
    """(1,): sum of their interval scores."""
    recent: Floats
    """(2,): Σ covered and Σ 1, fading."""


class Intervals:
    """One interval per prediction of one number field; `level` of them shall cover their labels."""

    def __init__(self, level: float) -> None:
        if not 0 < level < 1:
            raise ValueError(f"level {level}: expected a share between 0 and 1")
        self._alpha = 1 - level
        keys = Table(
            IntervalMemory,
            {
                "errors": (np.int64, ()),
                "reach": (np.float64, ()),
                "slow": (np.float64, ()),
                "lively": (np.float64, ()),
            },
        )
        waiting = Table(IntervalWaiting, {"intervals": (np.float64, (2,))})
        start = np.full(1, math.log(-math.log(self._alpha)))  # of errors that fall off exponentially
        stream = IntervalStream(
            np.zeros(1, np.int64),
            start,
            np.zeros(1),
            np.zeros(1, np.int64),
            np.zeros(1, np.int64),
            np.zeros(1),
            np.zeros(1),
            np.zeros(2),
        )
        self._memory = Memory(keys, waiting, stream)

    @property
    def bytes_per_key(self) -> int:
        return self._memory.bytes_per_key

    @property
    def bytes_per_row(self) -> int:
        """Memory that one interval takes while it waits for its label."""
        return self._memory.bytes_per_row

    def reserve(self, slots: int, rows: int) -> None:
        """Make room for slots 0 to `slots` − 1 and for `rows` waiting intervals."""
        self._memory.reserve(slots, rows)

    def answer(self, steps: Steps, label: ArrayLike, published: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Ends of each event's interval (n,), low and high, and whether its label lies in the one it judges.

        The third is 1, 0, or NaN where no interval is judged. The ends are NaN where the event makes no
        step, and as long as no error of the whole stream is known. `label` (n,) is NaN where unknown,
        `published` (n,) any number where an event makes no step. Slots and rows must be reserved.
        """
        label = np.ascontiguousarray(label, np.float64)
        published = np.ascontiguousarray(published, np.float64)
        low, high, covered = np.empty((3, len(label)))
        _answer(
            steps.slots,
            steps.fresh,
            steps.moves,
            steps.back,
            steps.keep,
            steps.judge,
            label,
            published,
            low,
            high,
            covered,
            self._memory.keys.arrays,
            self._memory.waiting.arrays,
            self._memory.stream,
            self._alpha,
        )
        return low, high, covered

    def warm_up(self) -> None:
        """Compile everything that `answer` calls, without touching any state."""
        none, never = np.empty(0, np.int32), np.empty(0, np.bool_)
        self.answer(Steps(none, never, never, none, none, none), [], [])

    def quality(self, earlier: Mapping[str, Array] | None = None) -> dict[str, float]:
        """Of all judged intervals, or of those since `earlier`, a `state()` of these intervals.

        count, coverage, mean width, mean interval_score (the width, and 2/α times how far outside the label
        lies; Gneiting & Raftery 2007; the lower the better), and recent: the coverage now, half of it from
        the last 1000.
        """
        s = self._memory.stream
        sums = [float(array[0]) for array in (s.judged, s.covered, s.width, s.score)]
        if earlier is not None:
            names = ("judged", "covered", "width", "score")
            past = [earlier[f"stream/{name}"][0] for name in names]
            sums = [now - float(then) for now, then in zip(sums, past, strict=True)]
        count, covered, width, score = sums
        each = max(count, 1.0)
        return {
            "count": int(count),
            "coverage": covered / each,
            "width": width / each,
            "interval_score": score / each,
            "recent": float(s.recent[0] / s.recent[1]) if s.recent[1] else 0.0,
        }

    def state(self) -> State:
        """Everything that shapes what comes next, by name; copies."""
        return self._memory.state()

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over a `state()` of intervals of the same level; SnapshotError names what does not fit."""
        slots = len(state["reach"]) if "reach" in state and state["reach"].ndim else 0
        waiting = within("waiting", state).get("intervals", np.empty(0))
        rows = len(waiting) if waiting.ndim else 0
        expect(state, self._memory.expected(slots, rows))
        self._memory.load(state, slots, rows)


@loop
def _answer(
    slots: Array,
    fresh: Array,
    moves: Array,
    back: Array,
    keep: Array,
    judge: Array,
    label: Floats,
    published: Floats,
    low: Floats,
    high: Floats,
    covered: Floats,
    key: IntervalMemory,
    waiting: IntervalWaiting,
    stream: IntervalStream,
    alpha: float,
) -> None:
    for i in range(len(slots)):
        k = slots[i]
        if fresh[i]:
            key.errors[k] = 0
            key.reach[k] = stream.reach[0]
            key.slow[k] = key.lively[k] = stream.error[0]
        low[i] = high[i] = covered[i] = np.nan
        if judge[i] >= 0 and not np.isnan(label[i]):
            row = waiting.intervals[judge[i]]
            covered[i] = _judge(label[i], row[0], row[1], k, key, stream, alpha)
        if not moves[i]:
            continue
        half = _half(k, key) if stream.errors[0] > 0 else -1.0
        if half >= 0.0:
            low[i], high[i] = published[i] - half, published[i] + half
        if keep[i] >= 0:
            waiting.intervals[keep[i], 0] = published[i]
            waiting.intervals[keep[i], 1] = half
        if back[i] == 0 and not np.isnan(label[i]):
            covered[i] = _judge(label[i], published[i], half, k, key, stream, alpha)


@inlined
def _half(k: int, key: IntervalMemory) -> float:
    """e^q σ"""
    typical = key.slow[k] + SHARE * (key.lively[k] - key.slow[k])
    return float(min(np.exp(key.reach[k]) * typical, WIDEST))


@inlined
def _judge(
    y: float, middle: float, half: float, k: int, key: IntervalMemory, stream: IntervalStream, alpha: float
) -> float:
    """Whether the interval covers y, NaN if there is none; then q and σ learn."""
    error, covers = abs(y - middle), np.nan
    key.errors[k] += 1
    if half >= 0.0:
        outside = max(middle - half - y, y - middle - half, 0.0)
        covers = 1.0 if outside == 0.0 else 0.0
        rate = max(START / np.sqrt(key.errors[k]), RATE)
        key.reach[k] = min(max(key.reach[k] + rate * (1.0 - covers - alpha), LEAST), MOST)
        _count(covers, 2.0 * half, 2.0 * half + 2.0 / alpha * outside, stream)
    gain = 1.0 / key.errors[k]
    key.slow[k] += max(gain, SLOW) * (error - key.slow[k])
    key.lively[k] += max(gain, LIVELY) * (error - key.lively[k])
    _remember(error, key.reach[k], stream)
    return covers


@inlined
def _remember(error: float, reach: float, stream: IntervalStream) -> None:
    """What a fresh key starts from."""
    stream.errors[0] += 1
    gain = max(1.0 / stream.errors[0], USUAL)
    stream.error[0] += gain * (error - stream.error[0])
    stream.reach[0] += gain * (reach - stream.reach[0])


@inlined
def _count(covers: float, width: float, score: float, stream: IntervalStream) -> None:
    stream.judged[0] += 1
    stream.covered[0] += np.int64(covers)
    stream.width[0] += width
    stream.score[0] += score
    stream.recent[0] = RECENT * stream.recent[0] + covers
    stream.recent[1] = RECENT * stream.recent[1] + 1.0
