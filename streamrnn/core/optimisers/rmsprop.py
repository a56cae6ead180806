"""RMSprop (Tieleman and Hinton 2012) as torch computes it, with momentum on the scaled gradient."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like
from streamrnn.core.optimisers.moments import EVERY, clear

Array = npt.NDArray[np.floating]

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
    return RMSpropState(np.zeros(size, dtype), np.zeros(size, dtype), np.zeros(1, np.int64))


@jit
def update(
    parameters: Array,
    gradient: Array,
    state: RMSpropState,
    settings: npt.NDArray[np.float64],
    rate: float,
    factor: float,
) -> None:
    """θ −= rate · u with u = momentum · u + g / (√v + ε)."""
    second, velocity, updates = state
    updates[0] += 1
    if updates[0] % EVERY == 0:
        clear(second)
        clear(velocity)
    typed = parameters[0]
    share, step = like(typed, factor), like(typed, rate)
    keep, take = like(typed, settings[0]), like(typed, 1.0 - settings[0])
    epsilon, momentum, decay = like(typed, settings[1]), like(typed, settings[2]), like(typed, settings[3])
    for i in range(parameters.shape[0]):
        g = share * gradient[i] + decay * parameters[i]
        v = keep * second[i] + take * g * g
        u = momentum * velocity[i] + g / (np.sqrt(v) + epsilon)
        second[i] = v
        velocity[i] = u
        parameters[i] -= step * u
