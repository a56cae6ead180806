"""Keys to slots: who is remembered, and who is forgotten when there are too many.

The order of last use is a ring of all slots, threaded through an array, so that a block's uses are one
compiled loop and a snapshot reads memory in its order. Row 0 of the array stands between the newest and the
oldest; the slot s is row s + 1.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, expect, from_texts, grown, to_texts
from streamrnn.compiled import loop
from streamrnn.errors import SnapshotError

_BYTES = 220  # 150 to 190 measured for names of 14 characters; the rest is for longer ones
OLDER, NEWER = 0, 1

Slots = NDArray[np.int32]
Links = NDArray[np.int32]
"""(1 + slots, 2): the rows that were used just before and just after each."""


class Keys:
    """Slots 0 … `max_keys` − 1, the least recently used of which goes to the next new key."""

    bytes_per_key = _BYTES

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._slots: dict[str, int] = {}
        self._names: list[str] = []
        """By slot."""
        self._links: Links = np.zeros((1, 2), np.int32)
        self.evicted = 0
        """Keys forgotten so far."""

    def __len__(self) -> int:
        return len(self._names)

    def resolve(self, keys: Sequence[str]) -> tuple[Slots, NDArray[np.bool_]]:
        """Each event's slot, and whether the slot starts anew with it; both (n,), in event order."""
        fresh = np.zeros(len(keys), np.bool_)
        known = list(map(self._slots.get, keys))
        if None in known:
            return self._with_new(keys, fresh), fresh
        slots = np.fromiter(known, np.int32, len(known))
        _use(self._links, slots)
        return slots, fresh

    def _with_new(self, keys: Sequence[str], fresh: NDArray[np.bool_]) -> Slots:
        self._reserve(min(len(self) + len(keys), self._max_keys))
        slots, known, used = np.empty(len(keys), np.int32), self._slots.get, 0
        for i, key in enumerate(keys):
            slot = known(key)
            if slot is None:
                if len(self._names) == self._max_keys:
                    _use(self._links, slots[used:i])  # who is the oldest depends on the events before
                    used = i
                slot = self._admit(key)
                fresh[i] = True
            slots[i] = slot
        _use(self._links, slots[used:])
        return slots

    def _reserve(self, slots: int) -> None:
        """Make room in the ring; a row that is not in it yet is a ring of its own."""
        begin, self._links = len(self._links), grown(self._links, slots + 1)
        self._links[begin:] = np.arange(begin, len(self._links), dtype=np.int32)[:, np.newaxis]

    def _admit(self, key: str) -> int:
        slot = len(self._names)
        if slot < self._max_keys:
            self._names.append(key)
        else:
            slot = int(self._links[0, NEWER]) - 1
            del self._slots[self._names[slot]]
            self._names[slot] = key
            self.evicted += 1
        self._slots[key] = slot
        return slot

    def names(self) -> list[str]:
        """The key that each used slot belongs to now."""
        return self._names.copy()

    def state(self) -> State:
        oldest_first = np.empty(len(self), np.int32)
        _in_order(self._links, oldest_first)
        return {
            "names": from_texts(self._names),
            "oldest_first": oldest_first,
            "evicted": np.array(self.evicted, np.int64),
        }

    def load(self, state: State) -> None:
        """Raises SnapshotError naming the array that does not fit."""
        expect(
            state,
            {"names": (np.uint8, (None,)), "oldest_first": (np.int32, (None,)), "evicted": (np.int64, ())},
        )
        names, order = to_texts("names", state["names"]), state["oldest_first"]
        if not np.array_equal(np.sort(order), np.arange(len(names))):
            raise SnapshotError(
                f"array oldest_first: its {len(order)} slots are not those of {len(names)} names"
            )
        if len(names) > self._max_keys:
            raise SnapshotError(f"array names: {len(names)} keys, and max_keys allows {self._max_keys}")
        slots = {name: slot for slot, name in enumerate(names)}
        if len(slots) < len(names):
            raise SnapshotError("array names holds a key twice")
        self._slots, self._names = slots, names
        self._links = np.zeros((1, 2), np.int32)
        self._reserve(len(names))
        _use(self._links, order.copy())  # writable, as the compiled loop knows it
        self.evicted = int(state["evicted"])


@loop
def _use(links: Links, slots: Slots) -> None:
    """Each of the slots in turn becomes the newest."""
    for slot in slots:
        row = slot + 1
        older, newer = links[row, OLDER], links[row, NEWER]
        links[older, NEWER], links[newer, OLDER] = newer, older
        newest = links[0, OLDER]
        links[newest, NEWER], links[0, OLDER] = row, row
        links[row, OLDER], links[row, NEWER] = newest, 0


@loop
def _in_order(links: Links, slots: Slots) -> None:
    """Fill in all slots, the least recently used first."""
    row = links[0, NEWER]
    for i in range(slots.size):
        slots[i] = row - 1
        row = links[row, NEWER]
