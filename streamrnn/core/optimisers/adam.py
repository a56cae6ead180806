"""Adam (Kingma and Ba 2015, algorithm 1) as torch computes it: ε is added after the bias correction.

`weight_decay` adds that much of each parameter to its gradient (L2); see `adamw` for the decoupled kind.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like
from streamrnn.core.optimisers.moments import EVERY, clear

Array = npt.NDArray[np.floating]

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
    return AdamState(np.zeros(size, dtype), np.zeros(size, dtype), np.array([1.0, 1.0, 0.0]))


@jit
def update(
    parameters: Array,
    gradient: Array,
    state: AdamState,
    settings: npt.NDArray[np.float64],
    rate: float,
    factor: float,
) -> None:
    """θ −= rate · m̂ / (√v̂ + ε), with m̂ and v̂ the moments after their bias correction."""
    adapt(parameters, gradient, state, settings, rate, factor, settings[3])


@jit
def adapt(
    parameters: Array,
    gradient: Array,
    state: AdamState,
    settings: npt.NDArray[np.float64],
    rate: float,
    factor: float,
    weight_decay: float,
) -> None:
    """One update of moments and parameters."""
    first, second, powers = state
    powers[0] *= settings[0]
    powers[1] *= settings[1]
    powers[2] += 1.0
    if powers[2] % EVERY == 0.0:
        clear(first)
        clear(second)
    typed = parameters[0]
    share, decay = like(typed, factor), like(typed, weight_decay)
    step = like(typed, rate / (1.0 - powers[0]))
    correction = like(typed, 1.0 / np.sqrt(1.0 - powers[1]))
    keeps = like(typed, settings[0]), like(typed, settings[1])
    takes = like(typed, 1.0 - settings[0]), like(typed, 1.0 - settings[1])
    scale = step, correction, like(typed, settings[2])
    if weight_decay == 0.0:
        for i in range(parameters.shape[0]):
            g = share * gradient[i]
            _take(parameters, first, second, i, g, keeps, takes, scale)
    else:
        for i in range(parameters.shape[0]):
            g = share * gradient[i] + decay * parameters[i]
            _take(parameters, first, second, i, g, keeps, takes, scale)


@jit
def _take(
    parameters: Array,
    first: Array,
    second: Array,
    i: int,
    g: Any,
    keeps: tuple[Any, Any],
    takes: tuple[Any, Any],
    scale: tuple[Any, Any, Any],
) -> None:
    """Parameter i takes in its gradient g."""
    step, correction, epsilon = scale
    m = keeps[0] * first[i] + takes[0] * g
    v = keeps[1] * second[i] + takes[1] * g * g
    first[i] = m
    second[i] = v
    parameters[i] -= step * m / (correction * np.sqrt(v) + epsilon)
