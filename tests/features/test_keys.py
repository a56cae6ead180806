"""Slots against a plain list that is ordered by last use; state that comes back or is refused by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.errors import SnapshotError
from streamrnn.features import Keys
from tests.features.streams import same_bits

names = st.lists(st.sampled_from("abcdefgh"), max_size=60)


def by_hand(keys: list[str], most: int) -> tuple[list[int], list[bool], int]:
    """Slots, who is new, and how many were forgotten; the least recently used stands first."""
    order: list[tuple[str, int]] = []
    slots, fresh, evicted = [], [], 0
    for key in keys:
        found = next((pair for pair in order if pair[0] == key), None)
        if found is not None:
            order.remove(found)
            slot = found[1]
        elif len(order) < most:
            slot = len(order)
        else:
            slot = order.pop(0)[1]
            evicted += 1
        order.append((key, slot))
        slots.append(slot)
        fresh.append(found is None)
    return slots, fresh, evicted


@settings(deadline=None)
@given(names, st.integers(1, 9), st.integers(0, 60))
def test_the_least_recently_used_key_gives_up_its_slot_however_the_stream_is_cut(keys, most, cut):
    table = Keys(most)
    parts = [table.resolve(keys[:cut]), table.resolve(keys[cut:])]
    slots, fresh = (np.concatenate(column) for column in zip(*parts, strict=True))
    assert (slots.tolist(), fresh.tolist(), table.evicted) == by_hand(keys, most)
    assert (slots.dtype, fresh.dtype) == (np.int32, np.bool_)
    assert len(table) == min(most, len(set(keys)))
    assert table.names() == [
        keys[max(i for i, s in enumerate(slots) if s == slot)] for slot in range(len(table))
    ]


@settings(deadline=None)
@given(names, names, st.integers(1, 9))
def test_loaded_keys_go_on_as_if_nothing_had_happened(before, after, most):
    one, other = Keys(most), Keys(most)
    one.resolve(before)
    other.load(one.state())
    assert same_bits(one.resolve(after), other.resolve(after))
    assert same_bits(one.state().values(), other.state().values())


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("names", np.zeros(3, np.uint8), "array names does not hold texts"),
        ("names", np.frombuffer(b"[1, 2]", np.uint8), "array names does not hold a list of texts"),
        (
            "names",
            np.frombuffer(b'["a"]', np.uint8),
            "array oldest_first: its 2 slots are not those of 1 names",
        ),
        ("names", np.frombuffer(b'["a", "a"]', np.uint8), "array names holds a key twice"),
        ("oldest_first", np.array([0, 2], np.int32), "array oldest_first: its 2 slots are not those"),
        ("oldest_first", np.array([1, 1], np.int32), "array oldest_first: its 2 slots are not those"),
        ("oldest_first", np.array([0, 1], np.int64), "array oldest_first has dtype int64"),
        (
            "evicted",
            np.array([0], np.int64),
            r"array evicted has dtype int64 and shape \(1,\); expected int64 and \(\)",
        ),
        ("evicted", None, "array evicted is not there"),
        ("other", np.zeros(1), "array other is not expected"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_name(name, array, message):
    keys = Keys(5)
    keys.resolve(["a", "b"])
    state = {n: a for n, a in {**keys.state(), name: array}.items() if a is not None}
    with pytest.raises(SnapshotError, match=message):
        Keys(5).load(state)


def test_more_keys_than_allowed_are_refused():
    keys = Keys(5)
    keys.resolve(["a", "b"])
    with pytest.raises(SnapshotError, match="array names: 2 keys, and max_keys allows 1"):
        Keys(1).load(keys.state())
