"""Logistic loss of a logit ŷ for a class y in {0, 1}: −y log σ(ŷ) − (1 − y) log(1 − σ(ŷ))."""

import math
from typing import Any

from streamrnn.core.numerics import jit, like, sigmoid


@jit
def value(output: Any, target: Any) -> Any:
    """max(ŷ, 0) − y ŷ + log(1 + e^−|ŷ|), the form that never overflows."""
    zero = like(output, 0.0)
    positive = output if output > zero else zero
    return positive - target * output + math.log1p(math.exp(-abs(output)))


@jit
def derivative(output: Any, target: Any) -> Any:
    """∂/∂ŷ: σ(ŷ) − y."""
    return sigmoid(output) - target


@jit
def error(output: Any, target: Any) -> Any:
    """What quality is judged by: the loss itself."""
    return value(output, target)
