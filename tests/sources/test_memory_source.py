"""The broker in memory keeps the promises of sources/base.py and has the habits it claims to have."""

import threading
import time

import pytest

from streamrnn.errors import Fenced, TransportError
from streamrnn.sources.memory import MemoryLog, MemorySource
from streamrnn.types import Bounds, Commit, Partition

P0, P1 = Partition("in", 0), Partition("in", 1)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog({"in": 2})


def joined(log: MemoryLog, **options) -> MemorySource:
    """A source whose partitions are all sought to 0 and flowing."""
    source = MemorySource(log, "in", **options)
    source.poll(0, 1)
    for partition in source.changes().assigned:
        source.seek(partition, 0)
        source.resume([partition])
    return source


def fill(log: MemoryLog, partition: Partition, count: int) -> None:
    for number in range(count):
        log.append(partition, str(number).encode())


def offsets(polled) -> list[int]:
    return [record.offset for records in polled.values() for record in records]


def test_new_partitions_are_paused_until_sought_and_resumed(log):
    fill(log, P0, 3)
    source = MemorySource(log, "in", assigned=[0])
    assert source.poll(0, 10) == {}
    assert source.changes().assigned == (P0,)
    assert source.changes().assigned == ()
    source.seek(P0, 1)
    assert source.poll(0, 10) == {}
    source.resume([P0])
    assert offsets(source.poll(0, 10)) == [1, 2]
    source.pause([P0])
    source.seek(P0, 0)
    assert source.poll(0, 10) == {}


def test_resuming_a_partition_that_was_never_sought_is_refused(log):
    source = MemorySource(log, "in", assigned=[0])
    source.poll(0, 1)
    source.resume([P0])
    with pytest.raises(TransportError, match="in-0 has no position"):
        source.poll(0, 1)


def test_records_come_in_order_up_to_the_limit_and_no_partition_starves(log):
    fill(log, P0, 6)
    fill(log, P1, 6)
    source = joined(log)
    seen: dict[Partition, list[int]] = {P0: [], P1: []}
    for _ in range(2):
        polled = source.poll(0, 3)
        assert len(offsets(polled)) == 3
        for partition, records in polled.items():
            seen[partition] += [record.offset for record in records]
    assert seen == {P0: [0, 1, 2], P1: [0, 1, 2]}


def test_control_records_use_up_offsets_and_an_idle_poll_passes_over_them(log):
    fill(log, P0, 1)
    log.mark(P0, 2)
    fill(log, P0, 1)
    log.mark(P0)
    source = joined(log, assigned=[0])
    assert offsets(source.poll(0, 10)) == [0, 3]
    assert source.position(P0) == 4
    assert source.poll(0, 10) == {}
    assert source.position(P0) == 5 == source.bounds(P0, 1).end


def test_nothing_beyond_the_last_stable_offset_is_returned(log):
    fill(log, P0, 4)
    log.hold(P0, 2)
    source = joined(log, assigned=[0])
    assert source.bounds(P0, 1) == Bounds(begin=0, stable=2, end=4)
    assert offsets(source.poll(0, 10)) == [0, 1]
    assert offsets(source.poll(0, 10)) == []
    log.hold(P0, None)
    assert offsets(source.poll(0, 10)) == [2, 3]


def test_a_compacted_log_has_gaps(log):
    fill(log, P0, 5)
    log.compact(P0, {1, 3, 4})
    source = joined(log, assigned=[0])
    assert offsets(source.poll(0, 10)) == [0, 2]
    assert source.bounds(P0, 1) == Bounds(0, 5, 5)


def test_retention_moves_the_beginning_and_an_older_position_is_refused(log):
    fill(log, P0, 5)
    log.trim(P0, 3)
    source = joined(log, assigned=[0])
    assert source.bounds(P0, 1) == Bounds(3, 5, 5)
    with pytest.raises(TransportError, match="position 0 is outside the log, which holds 3 to 5"):
        source.poll(0, 10)
    source.seek(P0, 3)
    assert offsets(source.poll(0, 10)) == [3, 4]


def test_a_recreated_topic_has_lost_its_records_and_the_groups_positions(log):
    fill(log, P0, 3)
    source = joined(log)
    source.commit({P0: Commit(2, "meta")})
    assert source.committed(P0, 1) == Commit(2, "meta")
    log.recreate("in", 1)
    assert source.committed(P0, 1) is None
    assert log.partitions("in") == [P0]
    assert log.bounds(P0) == Bounds(0, 0, 0)


def test_committed_positions_keep_their_metadata_and_belong_to_one_group(log):
    one, other = joined(log, group="one"), joined(log, group="other")
    one.commit({P0: Commit(7, "lineage 3")})
    assert one.committed(P0, 1) == Commit(7, "lineage 3")
    assert one.committed(P1, 1) is None
    assert other.committed(P0, 1) is None


def test_revoked_and_lost_partitions_stop_flowing_and_are_told_apart(log):
    fill(log, P0, 5)
    fill(log, P1, 5)
    source = joined(log)
    source.revoke([0])
    source.lose([1])
    assert source.poll(0, 10) == {}
    changes = source.changes()
    assert (changes.assigned, changes.revoked, changes.lost) == ((), (P0,), (P1,))
    with pytest.raises(TransportError, match="in-0 is not assigned"):
        source.seek(P0, 0)


def test_a_partition_that_comes_back_is_paused_and_has_no_position(log):
    fill(log, P0, 5)
    source = joined(log, assigned=[0])
    source.revoke([0])
    source.assign([0])
    assert source.poll(0, 10) == {}
    changes = source.changes()
    assert (changes.revoked, changes.assigned) == ((P0,), (P0,))
    with pytest.raises(TransportError, match="no position"):
        source.position(P0)


def test_a_member_that_was_given_up_cannot_commit_until_it_has_polled_again(log):
    source = joined(log, assigned=[0])
    source.lose([])
    with pytest.raises(Fenced):
        source.membership()
    with pytest.raises(Fenced):
        source.commit({P0: Commit(1)})
    source.poll(0, 1)
    source.commit({P0: Commit(1)})


def test_a_second_source_in_the_same_slot_fences_the_first_which_still_polls(log):
    fill(log, P0, 2)
    zombie = joined(log, assigned=[0])
    heir = joined(log, assigned=[0])
    assert offsets(zombie.poll(0, 1)) == [0]
    zombie.membership()
    with pytest.raises(Fenced, match="slot slot of group group was taken over"):
        zombie.commit({P0: Commit(1)})
    heir.commit({P0: Commit(1)})


def test_an_outage_makes_polls_empty_and_every_question_fail_until_it_ends(log):
    fill(log, P0, 2)
    source = joined(log, assigned=[0])
    log.away = True
    assert source.poll(0, 10) == {}
    for ask in (
        lambda: source.committed(P0, 1),
        lambda: source.bounds(P0, 1),
        lambda: source.commit({P0: Commit(1)}),
    ):
        with pytest.raises(TransportError, match="does not answer"):
            ask()
    log.away = False
    assert offsets(source.poll(0, 10)) == [0, 1]


def test_a_finished_log_ends_the_source_once_everything_was_handed_out(log):
    fill(log, P0, 2)
    log.mark(P0)
    source = MemorySource(log, "in", assigned=[0])
    log.finish()
    assert not source.exhausted
    source.poll(0, 1)
    assert not source.exhausted
    source.changes()
    source.seek(P0, 0)
    source.resume([P0])
    assert not source.exhausted
    assert offsets(source.poll(60, 10)) == [0, 1]
    assert not source.exhausted
    source.poll(60, 10)  # returns at once, over the control record
    assert source.exhausted


def test_a_poll_waits_no_longer_than_told_and_wakes_for_a_new_record(log):
    source = joined(log, assigned=[0])
    start = time.monotonic()
    assert source.poll(0.05, 1) == {}
    assert 0.04 < time.monotonic() - start < 5
    timer = threading.Timer(0.05, log.append, (P0, b"x"))
    timer.start()
    assert offsets(source.poll(30, 1)) == [0]
    timer.join()
    assert time.monotonic() - start < 10


def test_unknown_topics_and_partitions_are_named(log):
    with pytest.raises(TransportError, match="topic nowhere does not exist"):
        MemorySource(log, "nowhere")
    with pytest.raises(TransportError, match="partition in-9 does not exist"):
        log.append(Partition("in", 9), b"x")
