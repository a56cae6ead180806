"""Naive rules for classes: the last label again, and what is frequent.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that
a function stands in, not of one that it imports from.
"""

from typing import NamedTuple

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.compiled import inlined, loop
from streamrnn.mixing.table import Array, Floats, Ints, Memory, Nothing, Table, no_table

LEAN = 2.0
"""Pseudo-count with which a key's frequencies lean on the stream's."""


class ClassMemory(NamedTuple):
    """Counts of each key, and its last label."""

    labels: Ints
    counts: Ints
    """(slots, C): labels of each class."""
    pairs: Ints
    """Labels with one before them in their key."""
    repeats: Ints
    """Pairs of equal labels."""
    last: Ints


class ClassStream(NamedTuple):
    """The same counts over all keys: (C,), the others (1,)."""

    labels: Ints
    counts: Ints
    pairs: Ints
    repeats: Ints


class ClassBaselines(Memory[ClassMemory, Nothing, ClassStream]):
    """`last_label`: the last label again, as often as labels have repeated so far, else another class by its
    frequency; `majority`: each class's frequency.

    Both count within the key and lean on the whole stream's rates with a pseudo-count of 2. Those start
    even, with a pseudo-count of 1 in all (Krichevsky & Trofimov 1981 for two classes, Perks 1947 for more).
    """

    names: tuple[str, ...] = ("last_label", "majority")

    def __init__(self, classes: int) -> None:
        one = (np.int64, ())
        keys = Table(
            ClassMemory,
            {"labels": one, "counts": (np.int64, (classes,)), "pairs": one, "repeats": one, "last": one},
        )
        stream = ClassStream(
            np.zeros(1, np.int64), np.zeros(classes, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64)
        )
        super().__init__(keys, no_table(), stream)

    def predict(self, steps: Steps, label: Floats, answers: Floats, first: int) -> None:
        _predict(
            steps.slots,
            steps.fresh,
            steps.moves,
            steps.back,
            steps.judge,
            label,
            self.keys.arrays,
            self.stream,
            answers,
            first,
        )


@loop
def _predict(
    slots: Array,
    fresh: Array,
    moves: Array,
    back: Array,
    judge: Array,
    label: Floats,
    key: ClassMemory,
    stream: ClassStream,
    answers: Floats,
    first: int,
) -> None:
    for i in range(len(slots)):
        k = slots[i]
        if fresh[i]:
            key.labels[k] = key.pairs[k] = key.repeats[k] = key.last[k] = 0
            key.counts[k, :] = 0
        if judge[i] >= 0:
            _learn(label[i], k, key, stream)
        if moves[i]:
            _say(k, key, stream, answers[i, first], answers[i, first + 1])
        if back[i] == 0:
            _learn(label[i], k, key, stream)


@inlined
def _say(k: int, key: ClassMemory, stream: ClassStream, again: Floats, frequent: Floats) -> None:
    """Probabilities (C,) of `last_label` and of `majority`."""
    classes = len(frequent)
    for c in range(classes):
        rate = (stream.counts[c] + 1.0 / classes) / (stream.labels[0] + 1.0)
        frequent[c] = (key.counts[k, c] + LEAN * rate) / (key.labels[k] + LEAN)
    if key.labels[k] == 0:
        for c in range(classes):
            again[c] = frequent[c]
        return
    rate = (stream.repeats[0] + 0.5) / (stream.pairs[0] + 1.0)
    repeat = (key.repeats[k] + LEAN * rate) / (key.pairs[k] + LEAN)
    others = 0.0
    for c in range(classes):
        others += frequent[c] if c != key.last[k] else 0.0
    for c in range(classes):
        again[c] = frequent[c] * ((1.0 - repeat) / others)
    again[key.last[k]] = repeat


@inlined
def _learn(y: float, k: int, key: ClassMemory, stream: ClassStream) -> None:
    """A label, which may be unknown."""
    if np.isnan(y):
        return
    c = np.int64(y)
    if key.labels[k] > 0:
        same = np.int64(c == key.last[k])
        key.pairs[k] += 1
        key.repeats[k] += same
        stream.pairs[0] += 1
        stream.repeats[0] += same
    key.labels[k] += 1
    key.counts[k, c] += 1
    key.last[k] = c
    stream.labels[0] += 1
    stream.counts[c] += 1
