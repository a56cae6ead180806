"""Adam (Kingma and Ba 2015, algorithm 1) as torch computes it: ε is added after the bias correction."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like

Array = npt.NDArray[np.floating]

BETA_1 = 0.9
BETA_2 = 0.999
EPSILON = 1e-8
LEAST = 1e-30
"""Moments below are set to 0 now and then, being nothing beside ε.

Else those of an input that is rarely other than 0 fade into subnormal numbers, and arithmetic with them is
ten times slower.
"""
EVERY = 64
"""Updates between two such looks; in between a moment shrinks by 0.9⁶⁴, to 1e-33 at least."""


class State(NamedTuple):
    """Exponential averages over the updates so far."""

    first: Array
    """(p,) mean of the gradient."""
    second: Array
    """(p,) mean of its square."""
    powers: npt.NDArray[np.float64]
    """(3,) β₁ᵗ and β₂ᵗ, carried so that a restored run has the same bits, and t."""


def state(size: int, dtype: npt.DTypeLike) -> State:
    """Before the first update."""
    return State(np.zeros(size, dtype), np.zeros(size, dtype), np.array([1.0, 1.0, 0.0]))


@jit
def update(parameters: Array, gradient: Array, state: State, rate: float, factor: float) -> None:
    """One step down `factor` · `gradient` at the learning rate `rate`."""
    first, second, powers = state
    powers[0] *= BETA_1
    powers[1] *= BETA_2
    powers[2] += 1.0
    if powers[2] % EVERY == 0.0:
        _clear(first)
        _clear(second)
    typed = parameters[0]
    share = like(typed, factor)
    step = like(typed, rate / (1.0 - powers[0]))
    correction = like(typed, 1.0 / np.sqrt(1.0 - powers[1]))
    keep_1, take_1 = like(typed, BETA_1), like(typed, 1.0 - BETA_1)
    keep_2, take_2 = like(typed, BETA_2), like(typed, 1.0 - BETA_2)
    epsilon = like(typed, EPSILON)
    for i in range(parameters.shape[0]):
        g = share * gradient[i]
        m = keep_1 * first[i] + take_1 * g
        v = keep_2 * second[i] + take_2 * g * g
        first[i] = m
        second[i] = v
        parameters[i] -= step * m / (correction * np.sqrt(v) + epsilon)


@jit
def _clear(moments: Array) -> None:
    """Set what is nearly 0 to 0."""
    zero, least = like(moments[0], 0.0), like(moments[0], LEAST)
    for i in range(moments.shape[0]):
        moments[i] = zero if abs(moments[i]) < least else moments[i]
