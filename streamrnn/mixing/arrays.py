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

    def __init__(self, kind: Callable[..., T], **columns: tuple[type, tuple[int, ...]]) -> None:
        """`columns`: for each name its numbers' type and the shape of one key's row."""
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
        return {name: array[: self.used].copy() for name, array in self._named().items()}

    def load(self, state: Mapping[str, Array], rows: int) -> None:
        """Take over `rows` rows of each array; SnapshotError before anything has changed."""
        found = {
            name: checked(state, name, np.dtype(dtype), (rows, *shape)).copy()
            for name, (dtype, shape) in self._columns.items()
        }
        self.arrays = self._kind(**found)
        self.used = self._capacity = rows


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


def load_into(arrays: Mapping[str, Array], state: Mapping[str, Array]) -> None:
    """Overwrite each of `arrays` with the one of its name; SnapshotError before anything has changed."""
    found = {name: checked(state, name, array.dtype, array.shape) for name, array in arrays.items()}
    for name, array in arrays.items():
        array[...] = found[name]


def rows_of(state: Mapping[str, Array], name: str) -> int:
    """The number of slots that a snapshot holds, read off one of its arrays."""
    if name not in state or state[name].ndim == 0:
        raise SnapshotError(f"{name} is missing from the snapshot or has no rows")
    return len(state[name])


def refuse_unknown(state: Mapping[str, Array], known: State) -> None:
    """SnapshotError naming an array that this configuration has no place for."""
    if unknown := sorted(state.keys() - known.keys()):
        raise SnapshotError(f"{unknown[0]} stands in the snapshot, the configuration has no place for it")


def nested(**parts: State) -> State:
    """One flat state from several: `part/name`."""
    return {f"{part}/{name}": array for part, state in parts.items() for name, array in state.items()}


def within(state: Mapping[str, Array], part: str) -> State:
    """The inverse of `nested` for one part."""
    return {
        name.removeprefix(f"{part}/"): array for name, array in state.items() if name.startswith(f"{part}/")
    }
