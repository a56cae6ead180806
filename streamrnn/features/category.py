"""Categories to columns: the first values seen get one each, later ones share a few."""

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, expect, from_texts, to_texts
from streamrnn.errors import SnapshotError
from streamrnn.features.specs import Category


class CategoryEncoder:
    """A column each for the first `bound` distinct texts as they come; CRC-32 modulo `buckets` after."""

    def __init__(self, spec: Category) -> None:
        self._bound, self._buckets = spec.bound, spec.buckets
        self._columns: dict[str, int] = {}
        self.names = [f"{spec.field}.{i}" for i in range(spec.bound)]
        self.names += [f"{spec.field}.hashed.{i}" for i in range(spec.buckets)]

    def encode(self, texts: list[str | None], first: int, hot: NDArray[np.int64]) -> None:
        """Each event's column, counted from `first`, into hot (n,); −1 for missing. New texts are learned."""
        known, place = self._columns.get, self._place
        for i, text in enumerate(texts):
            if text is None:
                hot[i] = -1
            else:
                column = known(text)
                hot[i] = first + (place(text) if column is None else column)

    def _place(self, text: str) -> int:
        if len(self._columns) < self._bound:
            return self._columns.setdefault(text, len(self._columns))
        return self._bound + crc32(text.encode()) % self._buckets

    def state(self) -> State:
        return {"texts": from_texts(list(self._columns))}

    def load(self, state: State) -> None:
        expect(state, {"texts": (np.uint8, (None,))})
        texts = to_texts("texts", state["texts"])
        if len(texts) > self._bound or len(set(texts)) < len(texts):
            raise SnapshotError(
                f"array texts holds {len(texts)} texts; expected at most {self._bound}, all different"
            )
        self._columns = {text: i for i, text in enumerate(texts)}
