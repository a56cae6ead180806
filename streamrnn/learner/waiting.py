"""Labels that come by id: which event each belongs to, in a bounded pool, by event time.

An event with an id waits in a row of the pool until a later record of its key names that id and brings the
label, until its time to live has passed, or until the pool is full and it is the oldest. Time is event time,
so that an expiry depends on the records alone: a label is in time by its own time and its event's; events
are given up by a clock that shows the latest time that two records in a row have reached. One record whose
time is wrong expires nobody.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, expect, from_texts, to_texts
from streamrnn.errors import SnapshotError

MATCHED, EXPIRED, UNKNOWN, DUPLICATE = range(4)
OUTCOMES = ("matched", "expired", "unknown", "duplicate")
"""What became of a label: its event had expired; its id was never seen, or forgotten; it had one before."""

_Id = tuple[str, str]
"""(key, id): ids are told apart within their key."""


class _Event(NamedTuple):
    row: int
    slot: int
    life: int
    """Of the slot: a key that was forgotten and came again began another."""
    time: float
    """Its own, UTC seconds since 1970."""
    since: float
    """What the clock showed when it came."""


class Waiting(NamedTuple):
    """Rows of the pool, each (n,), −1: none."""

    keep: NDArray[np.int32]
    judge: NDArray[np.int32]
    slots: NDArray[np.int32]
    """The slot of the event's own key, or of the one that is judged where the record makes no step."""


class Pool:
    """Events of all keys that wait for their labels."""

    def __init__(self, size: int, ttl: float) -> None:
        """`size` rows; `ttl` in seconds of event time."""
        self._size, self._ttl = size, ttl
        self._waiting: OrderedDict[_Id, _Event] = OrderedDict()
        """Oldest first."""
        self._gone: OrderedDict[_Id, int] = OrderedDict()
        """What became of the last `size` events that wait no more."""
        self._free = list(range(size - 1, -1, -1))
        self._lives: list[int] = []
        """How often each slot has begun anew."""
        self._clock, self._last = -math.inf, math.inf
        """What the clock shows, and the time of the last record."""
        self.counts = np.zeros(len(OUTCOMES), np.int64)
        """Labels by `OUTCOMES`."""
        self.given_up = 0
        """Events whose label never came in time."""

    def __len__(self) -> int:
        return len(self._waiting)

    def resolve(
        self,
        keys: Sequence[str],
        time: Sequence[float],
        ids: Sequence[str | None],
        label_of: Sequence[str | None],
        slots: NDArray[np.int32],
        fresh: NDArray[np.bool_],
    ) -> Waiting:
        """Rows of the n events of a block, in order; `slots` and `fresh` count where there is an id."""
        n = len(keys)
        keep, judge = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
        slots = slots.copy()
        for i in range(n):
            self._clock, self._last = max(self._clock, min(self._last, time[i])), time[i]
            self._expire()
            event, wanted = ids[i], label_of[i]
            if event is not None and fresh[i]:
                self._begin(int(slots[i]))
            if wanted is not None:
                found = self._take((keys[i], wanted), time[i])
                if found is not None:
                    judge[i] = found.row
                    slots[i] = slots[i] if event is not None else found.slot
            if event is not None:
                keep[i] = self._admit((keys[i], event), int(slots[i]), time[i])
        return Waiting(keep, judge, slots)

    def _begin(self, slot: int) -> None:
        self._lives += [0] * (slot + 1 - len(self._lives))
        self._lives[slot] += 1

    def _take(self, wanted: _Id, time: float) -> _Event | None:
        """The event that waits for a label of this time; the label is counted either way."""
        found = self._waiting.pop(wanted, None)
        if found is None:
            outcome = self._gone.get(wanted, UNKNOWN)
            self.counts[DUPLICATE if outcome == MATCHED else outcome] += 1
            return None
        held = self._lives[found.slot] == found.life and time - found.time <= self._ttl
        self._leave(wanted, found, MATCHED if held else EXPIRED)
        self.counts[MATCHED if held else EXPIRED] += 1
        return found if held else None

    def _admit(self, event: _Id, slot: int, time: float) -> int:
        if (
            event in self._waiting
        ):  # the id is used again before its label came: the earlier event is given up
            self._give_up(event)
        elif len(self._waiting) == self._size:
            self._give_up(next(iter(self._waiting)))
        self._gone.pop(event, None)
        row = self._free.pop()
        self._waiting[event] = _Event(row, slot, self._lives[slot], time, self._clock)
        return row

    def _expire(self) -> None:
        while self._waiting:
            event, oldest = next(iter(self._waiting.items()))
            if self._clock - oldest.since <= self._ttl:
                return
            self._give_up(event)

    def _give_up(self, event: _Id) -> None:
        self.given_up += 1
        self._leave(event, self._waiting.pop(event), EXPIRED)

    def _leave(self, event: _Id, was: _Event, outcome: int) -> None:
        self._free.append(was.row)
        self._gone[event] = outcome
        if len(self._gone) > self._size:
            self._gone.popitem(last=False)

    # --- state --------------------------------------------------------------------------------------

    def state(self) -> State:
        events = list(self._waiting.values())
        return {
            "waiting": from_texts([text for pair in self._waiting for text in pair]),
            "places": np.array([(e.row, e.slot, e.life) for e in events], np.int64).reshape(-1, 3),
            "times": np.array([(e.time, e.since) for e in events], np.float64).reshape(-1, 2),
            "free": np.array(self._free, np.int64),
            "gone": from_texts([text for pair in self._gone for text in pair]),
            "outcomes": np.array(list(self._gone.values()), np.int64),
            "lives": np.array(self._lives, np.int64),
            "clock": np.array([self._clock, self._last], np.float64),
            "counts": np.array([*self.counts, self.given_up], np.int64),
        }

    def load(self, state: State) -> None:
        expect(
            state,
            {
                "waiting": (np.uint8, (None,)),
                "places": (np.int64, (None, 3)),
                "times": (np.float64, (None, 2)),
                "free": (np.int64, (None,)),
                "gone": (np.uint8, (None,)),
                "outcomes": (np.int64, (None,)),
                "lives": (np.int64, (None,)),
                "clock": (np.float64, (2,)),
                "counts": (np.int64, (len(OUTCOMES) + 1,)),
            },
        )
        waiting, places = _pairs("waiting", state), state["places"].tolist()
        rows = sorted([place[0] for place in places] + state["free"].tolist())
        if len(waiting) != len(places) or rows != list(range(self._size)):
            raise SnapshotError(f"array places: rows of {len(waiting)} events do not fit {self._size}")
        gone = _pairs("gone", state)
        times = state["times"].tolist()
        self._waiting = OrderedDict(
            (event, _Event(*place, *time)) for event, place, time in zip(waiting, places, times, strict=True)
        )
        self._free = state["free"].tolist()
        self._gone = OrderedDict(zip(gone, state["outcomes"].tolist(), strict=True))
        self._lives = state["lives"].tolist()
        self._clock, self._last = state["clock"].tolist()
        self.counts = state["counts"][:-1].copy()
        self.given_up = int(state["counts"][-1])


def _pairs(name: str, state: State) -> list[_Id]:
    texts = to_texts(name, state[name])
    return list(zip(texts[::2], texts[1::2], strict=True))
