"""Huber's loss (1964) with its bend at 1, in the scaled unit: an outlier pulls no harder."""

from typing import Any

from streamrnn.core.numerics import jit, like


@jit
def value(output: Any, target: Any) -> Any:
    """½ e² for |e| ≤ 1, else |e| − ½, with e = ŷ − y."""
    size = abs(output - target)
    half = like(size, 0.5)
    return half * size * size if size <= like(size, 1.0) else size - half


@jit
def derivative(output: Any, target: Any) -> Any:
    """∂/∂ŷ: e held within ±1; written so that NaN passes."""
    one = like(output, 1.0)
    error = output - target
    error = -one if error < -one else error
    return one if error > one else error


@jit
def error(output: Any, target: Any) -> Any:
    """What quality is judged by: |ŷ − y|."""
    return abs(output - target)
