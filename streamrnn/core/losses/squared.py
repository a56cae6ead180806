"""Squared error, ½ (ŷ − y)²; the half makes its derivative the error itself."""

from typing import Any

from streamrnn.core.numerics import jit, like


@jit
def value(output: Any, target: Any) -> Any:
    """½ (ŷ − y)²."""
    return like(output, 0.5) * (output - target) * (output - target)


@jit
def derivative(output: Any, target: Any) -> Any:
    """∂/∂ŷ: ŷ − y."""
    return output - target


@jit
def error(output: Any, target: Any) -> Any:
    """What quality is judged by: |ŷ − y|."""
    return abs(output - target)
