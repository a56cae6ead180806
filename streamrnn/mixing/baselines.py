"""The naive rules that every network has to beat, as members of the mix.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that
a function stands in, not of one that it imports from.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numba import njit

from streamrnn.arrays import Expected, State, nested, shapes, within
from streamrnn.mixing.table import Array, Floats, Ints, Table, copies, overwrite

LEAN = 2.0
"""Pseudo-count with which a key's class frequencies lean on the stream's."""


class Baselines(Protocol):
    """A set of naive rules with a memory per key."""

    names: tuple[str, ...]

    @property
    def bytes_per_key(self) -> int: ...

    def reserve(self, slots: int) -> None: ...

    def predict(self, slots: Array, fresh: Array, label: Floats, members: Floats, first: int) -> None:
        """Write each event's predictions to columns `first`… of `members` (n, M), and learn its label.

        A label that is NaN is unknown and teaches nothing. The slots must be reserved.
        """

    def state(self) -> State: ...

    def expected(self, keys: int) -> Expected:
        """The types and shapes of a state with so many keys; `load` takes over such a one."""

    def load(self, state: Mapping[str, Array]) -> None: ...


# --- numbers --------------------------------------------------------------------------------------


class NumberMemory(NamedTuple):
    """What the rules remember of each key."""

    steps: Ints
    """Events since the key was fresh."""
    labels: Ints
    """Labels among them."""
    first: Ints
    """The step of the first label."""
    last: Floats
    mean: Floats
    history: Floats
    """(slots, season): the label of step t in column t mod season; an unknown one is the one before it."""
    deviations: Floats
    """(slots, h): step t's label minus the one a season before it, in column t mod h; 0 if unknown."""
    lasted: Floats
    """Σ of a deviation times the one h steps before it."""
    started: Floats
    """Σ of the squares of those before."""


class NumberStream(NamedTuple):
    """The same for all keys together, each (1,)."""

    labels: Ints
    mean: Floats


class NumberBaselines:
    """`last` value and running `mean` of the key; with a season also the value one season before the
    target (`season`), and that value plus the part of the current deviation from the season that is
    likely to last (`season_corrected`).

    That part is the key's own regression of deviations on those one horizon earlier, between none and all
    of it. With a horizon h ≥ 1 event t's label is known at t and its target is t + h; with h = 0 the target
    is t's own label, learned after the prediction. Until the key has a label, every rule says the mean of
    the stream's labels (0 before the first); until it has a season of them, the seasonal rules say `last`.
    """

    def __init__(self, horizon: int, season: int | None) -> None:
        if season is not None and season < max(horizon, 1):
            raise ValueError(f"season: {season} is shorter than horizon: {horizon}")
        seasonal = () if season is None else ("season", "season_corrected")
        self.names: tuple[str, ...] = ("last", "mean", *seasonal)
        self._horizon = horizon
        self._table = Table(
            NumberMemory,
            steps=(np.int64, ()),
            labels=(np.int64, ()),
            first=(np.int64, ()),
            last=(np.float64, ()),
            mean=(np.float64, ()),
            history=(np.float64, (season or 0,)),
            deviations=(np.float64, (max(horizon, 1) if season else 0,)),
            lasted=(np.float64, ()),
            started=(np.float64, ()),
        )
        self._stream = NumberStream(np.zeros(1, np.int64), np.zeros(1))

    @property
    def bytes_per_key(self) -> int:
        return self._table.bytes_per_key

    def reserve(self, slots: int) -> None:
        self._table.reserve(slots)

    def predict(self, slots: Array, fresh: Array, label: Floats, members: Floats, first: int) -> None:
        _numbers(slots, fresh, label, self._horizon, self._table.arrays, self._stream, members, first)

    def state(self) -> State:
        return self._table.state() | nested("stream", copies(self._stream._asdict()))

    def expected(self, keys: int) -> Expected:
        return {**self._table.expected(keys), **nested("stream", shapes(self._stream._asdict()))}

    def load(self, state: Mapping[str, Array]) -> None:
        self._table.load(state)
        overwrite(self._stream._asdict(), within("stream", state))


@njit(cache=True, error_model="numpy")
def _numbers(
    slots: Array,
    fresh: Array,
    label: Floats,
    horizon: int,
    key: NumberMemory,
    stream: NumberStream,
    members: Floats,
    first: int,
) -> None:
    season = key.history.shape[1]
    for i in range(len(slots)):
        k = slots[i]
        if fresh[i]:
            key.steps[k] = key.labels[k] = key.first[k] = 0
            key.last[k] = key.mean[k] = key.lasted[k] = key.started[k] = 0.0
            key.history[k, :] = 0.0
            key.deviations[k, :] = 0.0
        t = key.steps[k]
        if horizon > 0:
            _learn_number(label[i], t, k, key, stream)
        known = key.labels[k] > 0
        last = key.last[k] if known else stream.mean[0]
        members[i, first] = last
        members[i, first + 1] = key.mean[k] if known else stream.mean[0]
        if season > 0:
            target = t + horizon
            seasonal = corrected = last
            if known and target - season >= key.first[k]:
                seasonal = key.history[k, target % season]
                corrected = seasonal + _lasting(k, key) * key.deviations[k, t % key.deviations.shape[1]]
            members[i, first + 2] = seasonal
            members[i, first + 3] = corrected
        if horizon == 0:
            _learn_number(label[i], t, k, key, stream)
        key.steps[k] = t + 1


@njit(cache=True, error_model="numpy")
def _lasting(k: int, key: NumberMemory) -> float:
    """Which part of a deviation is still there one horizon later: least squares through the origin."""
    return float(min(max(key.lasted[k] / key.started[k], 0.0), 1.0)) if key.started[k] > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def _learn_number(y: float, t: int, k: int, key: NumberMemory, stream: NumberStream) -> None:
    """Take in the label of the key's step t, which may be unknown."""
    known = not np.isnan(y)
    if known:
        if key.labels[k] == 0:
            key.first[k] = t
        key.labels[k] += 1
        key.mean[k] += (y - key.mean[k]) / key.labels[k]
        key.last[k] = y
        stream.labels[0] += 1
        stream.mean[0] += (y - stream.mean[0]) / stream.labels[0]
    season = key.history.shape[1]
    if season > 0:
        column = t % season  # still holds the label of t − season
        before = t % key.deviations.shape[1]  # still holds the deviation of one horizon ago
        deviation = 0.0
        if known and t - season >= key.first[k]:
            deviation = y - key.history[k, column]
            key.lasted[k] += deviation * key.deviations[k, before]
            key.started[k] += key.deviations[k, before] * key.deviations[k, before]
        key.deviations[k, before] = deviation
        key.history[k, column] = key.last[k]


# --- classes --------------------------------------------------------------------------------------


class BinaryMemory(NamedTuple):
    """Counts of each key, and its last label."""

    labels: Ints
    ones: Ints
    pairs: Ints
    """Labels with one before them in their key."""
    repeats: Ints
    """Pairs of equal labels."""
    last: Ints


class BinaryStream(NamedTuple):
    """The same counts over all keys, each (1,)."""

    labels: Ints
    ones: Ints
    pairs: Ints
    repeats: Ints


class BinaryBaselines:
    """`last_label`, the probability of a 1 if labels repeat as often as they have so far, and `majority`,
    the frequency of ones.

    Both count within the key and lean on the whole stream's rate with a pseudo-count of 2; that rate
    itself starts at one half (Laplace's rule of succession).
    """

    names: tuple[str, ...] = ("last_label", "majority")

    def __init__(self) -> None:
        counts: dict[str, tuple[type, tuple[int, ...]]] = dict.fromkeys(BinaryMemory._fields, (np.int64, ()))
        self._table = Table(BinaryMemory, **counts)
        self._stream = BinaryStream(*(np.zeros(1, np.int64) for _ in BinaryStream._fields))

    @property
    def bytes_per_key(self) -> int:
        return self._table.bytes_per_key

    def reserve(self, slots: int) -> None:
        self._table.reserve(slots)

    def predict(self, slots: Array, fresh: Array, label: Floats, members: Floats, first: int) -> None:
        _classes(slots, fresh, label, self._table.arrays, self._stream, members, first)

    def state(self) -> State:
        return self._table.state() | nested("stream", copies(self._stream._asdict()))

    def expected(self, keys: int) -> Expected:
        return {**self._table.expected(keys), **nested("stream", shapes(self._stream._asdict()))}

    def load(self, state: Mapping[str, Array]) -> None:
        self._table.load(state)
        overwrite(self._stream._asdict(), within("stream", state))


@njit(cache=True, error_model="numpy")
def _classes(
    slots: Array,
    fresh: Array,
    label: Floats,
    key: BinaryMemory,
    stream: BinaryStream,
    members: Floats,
    first: int,
) -> None:
    for i in range(len(slots)):
        k = slots[i]
        if fresh[i]:
            key.labels[k] = key.ones[k] = key.pairs[k] = key.repeats[k] = key.last[k] = 0
        one = _leaning(key.ones[k], key.labels[k], stream.ones[0], stream.labels[0])
        repeat = _leaning(key.repeats[k], key.pairs[k], stream.repeats[0], stream.pairs[0])
        members[i, first] = one if key.labels[k] == 0 else (repeat if key.last[k] == 1 else 1.0 - repeat)
        members[i, first + 1] = one
        if not np.isnan(label[i]):
            y = np.int64(label[i])
            if key.labels[k] > 0:
                same = np.int64(y == key.last[k])
                key.pairs[k] += 1
                key.repeats[k] += same
                stream.pairs[0] += 1
                stream.repeats[0] += same
            key.labels[k] += 1
            key.ones[k] += y
            key.last[k] = y
            stream.labels[0] += 1
            stream.ones[0] += y


@njit(cache=True, error_model="numpy")
def _leaning(hits: int, count: int, stream_hits: int, stream_count: int) -> float:
    """The key's share of hits, leaning on the stream's."""
    rate = (stream_hits + 1.0) / (stream_count + 2.0)
    return (hits + LEAN * rate) / (count + LEAN)
