"""Arrays placed where the processor reads and writes them fastest."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

LINE = 64
PAGE = 4096
SKEW = 17 * LINE


def zeros(shape: int | tuple[int, ...], dtype: npt.DTypeLike, place: int = 0) -> npt.NDArray[Any]:
    """As `np.zeros`; begins on a cache line, with a `place` that many times 17 lines into a page.

    A vector across two lines takes two reads. And of two addresses that agree in their last twelve bits the
    processor takes a read of one to wait for a write of the other; so arrays that a loop walks through side
    by side get places of their own.
    """
    size = (shape if isinstance(shape, int) else math.prod(shape)) * np.dtype(dtype).itemsize
    unit, skew = (PAGE, place * SKEW) if place else (LINE, 0)
    memory = np.zeros(size + unit + skew, np.uint8)
    start = -memory.ctypes.data % unit + skew
    return memory[start : start + size].view(dtype).reshape(shape)
