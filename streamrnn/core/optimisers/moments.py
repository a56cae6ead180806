"""Keeps the running averages of gradients out of the subnormal numbers."""

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like

Array = npt.NDArray[np.floating]

LEAST = 1e-30
"""Averages below are set to 0 now and then, being nothing beside ε or a parameter.

Otherwise those of an input that is rarely other than 0 decay into subnormal numbers, with which arithmetic is
ten times slower.
"""
EVERY = 128
"""Updates between two such looks; in between an average shrinks by 0.9¹²⁸, to 1e-36 at least."""


@jit
def clear(moments: Array) -> None:
    """Set what is nearly 0 to 0."""
    zero, least = like(moments[0], 0.0), like(moments[0], LEAST)
    for i in range(moments.shape[0]):
        moments[i] = zero if abs(moments[i]) < least else moments[i]
