"""Keys to slots: who is remembered, and who is forgotten when there are too many."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, expect, from_texts, to_texts
from streamrnn.errors import SnapshotError

_DICTIONARY_BYTES = 250  # 160 to 190 measured for names of 14 characters; the rest is for longer ones


class Keys:
    """Slots 0 … `max_keys` − 1, the least recently used of which goes to the next new key."""

    bytes_per_key = _DICTIONARY_BYTES

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._slots: OrderedDict[str, int] = OrderedDict()
        """Least recently used first."""
        self.evicted = 0
        """Keys forgotten so far."""

    def __len__(self) -> int:
        return len(self._slots)

    def resolve(self, keys: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Each event's slot, and whether the slot starts anew with it; both (n,), in event order."""
        slots = np.empty(len(keys), np.int32)
        fresh = np.zeros(len(keys), np.bool_)
        known, touch = self._slots.get, self._slots.move_to_end
        for i, key in enumerate(keys):
            slot = known(key)
            if slot is None:
                slot = self._admit(key)
                fresh[i] = True
            else:
                touch(key)
            slots[i] = slot
        return slots, fresh

    def _admit(self, key: str) -> int:
        if len(self._slots) < self._max_keys:
            slot = len(self._slots)
        else:
            _, slot = self._slots.popitem(last=False)
            self.evicted += 1
        self._slots[key] = slot
        return slot

    def names(self) -> list[str]:
        """The key that each used slot belongs to now."""
        return sorted(self._slots, key=self._slots.__getitem__)

    def state(self) -> State:
        return {
            "names": from_texts(list(self._slots)),
            "slots": np.array(list(self._slots.values()), np.int32),
            "evicted": np.array(self.evicted, np.int64),
        }

    def load(self, state: State) -> None:
        expect(state, {"names": (np.uint8, (None,)), "slots": (np.int32, (None,)), "evicted": (np.int64, ())})
        names, slots = to_texts("names", state["names"]), state["slots"].tolist()
        if len(names) != len(slots) or sorted(slots) != list(range(len(names))):
            raise SnapshotError(f"array slots: {len(slots)} slots do not fit {len(names)} names")
        if len(names) > self._max_keys:
            raise SnapshotError(f"array names: {len(names)} keys, and max_keys allows {self._max_keys}")
        self._slots = OrderedDict(zip(names, slots, strict=True))
        self.evicted = int(state["evicted"])
