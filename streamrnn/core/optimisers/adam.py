"""Adam (Kingma and Ba 2015, algorithm 1) as torch computes it: ε is added after the bias correction."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like

Array = npt.NDArray[np.floating]

BETA_1 = 0.9
BETA_2 = 0.999
EPSILON = 1e-8
LEAST = 1e-16
"""Gradients and moments below count as 0, being nothing beside ε. Else the moments of an input that is
rarely other than 0 fade into subnormal numbers, with which arithmetic is ten times slower.
"""


class State(NamedTuple):
    """Exponential averages over the updates so far."""

    first: Array
    """(p,) mean of the gradient."""
    second: Array
    """(p,) mean of its square."""
    powers: npt.NDArray[np.float64]
    """(2,) β₁ᵗ and β₂ᵗ, carried so that a restored run has the same bits."""


def state(size: int, dtype: npt.DTypeLike) -> State:
    """Before the first update."""
    return State(np.zeros(size, dtype), np.zeros(size, dtype), np.ones(2))


@jit
def update(parameters: Array, gradient: Array, state: State, rate: float, factor: float) -> None:
    """One step down `factor` · `gradient` at the learning rate `rate`."""
    first, second, powers = state
    powers[0] *= BETA_1
    powers[1] *= BETA_2
    typed = parameters[0]
    share = like(typed, factor)
    step = like(typed, rate / (1.0 - powers[0]))
    correction = like(typed, 1.0 / np.sqrt(1.0 - powers[1]))
    keep_1, take_1 = like(typed, BETA_1), like(typed, 1.0 - BETA_1)
    keep_2, take_2 = like(typed, BETA_2), like(typed, 1.0 - BETA_2)
    epsilon = like(typed, EPSILON)
    zero, least, least_square = like(typed, 0.0), like(typed, LEAST), like(typed, LEAST * LEAST)
    for i in range(parameters.shape[0]):
        g = share * gradient[i]
        g = zero if abs(g) < least else g
        m = keep_1 * first[i] + take_1 * g
        m = zero if abs(m) < least else m
        v = keep_2 * second[i] + take_2 * g * g
        v = zero if v < least_square else v
        first[i] = m
        second[i] = v
        parameters[i] -= step * m / (correction * np.sqrt(v) + epsilon)
