"""What the losses of numbers share: they are means over the fields of which the target is known."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like

Array = npt.NDArray[np.floating]


@jit
def each(share: Any, parts: int) -> Any:
    """What each of `parts` of a mean gets of `share`."""
    return like(share, share / parts)


@jit
def sign(e: Any) -> Any:
    """1, 0 or −1; NaN stays NaN."""
    one, zero = like(e, 1.0), like(e, 0.0)
    return one if e > zero else (-one if e < zero else e)


@jit
def missed(outputs: Array, first: int, apart: int, target: Array, unit: Array) -> float:
    """Mean of |ŷ − y| · unit over the known fields; ŷ of field j is output first + j · apart."""
    total, known = 0.0, 0
    for j in range(target.shape[0]):
        y = np.float64(target[j])
        if not math.isnan(y):
            total += abs(np.float64(outputs[first + j * apart]) - y) * unit[j]
            known += 1
    return total / known if known else math.nan
