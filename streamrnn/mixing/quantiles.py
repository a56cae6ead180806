"""Published quantiles, and how good they are: pinball loss, and the share of labels below each.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that a
function stands in, not of one that it imports from.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, Steps, expect, within
from streamrnn.compiled import inlined, loop
from streamrnn.mixing.table import Array, Floats, Ints, Memory, Table, no_table


class QuantileWaiting(NamedTuple):
    values: Floats
    """(rows, q): quantiles that wait for their label."""


class QuantileStream(NamedTuple):
    """Sums over the judged quantiles."""

    judged: Ints
    """(1,)"""
    pinball: Floats
    """(q,): losses."""
    below: Ints
    """(q,): labels at or below."""


class Quantiles:
    """The networks' quantiles of one number field, weighted as the mix weighs the networks."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        q = len(levels)
        self._levels = np.array(levels)
        stream = QuantileStream(np.zeros(1, np.int64), np.zeros(q), np.zeros(q, np.int64))
        waiting = Table(QuantileWaiting, {"values": (np.float64, (q,))})
        self._memory = Memory(no_table(), waiting, stream)

    @property
    def bytes_per_key(self) -> int:
        return self._memory.bytes_per_key

    @property
    def bytes_per_row(self) -> int:
        return self._memory.bytes_per_row

    def reserve(self, slots: int, rows: int) -> None:
        self._memory.reserve(slots, rows)

    def answer(self, steps: Steps, label: Floats, quantiles: Floats, weights: Floats) -> Floats:
        """(n, q): the mean of the networks' `quantiles` (n, N, q) by their `weights` (n, N) in the mix.

        Averaging quantiles keeps the networks' shape (Vincent 1912). Rows of events that make no step are
        NaN; each label judges what was published for its step.
        """
        published = np.empty((len(label), len(self._levels)))
        memory = self._memory
        _answer(
            steps.moves,
            steps.back,
            steps.keep,
            steps.judge,
            np.ascontiguousarray(label),
            np.ascontiguousarray(quantiles),
            np.ascontiguousarray(weights),
            self._levels,
            memory.waiting.arrays,
            memory.stream,
            published,
        )
        return published

    def warm_up(self) -> None:
        """Compile everything that `answer` calls, without touching any state."""
        none, never = np.empty(0, np.int32), np.empty(0, np.bool_)
        steps = Steps(none, never, never, none, none, none)
        self.answer(steps, np.empty(0), np.empty((0, 1, len(self._levels))), np.empty((0, 1)))

    def quality(self) -> dict[str, float]:
        """count, pinball (mean over the levels) and, for each level, the share of labels at or below it."""
        s = self._memory.stream
        count = max(int(s.judged[0]), 1)
        shares = {
            f"below_{level:g}": float(n / count) for level, n in zip(self._levels, s.below, strict=True)
        }
        return {"count": int(s.judged[0]), "pinball": float(np.mean(s.pinball)) / count, **shares}

    def state(self) -> State:
        return self._memory.state()

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over a `state()` of the same levels; SnapshotError names what does not fit."""
        waiting = within("waiting", state).get("values", np.empty(0))
        rows = len(waiting) if waiting.ndim else 0
        expect(state, self._memory.expected(0, rows))
        self._memory.load(state, 0, rows)


@loop
def _answer(
    moves: NDArray[np.bool_],
    back: Array,
    keep: Array,
    judge: Array,
    label: Floats,
    quantiles: Floats,
    weights: Floats,
    levels: Floats,
    waiting: QuantileWaiting,
    stream: QuantileStream,
    published: Floats,
) -> None:
    for i in range(len(label)):
        if judge[i] >= 0:
            _judge(label[i], waiting.values[judge[i]], levels, stream)
        for q in range(len(levels)):
            published[i, q] = np.nan
        if moves[i]:
            _mix(weights[i], quantiles[i], published[i])
            if keep[i] >= 0:
                for q in range(len(levels)):
                    waiting.values[keep[i], q] = published[i, q]
        if back[i] == 0:
            _judge(label[i], published[i], levels, stream)


@inlined
def _all_finite(values: Floats) -> bool:
    finite = True
    for value in values:
        finite &= np.isfinite(value)
    return finite


@inlined
def _mix(weights: Floats, quantiles: Floats, published: Floats) -> None:
    """A network of no weight, or whose quantiles are no numbers, does not count; if none is left, all do."""
    total = 0.0
    for m in range(len(weights)):
        total += weights[m] if _all_finite(quantiles[m]) else 0.0
    for q in range(len(published)):
        published[q] = 0.0
        for m in range(len(weights)):
            if total == 0.0:
                published[q] += quantiles[m, q] / len(weights)
            elif weights[m] > 0.0 and _all_finite(quantiles[m]):
                published[q] += weights[m] * quantiles[m, q] / total


@inlined
def _judge(y: float, values: Floats, levels: Floats, stream: QuantileStream) -> None:
    """Pinball loss (Koenker & Bassett 1978): level · (y − v) above v, (1 − level) · (v − y) below."""
    if np.isnan(y) or not _all_finite(values):
        return
    stream.judged[0] += 1
    for j in range(len(levels)):
        error = y - values[j]
        stream.pinball[j] += levels[j] * error if error >= 0.0 else (levels[j] - 1.0) * error
        stream.below[j] += np.int64(error <= 0.0)
