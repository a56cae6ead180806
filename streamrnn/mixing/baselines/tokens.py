"""Naive rules for tokens: their frequencies, and their frequencies after the two before them.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that
a function stands in, not of one that it imports from.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import Steps
from streamrnn.compiled import inlined, loop
from streamrnn.mixing.table import Array, Floats, Ints, Memory, Nothing, Table, no_table

WAYS = 4
"""Rows that a context of two tokens may stand in."""
SETS = 1021
"""Most rows of a group; a prime, which spreads contexts that differ in either token."""
DISCOUNT = 0.5
"""What the count of each token seen in a context hands down to the shorter context (PPM's method D)."""
LIMIT = 65_535
"""Greatest total of a row's counts, so that they fit in 16 bits: it is halved there, so it stays recent."""


class TokenMemory(NamedTuple):
    context: Ints
    """(slots, 2): the key's last token and the one before it, each plus 1; 0: none."""


class TokenStream(NamedTuple):
    """Counts of all keys together, in rows: of no context, of each last token, of each two last tokens."""

    counts: NDArray[np.uint16]
    """(1 + V + WAYS · sets, V): how often each token came in a row's context."""
    total: Ints
    """Their sum."""
    distinct: Ints
    """How many of them are not 0."""
    holder: Ints
    """(WAYS · sets,): which context of two tokens has the row, plus 1; 0: none."""


class TokenBaselines(Memory[TokenMemory, Nothing, TokenStream]):
    """`order0`: each token's frequency; `order2`: that after the last two tokens, as far as it is known, else
    after the last one, else at all.

    Each count c of a total N with T distinct tokens says (c − D + D T p) / N, or p D T / N where c = 0, with
    p of the next shorter context and D = 1/2: the escapes of PPM's method D (Howard & Vitter 1993), always
    interpolated. Before any token, all are as likely. The contexts are the key's own, the counts all keys'.

    Contexts of two tokens share a bounded table: one that finds no room in its group of rows halves the
    counts of the least used of them, and takes its place once they are gone.
    """

    names: tuple[str, ...] = ("order0", "order2")

    def __init__(self, vocabulary: int) -> None:
        sets = min(-(-vocabulary * vocabulary // WAYS), SETS)
        rows = 1 + vocabulary + WAYS * sets
        stream = TokenStream(
            np.zeros((rows, vocabulary), np.uint16),
            np.zeros(rows, np.int64),
            np.zeros(rows, np.int64),
            np.zeros(WAYS * sets, np.int64),
        )
        super().__init__(Table(TokenMemory, {"context": (np.int64, (2,))}), no_table(), stream)

    def predict(self, steps: Steps, label: Floats, answers: Floats, first: int) -> None:
        _predict(steps.slots, steps.fresh, steps.moves, label, self.keys.arrays, self.stream, answers, first)


@loop
def _predict(
    slots: Array,
    fresh: Array,
    moves: Array,
    label: Floats,
    key: TokenMemory,
    stream: TokenStream,
    answers: Floats,
    first: int,
) -> None:
    for i in range(len(slots)):
        context = key.context[slots[i]]
        if fresh[i]:
            context[:] = 0
        if moves[i]:
            _take(label[i], context, stream)
            _say(context, stream, answers[i, first], answers[i, first + 1])


@inlined
def _take(label: float, context: Ints, stream: TokenStream) -> None:
    """Learn the token that came after a context and let it end that; an unknown one begins it anew."""
    if np.isnan(label):
        context[:] = 0
        return
    token = np.int64(label)
    _learn(token, context, stream)
    context[1] = context[0]
    context[0] = token + 1


@inlined
def _say(context: Ints, stream: TokenStream, order0: Floats, order2: Floats) -> None:
    order0[:] = 1.0 / len(order0)
    _blend(0, stream, order0)
    for token in range(len(order0)):
        order2[token] = order0[token]
    if context[0] > 0:
        _blend(context[0], stream, order2)
    if context[1] > 0:
        row = _find(context, stream)
        if row >= 0:
            _blend(row, stream, order2)


@inlined
def _blend(row: int, stream: TokenStream, probabilities: Floats) -> None:
    """From those (V,) after a shorter context to those after this row's."""
    total = stream.total[row]
    if total == 0:
        return
    share = 1.0 / total
    handed_down = DISCOUNT * stream.distinct[row] * share
    counts = stream.counts[row]
    for c in range(len(probabilities)):
        own = max(np.float64(counts[c]) - DISCOUNT, 0.0)
        probabilities[c] = own * share + handed_down * probabilities[c]


@inlined
def _learn(token: int, context: Ints, stream: TokenStream) -> None:
    """The token that came after a context, in each of its lengths."""
    _count(0, token, stream)
    if context[0] > 0:
        _count(context[0], token, stream)
    if context[1] > 0:
        row = _find(context, stream)
        if row < 0:
            row = _claim(context, stream)
        if row >= 0:
            _count(row, token, stream)


@inlined
def _count(row: int, token: int, stream: TokenStream) -> None:
    if stream.total[row] == LIMIT:
        _halve(row, stream)
    stream.distinct[row] += np.int64(stream.counts[row, token] == 0)
    stream.counts[row, token] += np.uint16(1)
    stream.total[row] += 1


@inlined
def _halve(row: int, stream: TokenStream) -> None:
    stream.total[row] = stream.distinct[row] = 0
    for c in range(stream.counts.shape[1]):
        half = stream.counts[row, c] >> np.uint16(1)
        stream.counts[row, c] = half
        stream.total[row] += np.int64(half)
        stream.distinct[row] += np.int64(half > 0)


@inlined
def _group(context: Ints, stream: TokenStream) -> tuple[int, int]:
    """What a context of two tokens is called, and the first of the rows of `holder` that it may have."""
    vocabulary = stream.counts.shape[1]
    name = (context[1] - 1) * vocabulary + context[0]
    return name, WAYS * ((name - 1) % (len(stream.holder) // WAYS))


@inlined
def _find(context: Ints, stream: TokenStream) -> int:
    """The row of a context of two tokens; −1: it has none."""
    name, start = _group(context, stream)
    for way in range(start, start + WAYS):
        if stream.holder[way] == name:
            return int(1 + stream.counts.shape[1] + way)
    return -1


@inlined
def _claim(context: Ints, stream: TokenStream) -> int:
    """A row for a context that has none; −1: not yet."""
    name, start = _group(context, stream)
    first = 1 + stream.counts.shape[1]
    least = start
    for way in range(start + 1, start + WAYS):
        least = way if stream.total[first + way] < stream.total[first + least] else least
    if stream.total[first + least] > 0:
        _halve(first + least, stream)
    if stream.total[first + least] > 0:
        return -1
    stream.holder[least] = name
    return int(first + least)
