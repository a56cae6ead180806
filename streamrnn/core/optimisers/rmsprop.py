"""RMSprop (Tieleman and Hinton 2012) as torch computes it, with momentum on the scaled gradient."""

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

SETTINGS = {"alpha": 0.99, "epsilon": 1e-8, "momentum": 0.0, "weight_decay": 0.0}


class RMSpropState(NamedTuple):
    """Running averages over the updates so far."""

    second: Array
    """(p,) mean of the gradient's square."""
    velocity: Array
    """(p,) fading sum of the scaled gradients; without momentum the last one."""
    updates: npt.NDArray[np.int64]
    """(1,)"""


def state(size: int, dtype: npt.DTypeLike) -> RMSpropState:
    """Before the first update."""
    return RMSpropState(zeros(size, dtype, 2), zeros(size, dtype, 3), np.zeros(1, np.int64))


@jit
def begin(
    parameters: Array, state: RMSpropState, settings: npt.NDArray[np.float64], rate: float, factor: float
) -> Any:
    """One update begins; returns what `update` needs of it, in the type of the parameters."""
    second, velocity, updates = state
    updates[0] += 1
    if updates[0] % EVERY == 0:
        clear(second)
        clear(velocity)
    typed = parameters[0]
    return (
        like(typed, factor),
        like(typed, rate),
        like(typed, settings[0]),
        like(typed, 1.0 - settings[0]),
        like(typed, settings[1]),
        like(typed, settings[2]),
        like(typed, settings[3]),
    )


@jit
def update(
    parameters: Matrix, source: Matrix, inputs: Matrix, t: int, state: RMSpropState, paced: Any
) -> None:
    """θ −= rate · u with u = momentum · u + g / (√v + ε); the gradient g as in `adam.update`."""
    second, velocity, _ = state
    share, step, keep, take, epsilon, momentum, decay = paced
    for j in range(parameters.shape[0]):
        x, row = share, j
        if t != STORED:
            x, row = share * factor_of(inputs, t, j), t
        for i in range(parameters.shape[1]):
            g = x * source[row, i] + decay * parameters[j, i]
            v = keep * second[j, i] + take * g * g
            u = momentum * velocity[j, i] + g / (np.sqrt(v) + epsilon)
            second[j, i] = v
            velocity[j, i] = u
            parameters[j, i] -= step * u
