"""Pinball loss of q levels τ at once (Koenker and Bassett 1978): max(τ e, (τ − 1) e) with e = y − ŷ.

Output j · q + i is level i of field j; the loss is the mean over fields and levels.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.losses.fields import each, missed, sign
from streamrnn.core.numerics import jit, like

Array = npt.NDArray[np.floating]


def outputs(targets: int, classes: int, levels: tuple[float, ...]) -> int:
    """One for each target and level."""
    return targets * len(levels)


@jit
def derivative(outputs: Array, t: int, target: Array, levels: Array, share: Any, dys: Array) -> None:
    """∂/∂ŷ: 1 − τ above the target, −τ below it, ½ − τ at the bend."""
    q = levels.shape[0]
    part = each(share, target.shape[0] * q)
    half, one = like(part, 0.5), like(part, 1.0)
    for j in range(target.shape[0]):
        y = target[j]
        for i in range(q):
            above = half * (one + sign(outputs[t, j * q + i] - y))
            slope = above - like(part, levels[i])
            dys[t, j * q + i] = like(part, 0.0) if math.isnan(y) else part * slope


@jit
def error(outputs: Array, target: Array, unit: Array, levels: Array) -> Any:
    """|ŷ − y| of the level nearest to ½."""
    middle = 0
    for i in range(levels.shape[0]):
        if abs(levels[i] - 0.5) < abs(levels[middle] - 0.5):
            middle = i
    return missed(outputs, middle, levels.shape[0], target, unit)
