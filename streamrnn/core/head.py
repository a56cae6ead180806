"""The linear head: one output ŷ = vᵀ h + c from n hidden values; its parameters are (n + 1,), bias last."""

from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like

Array = npt.NDArray[np.floating]


def size(hidden: int) -> int:
    """Number of parameters."""
    return hidden + 1


@jit
def output(head: Array, states: Array, t: int) -> Any:
    """ŷ from the state in row t of `states` (steps, n)."""
    n = states.shape[1]
    total = head[n]
    for i in range(n):
        total += head[i] * states[t, i]
    return total


@jit
def add_backward(head: Array, dy: Any, dh: Array) -> None:
    """∂L/∂h += v ∂L/∂ŷ."""
    for i in range(dh.shape[0]):
        dh[i] += dy * head[i]


@jit
def accumulate(gradient: Array, states: Array, dys: Array, steps: int) -> Any:
    """∂L/∂(v, c) = Σₜ dyₜ (h′ₜ, 1), where step t leaves its state in row t + 1; returns its squared norm."""
    n = states.shape[1]
    zero = like(dys[0], 0.0)
    for i in range(n + 1):
        gradient[i] = zero
    for t in range(steps):
        for i in range(n):
            gradient[i] += dys[t] * states[t + 1, i]
        gradient[n] += dys[t]
    squares = zero
    for i in range(n + 1):
        squares += gradient[i] * gradient[i]
    return squares
