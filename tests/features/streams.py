"""Streams of events for tests, and the path that a learner takes with them."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from streamrnn.features import Features, Inputs, Keys, Schema, Spec, Target, fields_of
from streamrnn.types import Record

Event = dict[str, Any]


def records(events: Iterable[Event]) -> list[Record]:
    return [Record(i, None, json.dumps(event).encode()) for i, event in enumerate(events)]


class Path:
    """Records → inputs, as a learner does it: decode, resolve, settle who is judged, featurise."""

    def __init__(
        self, specs: tuple[Spec, ...], target: Target, *, half_life: float | None = None, max_keys: int = 100
    ) -> None:
        self.target = target
        self.schema = Schema(fields_of(specs, target), target, key="key", time="time")
        self.keys = Keys(max_keys)
        self.features = Features(specs, target, half_life=half_life)
        self.steps: dict[int, int] = {}

    def feed(self, events: list[Event]) -> Inputs:
        block = self.schema.decode(records(events))
        assert not block.rejects, block.rejects
        slots, fresh = self.keys.resolve(block.keys)
        back = self._judged(slots, fresh, block.label)
        return self.features.featurise(block, slots, fresh, back)

    def feed_in(self, cuts: Iterable[int], events: list[Event]) -> Inputs:
        """The same events in blocks that end at the cuts, put together again."""
        bounds = [0, *sorted(cuts), len(events)]
        parts = [self.feed(events[a:b]) for a, b in pairwise(bounds)]
        return Inputs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def state(self) -> dict[str, np.ndarray]:
        return {**self.features.state(), **{f"keys.{k}": v for k, v in self.keys.state().items()}}

    def _judged(self, slots: np.ndarray, fresh: np.ndarray, label: np.ndarray) -> np.ndarray:
        back = np.full(len(slots), -1, np.int32)
        for i, slot in enumerate(slots.tolist()):
            if fresh[i]:
                self.steps[slot] = 0
            if not np.isnan(label[i]) and self.steps[slot] >= self.target.horizon:
                back[i] = self.target.horizon
            self.steps[slot] += 1
        return back


def same_bits(one: Iterable[np.ndarray], other: Iterable[np.ndarray]) -> bool:
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(one, other, strict=True)
    )
