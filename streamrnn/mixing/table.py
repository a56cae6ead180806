"""Arrays with one row per key."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import Expected, State, grown

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
T = TypeVar("T")


class Table(Generic[T]):
    """One row per slot in each array of a named tuple, all zeros until written; grows by doubling."""

    def __init__(self, kind: Callable[..., T], **columns: tuple[type, tuple[int, ...]]) -> None:
        """`columns`: for each name its numbers' type and the shape of one key's row."""
        self._kind = kind
        self._columns = columns
        self.used = 0
        self.arrays: T = kind(
            **{name: np.zeros((0, *shape), dtype) for name, (dtype, shape) in columns.items()}
        )

    def _named(self) -> State:
        return {name: getattr(self.arrays, name) for name in self._columns}

    @property
    def bytes_per_key(self) -> int:
        return sum(np.zeros(shape, dtype).nbytes for dtype, shape in self._columns.values())

    def reserve(self, slots: int) -> None:
        """Make room for slots 0 to `slots` − 1; what they hold stays."""
        if slots > self.used:
            self.used = slots
            self.arrays = self._kind(**{name: grown(array, slots) for name, array in self._named().items()})

    def state(self) -> State:
        """Copies of the used rows: spare capacity never shows."""
        return {name: array[: self.used].copy() for name, array in self._named().items()}

    def expected(self, rows: int) -> Expected:
        """The types and shapes of a state with so many keys."""
        return {name: (dtype, (rows, *shape)) for name, (dtype, shape) in self._columns.items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over copies of the arrays of a state that is as expected."""
        self.arrays = self._kind(**{name: state[name].copy() for name in self._columns})
        self.used = len(state[next(iter(self._columns))])


def copies(arrays: Mapping[str, Array]) -> State:
    return {name: array.copy() for name, array in arrays.items()}


def overwrite(arrays: Mapping[str, Array], state: Mapping[str, Array]) -> None:
    """Set each of `arrays` to the one of its name."""
    for name, array in arrays.items():
        array[...] = state[name]
