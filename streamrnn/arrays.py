"""State as named arrays: rows that grow with the keys, parts under names, checks when it is loaded."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import SnapshotError

Scalar = TypeVar("Scalar", bound=np.generic)
Part = TypeVar("Part")
State = dict[str, NDArray[Any]]
Expected = Mapping[str, tuple[Any, tuple[int | None, ...]]]
"""Name → dtype and shape; None for a length that the state decides."""


class Steps(NamedTuple):
    """What the n events of a block do, for every pass alike: who steps, and which earlier step is judged.

    An answer whose label comes later waits in a row of a table: h rows for each slot of a forecast h ahead,
    or one of a pool for labels that come by id. At each event, in order: a fresh slot is forgotten; a waiting
    row is judged and learned; the key steps, and what must wait is put in its row; an inline label judges.
    """

    slots: NDArray[np.int32]
    """(n,) the slot of the event's key."""
    fresh: NDArray[np.bool_]
    """(n,) the slot starts anew with this event."""
    moves: NDArray[np.bool_]
    """(n,) the key makes a step; False: the event only brings the label of an earlier one."""
    back: NDArray[np.int32]
    """(n,) steps of the key back to the one that the label judges: 0 its own; −1 none, or one found by id."""
    keep: NDArray[np.int32]
    """(n,) the row where this event's answer waits for its label; −1: none."""
    judge: NDArray[np.int32]
    """(n,) the row that this event's label judges, before the event's own step; −1: none."""


def expect(state: Mapping[str, NDArray[Any]], expected: Expected) -> None:
    """Raise SnapshotError naming the first array that is missing, too many, or of another dtype or shape."""
    if odd := sorted(state.keys() ^ expected.keys()):
        kind = "is not there" if odd[0] in expected else "is not expected"
        raise SnapshotError(f"array {odd[0]} {kind}")
    for name, (dtype, shape) in expected.items():
        array = state[name]
        fits = array.ndim == len(shape) and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=True)
        )
        if array.dtype != dtype or not fits:
            found = f"dtype {array.dtype} and shape {array.shape}"
            raise SnapshotError(f"array {name} has {found}; expected {np.dtype(dtype)} and {shape}")


def grown(array: NDArray[Scalar], rows: int) -> NDArray[Scalar]:
    """The array with at least `rows` rows, doubled when it must grow; new rows are zero."""
    if rows <= len(array):
        return array
    bigger = np.zeros((max(rows, 2 * len(array)), *array.shape[1:]), array.dtype)
    bigger[: len(array)] = array
    return bigger


def from_texts(texts: list[str]) -> NDArray[np.uint8]:
    """A list of texts as the bytes of its JSON."""
    return np.frombuffer(json.dumps(texts, ensure_ascii=False).encode(), np.uint8).copy()


def to_texts(name: str, array: NDArray[np.uint8]) -> list[str]:
    """The inverse; raises SnapshotError naming the array if it does not hold a list of texts."""
    try:
        texts = json.loads(array.tobytes().decode())
    except ValueError as error:
        raise SnapshotError(f"array {name} does not hold texts: {error}") from None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise SnapshotError(f"array {name} does not hold a list of texts")
    return texts


def shapes(arrays: Mapping[str, NDArray[Any]]) -> Expected:
    """What `expect` asks of a state that shall be taken over into these arrays."""
    return {name: (array.dtype, array.shape) for name, array in arrays.items()}


def nested(name: str, state: Mapping[str, Part]) -> dict[str, Part]:
    """The arrays of a part, or what is expected of them, under its name."""
    return {f"{name}/{inner}": array for inner, array in state.items()}


def within(name: str, state: Mapping[str, NDArray[Any]]) -> State:
    """The arrays of one part, by their own names."""
    return {
        outer.removeprefix(f"{name}/"): array
        for outer, array in state.items()
        if outer.startswith(f"{name}/")
    }
