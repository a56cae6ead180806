"""Streams of events for tests, and the path that a learner takes with them."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.features import Block, Classes, Features, Inputs, Keys, Schema, Spec, Target, fields_of
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
        self.classes = Classes(target.classes, target.bound)
        self.features = Features(specs, target, half_life=half_life)
        self.steps: dict[int, int] = {}
        self.pool: dict[str, int] = {}
        """Rows of the events that wait for a label by id; each id has one of its own for ever."""
        self.judged_ids: set[str] = set()

    def feed(self, events: list[Event]) -> Inputs:
        block = self.schema.decode(records(events))
        assert not block.rejects, block.rejects
        slots, fresh = self.keys.resolve(block.keys)
        label = self.classes.resolve(block.classes)[None] if self.target.kind == "classes" else block.label
        steps = self._by_id(block, slots, fresh) if self.target.by_id else self._steps(slots, fresh, label)
        rows = len(self.pool) if self.target.by_id else len(self.keys) * self.target.horizon
        self.features.reserve(len(self.keys), rows)
        return self.features.featurise(block, steps, label)

    def feed_in(self, cuts: Iterable[int], events: list[Event]) -> Inputs:
        """The same events in blocks that end at the cuts, put together again."""
        bounds = [0, *sorted(cuts), len(events)]
        parts = [self.feed(events[a:b]) for a, b in pairwise(bounds)]
        return Inputs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def state(self) -> dict[str, np.ndarray]:
        parts = {"keys": self.keys, "classes": self.classes}
        others = {f"{part}.{k}": v for part, holder in parts.items() for k, v in holder.state().items()}
        return {**self.features.state(), **others}

    def go_on_from(self, other: "Path") -> None:
        """Load what a learner's snapshot would hold, and copy what stands for the rest of the learner."""
        self.features.load(other.features.state())
        self.keys.load(other.keys.state())
        self.classes.load(other.classes.state())
        self.steps, self.pool, self.judged_ids = dict(other.steps), dict(other.pool), set(other.judged_ids)

    def _steps(self, slots: np.ndarray, fresh: np.ndarray, label: np.ndarray) -> Steps:
        horizon = self.target.horizon
        back, keep, judge = (np.full(len(slots), -1, np.int32) for _ in range(3))
        for i, slot in enumerate(slots.tolist()):
            step = 0 if fresh[i] else self.steps[slot]
            row = slot * horizon + step % horizon if horizon else -1
            keep[i] = row
            if not np.isnan(label[:, i]).all() and step >= horizon:
                back[i], judge[i] = horizon, row
            self.steps[slot] = step + 1
        return Steps(slots, fresh, np.ones(len(slots), bool), back, keep, judge)

    def _by_id(self, block: Block, slots: np.ndarray, fresh: np.ndarray) -> Steps:
        keep, judge = (np.full(len(slots), -1, np.int32) for _ in range(2))
        for i, (name, label_of) in enumerate(zip(block.ids, block.label_of, strict=True)):
            if label_of in self.pool and label_of not in self.judged_ids:
                judge[i] = self.pool[label_of]
                self.judged_ids.add(label_of)
            if name is not None:
                keep[i] = self.pool.setdefault(name, len(self.pool))
        moves = np.array([name is not None for name in block.ids], bool)
        return Steps(slots, fresh, moves, np.full(len(slots), -1, np.int32), keep, judge)


def same_bits(one: Iterable[np.ndarray], other: Iterable[np.ndarray]) -> bool:
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(one, other, strict=True)
    )
