"""What is settled about a block before any pass: which earlier step each label judges."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from streamrnn.arrays import State, expect, grown

Floats = NDArray[np.float64]
Slots = NDArray[np.int32]
Flags = NDArray[np.bool_]


class Judged:
    """Steps taken per slot, and from them how far back the step lies that a label judges."""

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._used = 0
        self._steps = np.zeros(0, np.int64)

    @property
    def bytes_per_key(self) -> int:
        return self._steps.itemsize

    def reserve(self, slots: int) -> None:
        self._used = slots
        self._steps = grown(self._steps, slots)

    def resolve(self, slots: Slots, fresh: Flags, label: Floats) -> Slots:
        """Steps of the key back to the judged one, (n,): `horizon`, or −1 where none is judged."""
        back = np.empty(slots.size, np.int32)
        _resolve(self._steps, slots, fresh, label, self._horizon, back)
        return back

    def state(self) -> State:
        return {"steps": self._steps[: self._used].copy()}

    def load(self, state: State) -> None:
        expect(state, {"steps": (np.int64, (None,))})
        self._steps = state["steps"].copy()
        self._used = self._steps.size


@njit(cache=True, error_model="numpy")
def _resolve(
    steps: NDArray[np.int64], slots: Slots, fresh: Flags, label: Floats, horizon: int, back: Slots
) -> None:
    for i in range(slots.size):
        slot = slots[i]
        if fresh[i]:
            steps[slot] = 0
        known = not math.isnan(label[i])
        back[i] = horizon if known and steps[slot] >= horizon else -1
        steps[slot] += 1


@njit(cache=True, error_model="numpy")
def probability(logit: Floats) -> Floats:
    """Logistic function, (n,) -> (n,); scalar, so that a value never depends on its place in a block."""
    out = np.empty_like(logit)
    for i in range(logit.size):
        out[i] = 1.0 / (1.0 + math.exp(-logit[i]))
    return out
