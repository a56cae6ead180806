"""What is settled about a block before any pass: who steps, and which earlier step each label judges."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, Steps, expect, grown, nested, within
from streamrnn.compiled import loop
from streamrnn.features import Block, Keys
from streamrnn.learner.waiting import OUTCOMES, Pool

Floats = NDArray[np.float64]
Slots = NDArray[np.int32]
Flags = NDArray[np.bool_]


class Course(Protocol):
    """How labels find the steps that they judge."""

    @property
    def bytes_per_key(self) -> int: ...

    def rows(self, slots: int) -> int:
        """Answers that can wait at once with this number of keys."""
        ...

    def resolve(self, block: Block, keys: Keys, known: Flags) -> Steps:
        """`known` (n,): the event has a label."""
        ...

    def counts(self) -> dict[str, int]:
        """What became of labels, where that is a question."""
        ...

    def state(self) -> State: ...

    def load(self, state: State) -> None: ...


class Ahead:
    """A label judges the step that its key made `horizon` events ago; with horizon 0, its event's own."""

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._used = 0
        self._steps = np.zeros(0, np.int64)

    @property
    def bytes_per_key(self) -> int:
        return self._steps.itemsize

    def rows(self, slots: int) -> int:
        return slots * self._horizon

    def resolve(self, block: Block, keys: Keys, known: Flags) -> Steps:
        slots, fresh = keys.resolve(block.keys)
        return self.follow(slots, fresh, known, len(keys))

    def follow(self, slots: Slots, fresh: Flags, known: Flags, used: int) -> Steps:
        """The same for n events whose slots, of `used` ones, are known."""
        self._used = used
        self._steps = grown(self._steps, used)
        back, keep, judge = np.empty((3, slots.size), np.int32)
        _follow(self._steps, slots, fresh, known, self._horizon, back, keep, judge)
        return Steps(slots, fresh, np.ones(slots.size, np.bool_), back, keep, judge)

    def counts(self) -> dict[str, int]:
        return {}

    def state(self) -> State:
        return {"steps": self._steps[: self._used].copy()}

    def load(self, state: State) -> None:
        expect(state, {"steps": (np.int64, (None,))})
        self._steps = state["steps"].copy()
        self._used = self._steps.size


class ById:
    """A label judges the event of its key that has the id it names."""

    bytes_per_key = 8

    def __init__(self, pool: int, ttl: float) -> None:
        self._rows = pool
        self.pool = Pool(pool, ttl)

    def rows(self, slots: int) -> int:
        return self._rows

    def resolve(self, block: Block, keys: Keys, known: Flags) -> Steps:
        moves = np.array([event is not None for event in block.ids], np.bool_)
        slots, fresh = np.zeros(len(block), np.int32), np.zeros(len(block), np.bool_)
        slots[moves], fresh[moves] = keys.resolve(
            [key for key, moving in zip(block.keys, moves.tolist(), strict=True) if moving]
        )
        brought = [of if has else None for of, has in zip(block.label_of, known.tolist(), strict=True)]
        waiting = self.pool.resolve(block.keys, block.time.tolist(), block.ids, brought, slots, fresh)
        none = np.full(len(block), -1, np.int32)
        return Steps(waiting.slots, fresh, moves, none, waiting.keep, waiting.judge)

    def counts(self) -> dict[str, int]:
        labels = {f"labels_{name}": int(n) for name, n in zip(OUTCOMES, self.pool.counts, strict=True)}
        return {**labels, "events_given_up": self.pool.given_up, "events_waiting": len(self.pool)}

    def state(self) -> State:
        return nested("pool", self.pool.state())

    def load(self, state: State) -> None:
        self.pool.load(within("pool", state))


@loop
def _follow(
    steps: NDArray[np.int64],
    slots: Slots,
    fresh: Flags,
    known: Flags,
    horizon: int,
    back: Slots,
    keep: Slots,
    judge: Slots,
) -> None:
    for i in range(slots.size):
        slot = slots[i]
        if fresh[i]:
            steps[slot] = 0
        judges = known[i] and steps[slot] >= horizon
        row = slot * horizon + steps[slot] % horizon if horizon > 0 else -1
        back[i] = horizon if judges else -1
        keep[i] = row
        judge[i] = row if judges else -1
        steps[slot] += 1
