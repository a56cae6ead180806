"""Labels by id: each finds its own event, or is counted for what it is."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn.learner.waiting import OUTCOMES, Pool

Row = tuple[str, float, str | None, str | None]
"""(key, time, id, label of)"""
SLOTS = {"a": 0, "b": 1, "c": 2}


def passed(pool: Pool, rows: Sequence[Row], fresh: Sequence[int] = ()) -> tuple[list[int], list[int]]:
    """(keep, judge) of the rows; `fresh` are the indexes at which the slot begins anew."""
    keys, times, ids, label_of = (list(column) for column in zip(*rows, strict=True))
    slots = np.array([SLOTS[key] for key in keys], np.int32)
    begun = np.isin(np.arange(len(rows)), fresh)
    waiting = pool.resolve(keys, times, ids, label_of, slots, begun)
    return waiting.keep.tolist(), waiting.judge.tolist()


def counts(pool: Pool) -> dict[str, int]:
    return dict(zip(OUTCOMES, pool.counts.tolist(), strict=True))


def test_a_label_judges_the_row_of_the_event_it_names_whatever_came_between() -> None:
    keep, judge = passed(
        Pool(4, 60.0),
        [
            ("a", 0, "1", None),
            ("b", 1, "1", None),
            ("a", 2, "2", None),
            ("a", 3, None, "1"),
            ("b", 4, None, "1"),
        ],
        fresh=[0, 1],
    )
    assert judge == [-1, -1, -1, keep[0], keep[1]]
    assert len({keep[0], keep[1], keep[2]}) == 3


def test_every_label_is_matched_expired_unknown_or_a_duplicate() -> None:
    pool = Pool(4, 10.0)
    rows: list[Row] = [
        ("a", 0, "1", None),
        ("a", 1, "2", None),
        ("a", 2, None, "1"),  # matched
        ("a", 3, None, "1"),  # it had its label
        ("a", 4, None, "9"),  # never seen
        ("b", 5, None, "2"),  # of another key: never seen there
        ("a", 11.5, None, "2"),  # 10.5 s after its event
    ]
    passed(pool, rows, fresh=[0])
    assert counts(pool) == {"matched": 1, "expired": 1, "unknown": 2, "duplicate": 1}


def test_a_label_that_comes_at_the_last_moment_is_in_time() -> None:
    _, judge = passed(Pool(1, 10.0), [("a", 0, "1", None), ("a", 10, None, "1")], fresh=[0])
    assert judge[1] >= 0


def test_a_full_pool_gives_up_its_oldest_event() -> None:
    pool = Pool(2, 60.0)
    _, judge = passed(
        pool,
        [("a", t, str(t), None) for t in range(3)] + [("a", 4, None, "0"), ("a", 5, None, "1")],
        fresh=[0],
    )
    assert (judge[3], judge[4] >= 0) == (-1, True)
    assert (counts(pool)["expired"], counts(pool)["matched"], pool.given_up) == (1, 1, 1)


def test_a_label_of_a_key_that_was_forgotten_since_is_expired() -> None:
    pool = Pool(4, 60.0)
    _, judge = passed(
        pool,
        [("a", 0, "1", None), ("a", 1, "2", None), ("a", 2, None, "1"), ("a", 3, None, "2")],
        fresh=[0, 1],
    )
    assert judge[2] == -1
    assert judge[3] >= 0
    assert counts(pool)["expired"] == 1


def test_a_single_time_in_the_future_expires_nobody_before_or_after_it() -> None:
    pool = Pool(8, 10.0)
    rows: list[Row] = [
        ("a", 0, "1", None),
        ("a", 1e9, "2", None),
        ("a", 1, None, "2"),
        ("a", 2, None, "1"),
        ("a", 3, "3", None),
        ("a", 4, None, "3"),
    ]
    passed(pool, rows, fresh=[0])
    assert counts(pool) == {"matched": 3, "expired": 0, "unknown": 0, "duplicate": 0}


def test_an_event_that_comes_after_a_younger_one_has_its_own_time_to_live() -> None:
    pool = Pool(8, 10.0)
    rows: list[Row] = [("a", 20, "1", None), ("a", 5, "2", None), ("a", 21, None, "2"), ("a", 22, None, "1")]
    _, judge = passed(pool, rows, fresh=[0])
    assert (judge[2], judge[3] >= 0) == (-1, True)


def test_events_are_given_up_once_two_records_in_a_row_are_beyond_their_time() -> None:
    pool = Pool(8, 10.0)
    passed(pool, [("a", t, str(t), None) for t in range(3)], fresh=[0])
    passed(pool, [("b", 100, None, None)])
    assert pool.given_up == 0
    passed(pool, [("b", 101, None, None)])
    assert pool.given_up == 3


def test_one_record_may_bring_a_label_and_be_an_event_itself() -> None:
    keep, judge = passed(
        Pool(1, 60.0), [("a", 0, "1", None), ("a", 1, "2", "1"), ("a", 2, None, "2")], fresh=[0]
    )
    assert judge == [-1, keep[0], keep[1]]


rows = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 40),
        st.one_of(st.none(), st.sampled_from("123456")),
        st.one_of(st.none(), st.sampled_from("123456")),
    ),
    max_size=60,
)


@given(rows=rows, cuts=st.lists(st.integers(0, 60), max_size=4), size=st.integers(1, 5))
def test_neither_cuts_nor_a_restart_in_between_change_anything(
    rows: list[Row], cuts: list[int], size: int
) -> None:
    seen: set[str] = set()
    fresh = [
        i for i, row in enumerate(rows) if row[2] is not None and not (row[0] in seen or seen.add(row[0]))
    ]
    whole, pool = Pool(size, 15.0), Pool(size, 15.0)
    expected = passed(whole, rows, fresh) if rows else ([], [])
    found: tuple[list[int], list[int]] = ([], [])
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    for begin, end in pairwise(edges):
        restored = Pool(size, 15.0)
        restored.load(pool.state())
        pool = restored
        part = passed(pool, rows[begin:end], [i - begin for i in fresh if begin <= i < end])
        found = (found[0] + part[0], found[1] + part[1])
    assert found == expected
    assert {k: v.tolist() for k, v in pool.state().items()} == {
        k: v.tolist() for k, v in whole.state().items()
    }


def test_a_row_is_never_given_to_two_events_that_wait() -> None:
    random, pool = np.random.default_rng(0), Pool(3, 5.0)
    held: dict[tuple[str, str], int] = {}
    for t in range(500):
        key, event = str(random.choice(list("abc"))), str(random.integers(6))
        [row], _ = passed(pool, [(key, float(t), event, None)], fresh=[0] if t < 3 else [])
        held[key, event] = row
        waiting = pool.state()["places"][:, 0].tolist()
        assert len(waiting) == len(set(waiting)) <= 3


@pytest.mark.parametrize("name", ["waiting", "places", "free"])
def test_a_state_that_does_not_fit_is_refused(name: str) -> None:
    pool = Pool(2, 5.0)
    passed(pool, [("a", 0, "1", None)], fresh=[0])
    state = pool.state()
    state[name] = state[name][:0]
    with pytest.raises(Exception, match="array"):
        Pool(2, 5.0).load(state)
