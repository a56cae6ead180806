"""Arrays that grow with the number of keys, and states put together from parts."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
State = dict[str, NDArray[Any]]


def grown(array: NDArray[Scalar], rows: int) -> NDArray[Scalar]:
    """The array with at least `rows` rows, doubled when it must grow; new rows are zero."""
    if rows <= len(array):
        return array
    bigger = np.zeros((max(rows, 2 * len(array), 16), *array.shape[1:]), array.dtype)
    bigger[: len(array)] = array
    return bigger


def nested(prefix: str, state: State) -> State:
    """The state with every name under `prefix/`."""
    return {f"{prefix}/{name}": array for name, array in state.items()}


def part(prefix: str, state: State) -> State:
    """What stands under `prefix/`, by its own name."""
    start = f"{prefix}/"
    return {name[len(start) :]: array for name, array in state.items() if name.startswith(start)}
