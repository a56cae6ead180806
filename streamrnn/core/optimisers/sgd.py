"""Stochastic gradient descent with heavy-ball momentum (Polyak 1964) as torch computes it."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.aligned import zeros
from streamrnn.core.linear import STORED
from streamrnn.core.linear import factor as factor_of
from streamrnn.core.numerics import jit, like
from streamrnn.core.optimisers.moments import EVERY, clear

Array = npt.NDArray[np.floating]
Matrix = npt.NDArray[np.floating]

SETTINGS = {"momentum": 0.0, "weight_decay": 0.0}


class SGDState(NamedTuple):
    """What is carried from update to update."""

    velocity: Array
    """(p,) fading sum of the gradients; without momentum the last one."""
    updates: npt.NDArray[np.int64]
    """(1,)"""


def state(size: int, dtype: npt.DTypeLike) -> SGDState:
    """Before the first update."""
    return SGDState(zeros(size, dtype, 2), np.zeros(1, np.int64))


@jit
def begin(
    parameters: Array, state: SGDState, settings: npt.NDArray[np.float64], rate: float, factor: float
) -> Any:
    """One update begins; returns what `update` needs of it, in the type of the parameters."""
    velocity, updates = state
    updates[0] += 1
    if updates[0] % EVERY == 0:
        clear(velocity)
    typed = parameters[0]
    return like(typed, factor), like(typed, rate), like(typed, settings[0]), like(typed, settings[1])


@jit
def update(parameters: Matrix, source: Matrix, inputs: Matrix, t: int, state: SGDState, paced: Any) -> None:
    """θ −= rate · u with u = momentum · u + g; the gradient g as in `adam.update`."""
    velocity, _ = state
    share, step, momentum, decay = paced
    for j in range(parameters.shape[0]):
        x, row = share, j
        if t != STORED:
            x, row = share * factor_of(inputs, t, j), t
        for i in range(parameters.shape[1]):
            u = momentum * velocity[j, i] + x * source[row, i] + decay * parameters[j, i]
            velocity[j, i] = u
            parameters[j, i] -= step * u
