"""Small random streams for the tests of core."""

from typing import NamedTuple

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.core.network import Network
from streamrnn.core.schedule import Schedule
from streamrnn.core.window import Window

INPUTS = 3


class Events(NamedTuple):
    """A block, in the order of `Network.advance`."""

    steps: Steps
    x: np.ndarray
    target: np.ndarray
    unit: np.ndarray

    def between(self, begin: int, end: int) -> "Events":
        steps = Steps(*(array[begin:end] for array in self.steps))
        return Events(steps, self.x[begin:end], self.target[begin:end], self.unit[begin:end])


def stepping(slots: np.ndarray, fresh: np.ndarray, back: np.ndarray) -> Steps:
    """Every event makes a step; labels are inline or late by a number of steps."""
    none = np.full(len(slots), -1, np.int32)
    moves = np.ones(len(slots), np.bool_)
    return Steps(slots.astype(np.int32), fresh, moves, back.astype(np.int32), none, none)


def stream(
    events: int,
    *,
    keys: int = 3,
    horizon: int = 0,
    labelled: float = 0.8,
    targets: int = 1,
    seed: int = 0,
) -> Events:
    """Keys at random, some labels missing, now and then a slot begun anew.

    With several targets some components of a label are missing too.
    """
    random = np.random.default_rng(seed)
    slots = random.integers(keys, size=events)
    fresh = random.random(events) < 0.02
    back = np.full(events, -1)
    made: dict[int, int] = {}
    for e, slot in enumerate(slots.tolist()):
        if slot not in made or fresh[e]:
            fresh[e], made[slot] = True, 0
        if random.random() < labelled and made[slot] >= horizon:
            back[e] = horizon
        made[slot] += 1
    x = random.normal(size=(events, INPUTS))
    target = np.where(back[:, np.newaxis] >= 0, random.normal(size=(events, targets)), np.nan)
    if targets > 1:
        target[random.random((events, targets)) < 0.2] = np.nan
    unit = random.uniform(0.5, 2.0, (events, targets))
    return Events(stepping(slots, fresh, back), x, target, unit)


def by_id(events: int, *, keys: int = 3, rows: int = 8, seed: int = 0) -> Events:
    """Answers wait in rows until their labels come, in records of their own, with a later step, or never."""
    random = np.random.default_rng(seed)
    slots, fresh = random.integers(keys, size=events), random.random(events) < 0.02
    moves = random.random(events) < 0.7
    keep, judge = np.full(events, -1, np.int32), np.full(events, -1, np.int32)
    free, taken, seen = list(range(rows)), [], set()
    for e, slot in enumerate(slots.tolist()):
        fresh[e] |= slot not in seen
        seen.add(slot)
        if taken and random.random() < 0.5:
            judge[e] = taken.pop(int(random.integers(len(taken))))
        if moves[e] and free and random.random() < 0.9:
            keep[e] = free.pop(0)
            taken.append(int(keep[e]))
        if judge[e] >= 0:
            free.append(int(judge[e]))
    steps = Steps(slots.astype(np.int32), fresh, moves, np.full(events, -1, np.int32), keep, judge)
    target = np.where(judge[:, np.newaxis] >= 0, random.normal(size=(events, 1)), np.nan)
    return Events(steps, random.normal(size=(events, INPUTS)), target, random.uniform(0.5, 2.0, (events, 1)))


def network(window: Window | int = 1, **changed) -> Network:
    options = {
        "name": "net",
        "inputs": INPUTS,
        "hidden": 5,
        "loss": "squared",
        "horizon": 0,
        "window": Window.fixed(window) if isinstance(window, int) else window,
        "schedule": Schedule(rate=0.01, warmup=10),
    }
    return Network(**(options | changed))


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Bit for bit; NaN equals NaN."""
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)
