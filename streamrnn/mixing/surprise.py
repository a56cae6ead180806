"""How surprising the events of a key are under what was predicted, between 0 and 1.

The loss of an event, in units of its key's mean loss, is looked at over three spans: the event alone, and
fading means over some 10 and some 100 events. So both a single blow and a long time of being a little off
count. Each is replaced by its rank among what that span has shown in the stream before; the greatest of the
three ranks, ranked likewise, is the score. On a stream that goes on as it did a score above s therefore comes
with frequency 1 − s, whatever the distribution of its errors.

The loss is the squared error of numbers and the log loss of classes: the former is the log loss of a normal
distribution, up to a constant that the mean takes out. The mean includes the event itself: the first loss of
a key is exactly its mean, for with nothing to compare there is no surprise.

Ranks are read off histograms with FINE bins to an octave, spaced as floating-point numbers are and linear
within. Sums of them are binary indexed trees (Fenwick, "A new data structure for cumulative frequency
tables", 1994). They fade by having each event weigh a little more than the one before.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that a
function stands in, not of one that it imports from.
"""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from streamrnn.arrays import State, Steps, expect
from streamrnn.compiled import inlined, loop
from streamrnn.mixing.table import Array, Floats, Ints, Memory, Nothing, Table, no_table

SPANS = (10, 100)
"""Events in which the weight of a fading mean halves."""
TYPICAL = 1 - 0.5 ** (1 / 5000)
"""Gain of a key's mean loss: half its weight lies in the last 5000 events."""
GROWTH = 2 ** (1 / 20_000)
"""Each event's weight in the histograms over that of the one before: half of all lies in the last 20,000."""
HEAVY = 2.0**64
"""Weight of an event at which all weights are scaled back."""
OCTAVES = 16
"""The bins reach from 2^−OCTAVES to 2^OCTAVES."""
FINE = 16
"""Bins to an octave."""
BINS = 2 * OCTAVES * FINE
REACH = 1e150
"""Greatest error: its square must be a number too."""


class SurpriseMemory(NamedTuple):
    """What is held of each key."""

    events: Ints
    """(slots, w): known losses of each field."""
    typical: Floats
    """(slots, w): their mean."""
    recent: Floats
    """(slots, SPANS): fading means of the loss over its mean."""


class SurpriseStream(NamedTuple):
    """What is held once."""

    bins: Floats
    """(2 + SPANS, BINS): weights by bin, of the event alone, of each span, and of the greatest rank."""
    trees: Floats
    """(2 + SPANS, BINS + 1): sums of them; node j holds that of the bins from j & (j − 1) to j − 1."""
    weight: Floats
    """(2,): of the coming event, and of all before."""


class Surprise:
    """Scores each judged event by its losses; those of several fields count by their mean."""

    def __init__(self, kind: Literal["number", "classes"], fields: int = 1) -> None:
        self._squared = kind == "number"
        self._fields = fields
        keys = Table(
            SurpriseMemory,
            {
                "events": (np.int64, (fields,)),
                "typical": (np.float64, (fields,)),
                "recent": (np.float64, (len(SPANS),)),
            },
        )
        ranks = 2 + len(SPANS)
        stream = SurpriseStream(np.zeros((ranks, BINS)), np.zeros((ranks, BINS + 1)), np.array([1.0, 0.0]))
        self._memory: Memory[SurpriseMemory, Nothing, SurpriseStream] = Memory(keys, no_table(), stream)
        self._fades = np.array([0.5 ** (1 / span) for span in SPANS])

    @property
    def bytes_per_key(self) -> int:
        return self._memory.bytes_per_key

    @property
    def bytes_per_row(self) -> int:
        return self._memory.bytes_per_row

    def reserve(self, slots: int, rows: int) -> None:
        """Make room for slots 0 to `slots` − 1; nothing waits here."""
        self._memory.reserve(slots, rows)

    def score(self, steps: Steps, losses: ArrayLike) -> Floats:
        """How surprising what the event's label judged was (n,), in [0, 1]; NaN where nothing was judged.

        `losses` (n,) or (n, w): of the published prediction, absolute error or log loss, NaN where none.
        Half a score says that there is nothing to compare with yet. Slots must be reserved.
        """
        losses = np.ascontiguousarray(losses, np.float64).reshape(len(steps.slots), self._fields)
        scores = np.empty(len(losses))
        _score(
            steps.slots,
            steps.fresh,
            losses,
            scores,
            self._memory.keys.arrays,
            self._memory.stream,
            self._fades,
            self._squared,
        )
        return scores

    def warm_up(self) -> None:
        """Compile everything that `score` calls, without touching any state."""
        none, never = np.empty(0, np.int32), np.empty(0, np.bool_)
        self.score(Steps(none, never, never, none, none, none), [])

    def state(self) -> State:
        """Everything that shapes what comes next, by name; copies."""
        return self._memory.state()

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over a `state()` of an equal one; SnapshotError names what does not fit."""
        slots = len(state["events"]) if "events" in state and state["events"].ndim else 0
        expect(state, self._memory.expected(slots, 0))
        self._memory.load(state, slots, 0)


@loop
def _score(
    slots: Array,
    fresh: Array,
    losses: Floats,
    scores: Floats,
    key: SurpriseMemory,
    stream: SurpriseStream,
    fades: Floats,
    squared: bool,
) -> None:
    for i in range(len(slots)):
        k = slots[i]
        if fresh[i]:
            key.events[k, :] = 0
            key.typical[k, :] = 0.0
            key.recent[k, :] = 1.0
        loss = _relative(losses[i], key.events[k], key.typical[k], squared)
        scores[i] = np.nan
        if np.isnan(loss):
            continue
        greatest = _rank(loss, stream.bins[0], stream.trees[0], stream.weight)
        for s in range(len(fades)):
            key.recent[k, s] = loss + fades[s] * (key.recent[k, s] - loss)
            greatest = max(
                greatest, _rank(key.recent[k, s], stream.bins[1 + s], stream.trees[1 + s], stream.weight)
            )
        scores[i] = _rank(1.0 / (1.0 - greatest), stream.bins[-1], stream.trees[-1], stream.weight)
        _age(stream)


@inlined
def _relative(losses: Floats, events: Ints, typical: Floats, squared: bool) -> float:
    """The loss over its mean, itself included; the mean over the known fields, NaN if there is none."""
    total, known = 0.0, 0
    for j in range(len(losses)):
        if np.isnan(losses[j]):
            continue
        loss = min(losses[j], REACH)
        if squared:
            loss *= loss
        events[j] += 1
        typical[j] += max(1.0 / events[j], TYPICAL) * (loss - typical[j])
        total += loss / typical[j] if typical[j] > 0.0 else 1.0
        known += 1
    return total / known if known else np.nan


@inlined
def _rank(x: float, bins: Floats, tree: Floats, weight: Floats) -> float:
    """Share of the weight that lies below x, in (0, 1); then x joins."""
    mantissa, exponent = math.frexp(x)  # x = mantissa · 2^exponent, 1/2 ≤ mantissa < 1
    place = (exponent + 2.0 * mantissa - 2.0 + OCTAVES) * FINE if x > 0.0 else 0.0
    place = min(max(place, 0.0), BINS - 1.0)
    b = np.int64(place)
    below, node = (place - b) * bins[b], b
    while node > 0:
        below += tree[node]
        node &= node - 1
    bins[b] += weight[0]
    node = b + 1
    while node <= BINS:
        tree[node] += weight[0]
        node += node & -node
    return float((below + 0.5 * weight[0]) / (weight[0] + weight[1]))


@inlined
def _age(stream: SurpriseStream) -> None:
    """What was is as it was, and the coming event weighs more."""
    stream.weight[1] += stream.weight[0]
    stream.weight[0] *= GROWTH
    if stream.weight[0] > HEAVY:
        _scale(1.0 / stream.weight[0], stream)


@inlined
def _scale(by: float, stream: SurpriseStream) -> None:
    for r in range(len(stream.bins)):
        for b in range(BINS):
            stream.bins[r, b] *= by
            stream.trees[r, 1 + b] *= by
    stream.weight[0] *= by
    stream.weight[1] *= by
