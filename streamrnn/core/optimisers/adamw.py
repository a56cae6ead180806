"""AdamW (Loshchilov and Hutter 2019): Adam, but parameters decay by themselves, not by their gradient."""

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like
from streamrnn.core.optimisers import adam
from streamrnn.core.optimisers.adam import AdamState, adapt

Array = npt.NDArray[np.floating]

SETTINGS = adam.SETTINGS | {"weight_decay": 0.01}

state = adam.state


@jit
def update(
    parameters: Array,
    gradient: Array,
    state: AdamState,
    settings: npt.NDArray[np.float64],
    rate: float,
    factor: float,
) -> None:
    """θ *= 1 − rate · weight_decay, then Adam's step."""
    keep = like(parameters[0], 1.0 - rate * settings[3])
    for i in range(parameters.shape[0]):
        parameters[i] *= keep
    adapt(parameters, gradient, state, settings, rate, factor, 0.0)
