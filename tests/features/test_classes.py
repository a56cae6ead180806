"""Labels to indices: declared or discovered, and never more than were asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn.arrays import from_texts
from streamrnn.errors import SnapshotError
from streamrnn.features import Classes

labels = st.lists(st.none() | st.sampled_from("abcde"), max_size=30)


def test_declared_classes_are_indexed_as_declared_and_others_are_counted():
    classes = Classes(("red", "7"), 0)
    np.testing.assert_array_equal(
        classes.resolve(["7", None, "blue", "red", "blue"]), [1, np.nan, np.nan, 0, np.nan]
    )
    assert classes.names == ["red", "7"]
    assert classes.beyond == 2


def test_classes_are_discovered_as_they_come_up_to_the_bound():
    classes = Classes((), 2)
    np.testing.assert_array_equal(
        classes.resolve(["b", "a", "b", None, "c", "a"]), [0, 1, 0, np.nan, np.nan, 1]
    )
    assert classes.names == ["b", "a"]
    assert classes.beyond == 1


@given(labels, st.integers(0, 30), st.integers(1, 6))
def test_any_cut_gives_the_same_indices_and_a_loaded_twin_goes_on_alike(texts, cut, bound):
    whole, first, loaded = Classes((), bound), Classes((), bound), Classes((), bound)
    expected = whole.resolve(texts)
    start = first.resolve(texts[:cut])
    loaded.load(first.state())
    np.testing.assert_array_equal(np.concatenate([start, loaded.resolve(texts[cut:])]), expected)
    assert (loaded.names, loaded.beyond) == (whole.names, whole.beyond)


@pytest.mark.parametrize(
    ("declared", "bound", "names", "message"),
    [
        (("a", "b"), 0, ["b", "a"], r"array names holds the classes \['b', 'a'\]; expected \['a', 'b'\]"),
        ((), 2, ["a", "b", "c"], "array names holds 3 classes; expected at most 2"),
        ((), 2, ["a", "a"], "all different"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(declared, bound, names, message):
    state = {"names": from_texts(names), "beyond": np.array(0, np.int64)}
    with pytest.raises(SnapshotError, match=message):
        Classes(declared, bound).load(state)
