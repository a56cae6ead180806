"""Absolute error, |ŷ − y|: its best constant is the median, and no outlier pulls harder than another."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.losses.fields import each, missed, sign
from streamrnn.core.numerics import jit, like

Array = npt.NDArray[np.floating]


def outputs(targets: int, classes: int, levels: tuple[float, ...]) -> int:
    """One for each target."""
    return targets


@jit
def derivative(outputs: Array, t: int, target: Array, levels: Array, share: Any, dys: Array) -> None:
    """∂/∂ŷ: the sign of ŷ − y, 0 at the bend."""
    part = each(share, target.shape[0])
    for j in range(target.shape[0]):
        y = target[j]
        dys[t, j] = like(part, 0.0) if math.isnan(y) else part * sign(outputs[t, j] - y)


@jit
def error(outputs: Array, target: Array, unit: Array, levels: Array) -> Any:
    """|ŷ − y|."""
    return missed(outputs, 0, 1, target, unit)
