"""Poisson's loss of the logarithm ŷ of a mean: e^ŷ − y ŷ, less what does not depend on ŷ."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.losses.fields import each
from streamrnn.core.numerics import exp, jit, like

Array = npt.NDArray[np.floating]


def outputs(targets: int, classes: int, levels: tuple[float, ...]) -> int:
    """One logarithm for each target."""
    return targets


@jit
def derivative(outputs: Array, t: int, target: Array, levels: Array, share: Any, dys: Array) -> None:
    """∂/∂ŷ: e^ŷ − y."""
    part = each(share, target.shape[0])
    for j in range(target.shape[0]):
        y = target[j]
        dys[t, j] = like(part, 0.0) if math.isnan(y) else part * (exp(outputs[t, j]) - y)


@jit
def error(outputs: Array, target: Array, unit: Array, levels: Array) -> float:
    """|e^ŷ − y|."""
    total, known = 0.0, 0
    for j in range(target.shape[0]):
        y = np.float64(target[j])
        if not math.isnan(y):
            total += abs(exp(np.float64(outputs[j])) - y) * unit[j]
            known += 1
    return total / known if known else math.nan
