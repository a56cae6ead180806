"""Squared error, ½ (ŷ − y)²; the half makes its derivative the error itself."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.losses.fields import each, missed
from streamrnn.core.numerics import jit, like

Array = npt.NDArray[np.floating]


def outputs(targets: int, classes: int, levels: tuple[float, ...]) -> int:
    """One for each target."""
    return targets


@jit
def derivative(outputs: Array, t: int, target: Array, levels: Array, share: Any, dys: Array) -> None:
    """∂/∂ŷ: ŷ − y."""
    part = each(share, target.shape[0])
    for j in range(target.shape[0]):
        y = target[j]
        dys[t, j] = like(part, 0.0) if math.isnan(y) else part * (outputs[t, j] - y)


@jit
def error(outputs: Array, target: Array, unit: Array, levels: Array) -> Any:
    """|ŷ − y|."""
    return missed(outputs, 0, 1, target, unit)
