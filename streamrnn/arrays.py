"""State as named arrays: rows that grow with the keys, parts under names, checks when it is loaded."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import SnapshotError

Scalar = TypeVar("Scalar", bound=np.generic)
Part = TypeVar("Part")
State = dict[str, NDArray[Any]]
Expected = Mapping[str, tuple[Any, tuple[int | None, ...]]]
"""Name → dtype and shape; None for a length that the state decides."""


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
