"""Labels of classes as indices: those declared, or the first ones seen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, expect, from_texts, to_texts
from streamrnn.errors import SnapshotError


class Classes:
    """An index for each declared class; if none is declared, for the first `bound` labels as they come."""

    def __init__(self, declared: tuple[str, ...], bound: int) -> None:
        self._declared = declared
        self._bound = len(declared) or bound
        self._indices = {text: i for i, text in enumerate(declared)}
        self.beyond = 0
        """Labels so far that found no place; they are as good as none."""

    @property
    def names(self) -> list[str]:
        """The classes known by now, by index."""
        return list(self._indices)

    def resolve(self, labels: Sequence[str | None]) -> NDArray[np.float64]:
        """Each label's index (n,); NaN where it is None or finds no place. New ones are learned in order."""
        known = self._indices
        found = np.array([known.get(label) for label in labels], np.float64)  # type: ignore[arg-type]
        for i in np.flatnonzero(np.isnan(found)).tolist():
            label = labels[i]
            if label is not None:
                found[i] = self._place(label)
        return found

    def _place(self, label: str) -> float:
        if label in self._indices or len(self._indices) < self._bound:
            return self._indices.setdefault(label, len(self._indices))
        self.beyond += 1
        return np.nan

    def state(self) -> State:
        return {"names": from_texts(self.names), "beyond": np.array(self.beyond, np.int64)}

    def load(self, state: State) -> None:
        expect(state, {"names": (np.uint8, (None,)), "beyond": (np.int64, ())})
        names = to_texts("names", state["names"])
        if self._declared and tuple(names) != self._declared:
            raise SnapshotError(f"array names holds the classes {names}; expected {list(self._declared)}")
        if len(names) > self._bound or len(set(names)) < len(names):
            raise SnapshotError(
                f"array names holds {len(names)} classes; expected at most {self._bound}, all different"
            )
        self._indices = {text: i for i, text in enumerate(names)}
        self.beyond = int(state["beyond"])
