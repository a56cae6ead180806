"""One mixture for each field that is predicted, and their figures together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, Steps, nested, within
from streamrnn.mixing import Mixture, Scored

Floats = NDArray[np.float64]
Quality = dict[str, float]


class Mixtures:
    """Mixes each field on its own. A figure of several fields is the mean of theirs."""

    def __init__(self, fields: Sequence[str], **settings: Any) -> None:
        """`settings` of every field's `Mixture`."""
        self.by_field = {field: Mixture(**settings) for field in fields}
        self._first = next(iter(self.by_field.values()))

    @property
    def width(self) -> int:
        """w: how many fields."""
        return len(self.by_field)

    @property
    def members(self) -> list[str]:
        """Networks, then baselines."""
        return self._first.members

    @property
    def error(self) -> str:
        """Which figure of the quality is the error that members are compared by."""
        return self._first.error

    @property
    def baselines(self) -> list[str]:
        return self._first.baselines

    @property
    def bytes_per_key(self) -> int:
        return sum(mixture.bytes_per_key for mixture in self.by_field.values())

    @property
    def bytes_per_row(self) -> int:
        return sum(mixture.bytes_per_row for mixture in self.by_field.values())

    def reserve(self, slots: int, rows: int) -> None:
        for mixture in self.by_field.values():
            mixture.reserve(slots, rows)

    def score(self, steps: Steps, label: Floats, answers: Floats) -> list[Scored]:
        """For each field; `label` (w, n), `answers` (n, N, w), or (n, N, C) of the one class field."""
        if len(self.by_field) == 1:
            return [self._first.score(steps, label[0], answers)]
        return [
            mixture.score(steps, label[field], answers[:, :, field])
            for field, mixture in enumerate(self.by_field.values())
        ]

    def warm_up(self) -> None:
        self._first.warm_up()

    # --- what people look at ----------------------------------------------------------------------

    def quality(self) -> dict[str, Quality]:
        """By "mix" and each member's name; see `Mixture.quality`."""
        return _mean([mixture.quality() for mixture in self.by_field.values()])

    def quality_between(self, earlier: State) -> dict[str, Quality]:
        """Of the events judged since `earlier`, a `state()` of this."""
        return _mean(
            [
                mixture.quality_between(within(str(i), earlier))
                for i, mixture in enumerate(self.by_field.values())
            ]
        )

    def mean_weights(self) -> dict[str, float]:
        return _mean_of([mixture.mean_weights() for mixture in self.by_field.values()])

    def replaced(self) -> dict[str, int]:
        """How many answers of each network were not usable."""
        each = [mixture.replaced() for mixture in self.by_field.values()]
        return {name: sum(counts[name] for counts in each) for name in each[0]}

    # --- state --------------------------------------------------------------------------------------

    def state(self) -> State:
        """By the field's index: names of fields may hold anything."""
        state: State = {}
        for i, mixture in enumerate(self.by_field.values()):
            state |= nested(str(i), mixture.state())
        return state

    def load(self, state: State) -> None:
        for i, mixture in enumerate(self.by_field.values()):
            mixture.load(within(str(i), state))


def _mean(each: Sequence[Mapping[str, Quality]]) -> dict[str, Quality]:
    return {name: _mean_of([quality[name] for quality in each]) for name in each[0]}


def _mean_of(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: _middle([figures[name] for figures in each]) for name in each[0]}


def _middle(values: Sequence[float]) -> float:
    """The mean; a count that is the same everywhere stays a whole number."""
    return values[0] if len(set(values)) == 1 else sum(values) / len(values)
