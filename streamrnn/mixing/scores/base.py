"""What a set of scores is."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.mixing.table import Array, Floats, Ints, Part

Quality = dict[str, float]


class Scores(Part, Protocol):
    """Running sums over judged events; columns are the mix and then each member."""

    error: str
    """The key of `quality` that skill is measured in: the lower the better."""

    def learn(self, steps: Steps, label: Floats, judged: Floats, losses: Floats) -> None:
        """Take in a block: label (n,), judged predictions (n, 1 + M, A), their losses (n, 1 + M) or NaN."""

    def quality(self, earlier: Mapping[str, Array] | None = None) -> list[Quality]:
        """One dictionary per column: of all events, or of those since that earlier state.

        `recent` fades on its own and is the same either way.
        """

    def confusion(self) -> Ints | None:
        """(1 + M, C, C): judged events by label and by class said; None where it is not kept."""


def ratio(a: Any, b: Any) -> float:
    """a / b, or 0 where b is 0."""
    return float(a / b) if b else 0.0


def ratios(a: Array, b: Array) -> Floats:
    """The same of arrays, by element."""
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b != 0)
