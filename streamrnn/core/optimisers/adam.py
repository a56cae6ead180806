"""Adam (Kingma and Ba 2015, algorithm 1) as torch computes it: ε is added after the bias correction.

`weight_decay` adds that much of each parameter to its gradient (L2); see `adamw` for the decoupled kind.
"""

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

SETTINGS = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}


class AdamState(NamedTuple):
    """Exponential averages over the updates so far."""

    first: Array
    """(p,) mean of the gradient."""
    second: Array
    """(p,) mean of its square."""
    powers: npt.NDArray[np.float64]
    """(3,) β₁ᵗ and β₂ᵗ, carried so that a restored run has the same bits, and t."""


def state(size: int, dtype: npt.DTypeLike) -> AdamState:
    """Before the first update."""
    return AdamState(zeros(size, dtype, 2), zeros(size, dtype, 3), np.array([1.0, 1.0, 0.0]))


@jit
def begin(
    parameters: Array, state: AdamState, settings: npt.NDArray[np.float64], rate: float, factor: float
) -> Any:
    """One update begins; returns what `update` needs of it, in the type of the parameters."""
    first, second, powers = state
    powers[0] *= settings[0]
    powers[1] *= settings[1]
    powers[2] += 1.0
    if powers[2] % EVERY == 0.0:
        clear(first)
        clear(second)
        clear(powers)  # 1 − 1e-30 is 1
    typed = parameters[0]
    return (
        like(typed, factor),
        like(typed, rate / (1.0 - powers[0])),
        like(typed, 1.0 / np.sqrt(1.0 - powers[1])),
        like(typed, settings[0]),
        like(typed, 1.0 - settings[0]),
        like(typed, settings[1]),
        like(typed, 1.0 - settings[1]),
        like(typed, settings[2]),
        like(typed, settings[3]),
    )


@jit
def update(parameters: Matrix, source: Matrix, inputs: Matrix, t: int, state: AdamState, paced: Any) -> None:
    """θ −= rate · m̂ / (√v̂ + ε), with m̂ and v̂ the moments after their bias correction.

    The gradient is inputs[t] source[t]ᵀ, or `source` itself if t is `STORED`.
    """
    first, second, _ = state
    share, step, correction, keep_1, take_1, keep_2, take_2, epsilon, decay = paced
    for j in range(parameters.shape[0]):
        x, row = share, j
        if t != STORED:
            x, row = share * factor_of(inputs, t, j), t
        for i in range(parameters.shape[1]):
            g = x * source[row, i] + decay * parameters[j, i]
            m = keep_1 * first[j, i] + take_1 * g
            v = keep_2 * second[j, i] + take_2 * g * g
            first[j, i] = m
            second[j, i] = v
            parameters[j, i] -= step * m / (correction * np.sqrt(v) + epsilon)
