"""Stochastic gradient descent with heavy-ball momentum (Polyak 1964) as torch computes it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like
from streamrnn.core.optimisers.moments import EVERY, clear

Array = npt.NDArray[np.floating]

SETTINGS = {"momentum": 0.0, "weight_decay": 0.0}


class SGDState(NamedTuple):
    """What is carried from update to update."""

    velocity: Array
    """(p,) fading sum of the gradients; without momentum the last one."""
    updates: npt.NDArray[np.int64]
    """(1,)"""


def state(size: int, dtype: npt.DTypeLike) -> SGDState:
    """Before the first update."""
    return SGDState(np.zeros(size, dtype), np.zeros(1, np.int64))


@jit
def update(
    parameters: Array,
    gradient: Array,
    state: SGDState,
    settings: npt.NDArray[np.float64],
    rate: float,
    factor: float,
) -> None:
    """θ −= rate · u with u = momentum · u + g."""
    velocity, updates = state
    updates[0] += 1
    if updates[0] % EVERY == 0:
        clear(velocity)
    typed = parameters[0]
    share, step = like(typed, factor), like(typed, rate)
    momentum, decay = like(typed, settings[0]), like(typed, settings[1])
    for i in range(parameters.shape[0]):
        u = momentum * velocity[i] + share * gradient[i] + decay * parameters[i]
        velocity[i] = u
        parameters[i] -= step * u
