"""Scores of tokens.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that
a function stands in, not of one that it imports from.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.compiled import inlined, loop
from streamrnn.mixing.scores.base import Quality, ratio
from streamrnn.mixing.table import Array, Floats, Ints, Memory, Nothing, no_table

RECENT = 0.5 ** (1 / 1000)
"""Of the recent bits, per judged token: half their weight lies in the last 1000."""


class TokenSums(NamedTuple):
    judged: Ints
    """(1,): tokens."""
    right: Ints
    """(1 + M,): those that were the likeliest."""
    log_loss: Floats
    """(1 + M,): Σ of it, in nats."""
    recent: Floats
    """(1 + M,): the same, fading."""
    heft: Floats
    """(1,): Σ 1, fading likewise."""


class TokenScores(Memory[Nothing, Nothing, TokenSums]):
    """Bits per character, or per byte: river's CrossEntropy over ln 2; and its Accuracy."""

    error = "bits_per_character"

    def __init__(self, columns: int) -> None:
        sums = TokenSums(
            np.zeros(1, np.int64),
            np.zeros(columns, np.int64),
            np.zeros(columns),
            np.zeros(columns),
            np.zeros(1),
        )
        super().__init__(no_table(), no_table(), sums)

    def learn(self, steps: Steps, label: Floats, judged: Floats, losses: Floats) -> None:
        _learn(label, judged, losses, self.stream)

    def quality(self, earlier: Mapping[str, Array] | None = None) -> list[Quality]:
        now = self.stream
        count, right, log_loss = now.judged[0], now.right, now.log_loss
        if earlier is not None:
            count = count - earlier["stream/judged"][0]
            right, log_loss = right - earlier["stream/right"], log_loss - earlier["stream/log_loss"]
        return [
            {
                "count": int(count),
                "accuracy": ratio(right[j], count),
                "bits_per_character": ratio(log_loss[j], count) / math.log(2),
                "recent": ratio(now.recent[j], now.heft[0]) / math.log(2),
            }
            for j in range(len(right))
        ]

    def confusion(self) -> None:
        return None


@loop
def _learn(label: Floats, judged: Floats, losses: Floats, s: TokenSums) -> None:
    for i in range(len(label)):
        if np.isnan(losses[i, 0]):
            continue
        s.judged[0] += 1
        s.heft[0] = RECENT * s.heft[0] + 1.0
        for j in range(losses.shape[1]):
            s.right[j] += np.int64(_likeliest(judged[i, j]) == np.int64(label[i]))
            s.log_loss[j] += losses[i, j]
            s.recent[j] = RECENT * s.recent[j] + losses[i, j]


@inlined
def _likeliest(probabilities: Floats) -> int:
    """The token with the greatest probability, the first of equals."""
    best = 0
    for c in range(1, len(probabilities)):
        best = c if probabilities[c] > probabilities[best] else best
    return best
