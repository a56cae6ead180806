"""Logistic loss of a logit ŷ for a class y in {0, 1}: −y log σ(ŷ) − (1 − y) log(1 − σ(ŷ))."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like, sigmoid

Array = npt.NDArray[np.floating]


def outputs(targets: int, classes: int, levels: tuple[float, ...]) -> int:
    """The one logit."""
    return 1


@jit
def derivative(outputs: Array, t: int, target: Array, levels: Array, share: Any, dys: Array) -> None:
    """∂/∂ŷ: σ(ŷ) − y."""
    y = target[0]
    dys[t, 0] = like(share, 0.0) if math.isnan(y) else share * (sigmoid(outputs[t, 0]) - y)


@jit
def error(outputs: Array, target: Array, unit: Array, levels: Array) -> float:
    """The loss itself, in nats: max(ŷ, 0) − y ŷ + log(1 + e^−|ŷ|), the form that never overflows."""
    logit, y = np.float64(outputs[0]), np.float64(target[0])
    positive = logit if logit > 0.0 else 0.0
    return positive - y * logit + math.log1p(math.exp(-abs(logit)))
