"""Small random streams for the tests of core."""

from typing import NamedTuple

import numpy as np

from streamrnn.core.network import Network
from streamrnn.core.schedule import Schedule
from streamrnn.core.window import Window

INPUTS = 3


class Events(NamedTuple):
    """A block, in the order of `Network.advance`."""

    slots: np.ndarray
    fresh: np.ndarray
    back: np.ndarray
    x: np.ndarray
    target: np.ndarray
    unit: np.ndarray

    def between(self, begin: int, end: int) -> "Events":
        return Events(*(array[begin:end] for array in self))


def stream(events: int, *, keys: int = 3, horizon: int = 0, labelled: float = 0.8, seed: int = 0) -> Events:
    """Keys at random, some labels missing, now and then a slot begun anew."""
    random = np.random.default_rng(seed)
    slots = random.integers(keys, size=events).astype(np.int32)
    fresh = random.random(events) < 0.02
    back = np.full(events, -1, np.int32)
    steps: dict[int, int] = {}
    for e, slot in enumerate(slots.tolist()):
        if slot not in steps or fresh[e]:
            fresh[e], steps[slot] = True, 0
        if random.random() < labelled and steps[slot] >= horizon:
            back[e] = horizon
        steps[slot] += 1
    x = random.normal(size=(events, INPUTS))
    target = np.where(back >= 0, random.normal(size=events), np.nan)
    return Events(slots, fresh, back, x, target, random.uniform(0.5, 2.0, events))


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
