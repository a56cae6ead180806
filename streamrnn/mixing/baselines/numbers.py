"""Naive rules for numbers: the last value, the running mean, the season.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that
a function stands in, not of one that it imports from.
"""

from typing import NamedTuple

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.compiled import inlined, loop
from streamrnn.mixing.table import Array, Floats, Ints, Memory, Nothing, Table, no_table


class NumberMemory(NamedTuple):
    """What the rules remember of each key."""

    steps: Ints
    """Steps since the key was fresh."""
    labels: Ints
    """Labels that came meanwhile."""
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


class NumberBaselines(Memory[NumberMemory, Nothing, NumberStream]):
    """`last` value and running `mean` of the key; with a season also the value one season before the
    target (`season`), and that value plus the part of the current deviation from the season that is
    likely to last (`season_corrected`).

    That part is the key's own regression of deviations on those one horizon earlier, between none and all
    of it. With a horizon h ≥ 1 event t's label is known at t and its target is t + h; with h = 0 the target
    is t's own label, learned after the prediction, or whenever it comes by id: the seasonal rules then know
    of step t what was the last known label at t. Until the key has a label, every rule says the mean of
    the stream's labels (0 before the first); until it has a season of them, the seasonal rules say `last`.
    """

    def __init__(self, horizon: int, season: int | None) -> None:
        if season is not None and season < max(horizon, 1):
            raise ValueError(f"season: {season} is shorter than horizon: {horizon}")
        seasonal = () if season is None else ("season", "season_corrected")
        self.names: tuple[str, ...] = ("last", "mean", *seasonal)
        self._horizon = horizon
        keys = Table(
            NumberMemory,
            {
                "steps": (np.int64, ()),
                "labels": (np.int64, ()),
                "first": (np.int64, ()),
                "last": (np.float64, ()),
                "mean": (np.float64, ()),
                "history": (np.float64, (season or 0,)),
                "deviations": (np.float64, (max(horizon, 1) if season else 0,)),
                "lasted": (np.float64, ()),
                "started": (np.float64, ()),
            },
        )
        super().__init__(keys, no_table(), NumberStream(np.zeros(1, np.int64), np.zeros(1)))

    def predict(self, steps: Steps, label: Floats, answers: Floats, first: int) -> None:
        _predict(
            steps.slots,
            steps.fresh,
            steps.moves,
            steps.back,
            steps.judge,
            label,
            self._horizon,
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
    horizon: int,
    key: NumberMemory,
    stream: NumberStream,
    answers: Floats,
    first: int,
) -> None:
    for i in range(len(slots)):
        k = slots[i]
        if fresh[i]:
            _forget(k, key)
        if horizon == 0 and judge[i] >= 0:
            _take(label[i], k, key, stream)
        if moves[i]:
            if horizon > 0:
                _learn(label[i], k, key, stream)
            known = key.labels[k] > 0
            last = key.last[k] if known else stream.mean[0]
            answers[i, first, 0] = last
            answers[i, first + 1, 0] = key.mean[k] if known else stream.mean[0]
            if key.history.shape[1] > 0:
                _say_season(k, horizon, last, key, answers, i, first + 2)
            if horizon == 0:
                _learn(label[i] if back[i] == 0 else np.nan, k, key, stream)
            key.steps[k] += 1


@inlined
def _forget(k: int, key: NumberMemory) -> None:
    key.steps[k] = key.labels[k] = key.first[k] = 0
    key.last[k] = key.mean[k] = key.lasted[k] = key.started[k] = 0.0
    key.history[k, :] = 0.0
    key.deviations[k, :] = 0.0


@inlined
def _say_season(
    k: int, horizon: int, last: float, key: NumberMemory, answers: Floats, i: int, first: int
) -> None:
    season = key.history.shape[1]
    t = key.steps[k]
    target = t + horizon
    seasonal = corrected = last
    if key.labels[k] > 0 and target - season >= key.first[k]:
        seasonal = key.history[k, target % season]
        corrected = seasonal + _lasting(k, key) * key.deviations[k, t % key.deviations.shape[1]]
    answers[i, first, 0] = seasonal
    answers[i, first + 1, 0] = corrected


@inlined
def _lasting(k: int, key: NumberMemory) -> float:
    """Which part of a deviation is still there one horizon later: least squares through the origin."""
    return float(min(max(key.lasted[k] / key.started[k], 0.0), 1.0)) if key.started[k] > 0.0 else 0.0


@inlined
def _take(y: float, k: int, key: NumberMemory, stream: NumberStream) -> None:
    """A label of whichever step; it may be unknown."""
    if np.isnan(y):
        return
    if key.labels[k] == 0:
        key.first[k] = key.steps[k]
    key.labels[k] += 1
    key.mean[k] += (y - key.mean[k]) / key.labels[k]
    key.last[k] = y
    stream.labels[0] += 1
    stream.mean[0] += (y - stream.mean[0]) / stream.labels[0]


@inlined
def _learn(y: float, k: int, key: NumberMemory, stream: NumberStream) -> None:
    """The label of the key's present step, which may be unknown."""
    _take(y, k, key, stream)
    season = key.history.shape[1]
    if season > 0:
        t = key.steps[k]
        column = t % season  # still holds the label of t − season
        before = t % key.deviations.shape[1]  # still holds the deviation of one horizon ago
        deviation = 0.0
        if not np.isnan(y) and t - season >= key.first[k]:
            deviation = y - key.history[k, column]
            key.lasted[k] += deviation * key.deviations[k, before]
            key.started[k] += key.deviations[k, before] * key.deviations[k, before]
        key.deviations[k, before] = deviation
        key.history[k, column] = key.last[k]
