"""Arrays with one row per key or per waiting answer, and what one part of the mixture holds of both."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import Expected, State, grown, nested, shapes, within

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = dict[str, tuple[type, tuple[int, ...]]]
"""Name → its numbers' type and the shape of one row."""
T = TypeVar("T", bound=NamedTuple)
Keys = TypeVar("Keys", bound=NamedTuple)
Waiting = TypeVar("Waiting", bound=NamedTuple)
Stream = TypeVar("Stream", bound=NamedTuple)


class Nothing(NamedTuple):
    """Of what a part does not hold."""


class Table(Generic[T]):
    """Rows in each array of a named tuple, all zeros until written; grows by doubling."""

    def __init__(self, kind: Callable[..., T], columns: Columns) -> None:
        self._kind = kind
        self._columns = columns
        self.used = 0
        self.arrays: T = kind(
            **{name: np.zeros((0, *shape), dtype) for name, (dtype, shape) in columns.items()}
        )

    def _named(self) -> State:
        return {name: getattr(self.arrays, name) for name in self._columns}

    @property
    def bytes_per_row(self) -> int:
        return sum(np.zeros(shape, dtype).nbytes for dtype, shape in self._columns.values())

    def reserve(self, rows: int) -> None:
        """Make room for rows 0 to `rows` − 1; what they hold stays."""
        if rows > self.used:
            self.used = rows
            self.arrays = self._kind(**{name: grown(array, rows) for name, array in self._named().items()})

    def state(self) -> State:
        """Copies of the used rows: spare capacity never shows."""
        return {name: array[: self.used].copy() for name, array in self._named().items()}

    def expected(self, rows: int) -> Expected:
        """The types and shapes of a state with this number of rows."""
        return {name: (dtype, (rows, *shape)) for name, (dtype, shape) in self._columns.items()}

    def load(self, state: Mapping[str, Array], rows: int) -> None:
        """Take over copies of the arrays of a state that is as expected."""
        self.arrays = self._kind(**{name: state[name].copy() for name in self._columns})
        self.used = rows


class Part(Protocol):
    """A part of the mixture, as far as its arrays are concerned."""

    @property
    def bytes_per_key(self) -> int: ...

    @property
    def bytes_per_row(self) -> int:
        """Memory that one waiting answer takes."""

    def reserve(self, slots: int, rows: int) -> None:
        """Make room for these numbers of keys and waiting answers; what they hold stays."""

    def state(self) -> State:
        """Copies of all arrays, by name."""

    def expected(self, slots: int, rows: int) -> Expected:
        """The types and shapes of a state of this size, which `load` takes over."""

    def load(self, state: Mapping[str, Array], slots: int, rows: int) -> None: ...


class Memory(Generic[Keys, Waiting, Stream]):
    """What one part holds: of each key, of each answer that waits for its label, and once."""

    def __init__(self, keys: Table[Keys], waiting: Table[Waiting], stream: Stream) -> None:
        self.keys = keys
        self.waiting = waiting
        self.stream = stream

    @property
    def bytes_per_key(self) -> int:
        return self.keys.bytes_per_row

    @property
    def bytes_per_row(self) -> int:
        return self.waiting.bytes_per_row

    def reserve(self, slots: int, rows: int) -> None:
        self.keys.reserve(slots)
        self.waiting.reserve(rows)

    def state(self) -> State:
        once = {name: array.copy() for name, array in self.stream._asdict().items()}
        return {**self.keys.state(), **nested("waiting", self.waiting.state()), **nested("stream", once)}

    def expected(self, slots: int, rows: int) -> Expected:
        return {
            **self.keys.expected(slots),
            **nested("waiting", self.waiting.expected(rows)),
            **nested("stream", shapes(self.stream._asdict())),
        }

    def load(self, state: Mapping[str, Array], slots: int, rows: int) -> None:
        self.keys.load(state, slots)
        self.waiting.load(within("waiting", state), rows)
        for name, array in self.stream._asdict().items():
            array[...] = state[f"stream/{name}"]


def no_table() -> Table[Nothing]:
    """The table of a part that holds nothing there."""
    return Table(Nothing, {})
