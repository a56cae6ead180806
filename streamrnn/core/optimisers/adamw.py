"""AdamW (Loshchilov and Hutter 2019): Adam, but parameters decay by themselves, not by their gradient."""

from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like
from streamrnn.core.optimisers import adam
from streamrnn.core.optimisers.adam import AdamState

Array = npt.NDArray[np.floating]
Matrix = npt.NDArray[np.floating]

SETTINGS = adam.SETTINGS | {"weight_decay": 0.01}

state = adam.state


@jit
def begin(
    parameters: Array, state: AdamState, settings: npt.NDArray[np.float64], rate: float, factor: float
) -> Any:
    """As Adam's, with what parameters keep of themselves, 1 − rate · weight_decay."""
    share, step, correction, keep_1, take_1, keep_2, take_2, epsilon, _ = adam.begin(
        parameters, state, settings, rate, factor
    )
    keep, none = like(share, 1.0 - rate * settings[3]), like(share, 0.0)
    return keep, (share, step, correction, keep_1, take_1, keep_2, take_2, epsilon, none)


@jit
def update(parameters: Matrix, source: Matrix, inputs: Matrix, t: int, state: AdamState, paced: Any) -> None:
    """θ *= 1 − rate · weight_decay, then Adam's step."""
    keep, rest = paced
    for j in range(parameters.shape[0]):
        for i in range(parameters.shape[1]):
            parameters[j, i] *= keep
    adam.update(parameters, source, inputs, t, state, rest)
