"""Arrays with one row per key, and the checks that an array of a snapshot goes through."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import SnapshotError

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
State = dict[str, Array]
T = TypeVar("T")


class Table(Generic[T]):
    """One row per slot in each array of a named tuple, all zeros until written; grows by doubling."""

    def __init__(self, part: str, kind: Callable[..., T], **columns: tuple[type, tuple[int, ...]]) -> None:
        """`columns`: for each name its numbers' type and the shape of one key's row.

        In a snapshot the names stand below `part`.
        """
        self._part = part
        self._kind = kind
        self._columns = columns
        self.used = 0
        self._capacity = 0
        self.arrays: T = kind(**{name: self._rows(name, 0) for name in columns})

    def _rows(self, name: str, rows: int) -> Array:
        dtype, shape = self._columns[name]
        return np.zeros((rows, *shape), dtype)

    def _named(self) -> State:
        return {name: getattr(self.arrays, name) for name in self._columns}

    @property
    def bytes_per_key(self) -> int:
        return sum(self._rows(name, 1).nbytes for name in self._columns)

    def reserve(self, slots: int) -> None:
        """Make room for slots 0 to `slots` − 1; what they hold stays."""
        self.used = max(self.used, slots)
        if slots > self._capacity:
            self._capacity = max(slots, 2 * self._capacity)
            grown = {name: self._rows(name, self._capacity) for name in self._columns}
            for name, array in self._named().items():
                grown[name][: len(array)] = array
            self.arrays = self._kind(**grown)

    def state(self) -> State:
        """Copies of the used rows: spare capacity never shows."""
        return {f"{self._part}/{name}": array[: self.used].copy() for name, array in self._named().items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over all arrays, of equally many rows; SnapshotError before anything has changed."""
        rows = self._rows_in(state)
        found = {
            name: checked(state, f"{self._part}/{name}", np.dtype(dtype), (rows, *shape)).copy()
            for name, (dtype, shape) in self._columns.items()
        }
        self.arrays = self._kind(**found)
        self.used = self._capacity = rows

    def _rows_in(self, state: Mapping[str, Array]) -> int:
        first = f"{self._part}/{next(iter(self._columns))}"
        if first not in state or state[first].ndim == 0:
            raise SnapshotError(f"{first} is missing from the snapshot or has no rows")
        return len(state[first])


def checked(state: Mapping[str, Array], name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """The array of that name, C-contiguous; SnapshotError unless dtype and shape are those asked for."""
    if name not in state:
        raise SnapshotError(f"{name} is missing from the snapshot")
    array = state[name]
    if array.dtype != dtype or array.shape != shape:
        raise SnapshotError(
            f"{name} is {array.dtype} {array.shape} in the snapshot, "
            f"the configuration asks for {dtype} {shape}"
        )
    return np.ascontiguousarray(array).reshape(shape)


def named(part: str, arrays: Mapping[str, Array]) -> State:
    """The same arrays, named as in a snapshot."""
    return {f"{part}/{name}": array for name, array in arrays.items()}


def copies(arrays: Mapping[str, Array]) -> State:
    return {name: array.copy() for name, array in arrays.items()}


def load_into(arrays: Mapping[str, Array], state: Mapping[str, Array]) -> None:
    """Overwrite each of `arrays` with the one of its name; SnapshotError before anything has changed."""
    found = {name: checked(state, name, array.dtype, array.shape) for name, array in arrays.items()}
    for name, array in arrays.items():
        array[...] = found[name]


def refuse_unknown(state: Mapping[str, Array], known: State) -> None:
    """SnapshotError naming an array that this configuration has no place for."""
    if unknown := sorted(state.keys() - known.keys()):
        raise SnapshotError(f"{unknown[0]} stands in the snapshot, the configuration has no place for it")
