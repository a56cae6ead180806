"""Random streams as a learner would hand them to the mixture: keys come, go and take over slots."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import Steps

POOL = 6
"""Rows of the table of labels that come by id."""


class Stream(NamedTuple):
    steps: Steps
    label: NDArray[np.float64]
    answers: NDArray[np.float64]

    def cut(self, start: int, stop: int | None = None) -> "Stream":
        steps = Steps(*(column[start:stop] for column in self.steps))
        return Stream(steps, self.label[start:stop], self.answers[start:stop])

    @property
    def slots(self) -> int:
        return int(self.steps.slots.max(initial=-1)) + 1

    @property
    def rows(self) -> int:
        return int(max(self.steps.keep.max(initial=-1), self.steps.judge.max(initial=-1))) + 1


def steps_of(slots, fresh, label, horizon=0) -> Steps:
    """Each event makes a step; its label judges its own, or that of `horizon` steps of the key ago."""
    slots = np.asarray(slots, np.int32)
    fresh = np.asarray(fresh, np.bool_)
    counts: dict[int, int] = {}
    back, keep, judge = np.full((3, len(slots)), -1, np.int32)
    for i, slot in enumerate(slots):
        counts[slot] = 0 if fresh[i] else counts[slot] + 1
        known = not np.isnan(label[i]) and counts[slot] >= horizon
        back[i] = horizon if known else -1
        if horizon:
            keep[i] = slot * horizon + counts[slot] % horizon
            judge[i] = keep[i] if known else -1
    return Steps(slots, fresh, np.ones(len(slots), np.bool_), back, keep, judge)


def one_key(label, horizon=0) -> Steps:
    n = len(label)
    return steps_of(np.zeros(n), np.arange(n) == 0, label, horizon)


def by_id(rng, slots, fresh, label) -> Steps:
    """Half of the steps wait in a pool of rows; some events also bring the label of a waiting one of their
    slot, or do nothing else. Labels that judge nothing are there all the same."""
    n = len(slots)
    free, waiting = list(range(POOL)), {slot: [] for slot in set(slots.tolist())}
    moves = fresh | (rng.random(n) < 0.7)
    back, keep, judge = np.full((3, n), -1, np.int32)
    for i, slot in enumerate(slots.tolist()):
        if waiting[slot] and (not moves[i] or rng.random() < 0.5):
            judge[i] = waiting[slot].pop(int(rng.integers(len(waiting[slot]))))
        if moves[i] and free and rng.random() < 0.7:
            keep[i] = free.pop(0)
            waiting[slot].append(int(keep[i]))
        if judge[i] >= 0:
            free.append(int(judge[i]))
    return Steps(slots, fresh, moves, back, keep, judge)


def random_stream(seed, *, events=400, slots=4, networks=2, horizon=0, classes=0, late=False, broken=True):
    """Some labels are unknown, some slots change hands, some networks' answers are not usable."""
    rng = np.random.default_rng(seed)
    slot = rng.integers(0, slots, events).astype(np.int32)
    fresh = rng.random(events) < 0.02
    fresh[np.unique(slot, return_index=True)[1]] = True
    if classes:
        label = np.minimum(rng.geometric(0.3 + 0.1 * (slot % 4)) - 1, classes - 1).astype(float)
        answers = rng.dirichlet(np.ones(classes), (events, networks))
    else:
        label = 10 * slot + 5 * np.sin(np.arange(events) / 5) + rng.normal(size=events)
        answers = label[:, None] + rng.normal(size=(events, networks)) * [1 + j for j in range(networks)]
    if broken:
        label[rng.random(events) < 0.1] = np.nan
        answers = np.where(np.isnan(answers), 0.0, answers)
        spoilt = rng.random((events, networks))
        answers[spoilt < 0.03] = np.nan
        answers[spoilt > 0.97] = np.inf
    steps = by_id(rng, slot, fresh, label) if late else steps_of(slot, fresh, label, horizon)
    return Stream(steps, label, answers)


def in_blocks(mix, stream, cuts):
    edges = [0, *sorted(cuts), len(stream.label)]
    blocks = [mix.score(*stream.cut(a, b)) for a, b in pairwise(edges)]
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
