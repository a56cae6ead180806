"""Huber's loss (1964) with its bend at 1, in the scaled unit: an outlier pulls no harder.

½ e² for |e| ≤ 1, else |e| − ½, with e = ŷ − y.
"""

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
    """∂/∂ŷ: e held within ±1."""
    part = each(share, target.shape[0])
    for j in range(target.shape[0]):
        y = target[j]
        dys[t, j] = like(part, 0.0) if math.isnan(y) else part * _held(outputs[t, j] - y)


@jit
def _held(e: Any) -> Any:
    """e within ±1; written so that NaN passes."""
    one = like(e, 1.0)
    e = -one if e < -one else e
    return one if e > one else e


@jit
def error(outputs: Array, target: Array, unit: Array, levels: Array) -> Any:
    """|ŷ − y|."""
    return missed(outputs, 0, 1, target, unit)
