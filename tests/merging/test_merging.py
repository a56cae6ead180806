"""Topics that flow together: in order, every record once, whatever crashes, over a broker in memory."""

import contextlib
import itertools
import random
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import pytest

from streamrnn.errors import Fenced, RecoveryError, TransportError
from streamrnn.merging import loop as module
from streamrnn.merging.loop import Copier
from streamrnn.merging.origins import MergedBatch, Origins
from streamrnn.sinks.memory import MemorySink
from streamrnn.sources.base import Changes
from streamrnn.sources.memory import MemoryLog, MemorySource
from streamrnn.types import Commit, Partition, Record
from streamrnn.worker import delivery
from streamrnn.worker.signals import Stopping
from streamrnn.worker.watchdog import Pulse
from tests.service.world import Calls, Crash

GROUP = "group.merge"
EVENTS, LABELS, ALL = "events", "labels", "all"


class BothTopics(MemorySource):
    """A member that holds a number of both topics or of none."""

    def _named(self, numbers: Iterable[int]) -> tuple[Partition, ...]:
        return tuple(Partition(topic, number) for number in numbers for topic in (EVENTS, LABELS))

    def stable_ends(self, partitions: Iterable[Partition], seconds: float) -> Mapping[Partition, int]:
        return {partition: self.bounds(partition, seconds).stable for partition in partitions}

    def rejoin(self) -> None:
        raise AssertionError("this group tears no number")


class Rivers:
    def __init__(self, partitions: int = 1) -> None:
        self.log = MemoryLog(dict.fromkeys((EVENTS, LABELS, ALL), partitions))
        self.partitions = partitions

    def append(self, topic: str, timestamps: Iterable[int], number: int = 0) -> None:
        """Every few records a control record, as transactions leave them."""
        at = Partition(topic, number)
        for timestamp in timestamps:
            self.log.append(at, f"{topic}@{timestamp}".encode(), b"key", timestamp)
            if timestamp % 3 == 2:
                self.log.mark(at)

    def worker(self, slot: str = "slot", calls: Calls | None = None, **more: Any) -> Copier:
        """A copier that leaves once the log is finished and copied."""
        calls = calls or Calls()
        source = BothTopics(self.log, EVENTS, GROUP, slot, more.pop("assigned", None))
        sink = MemorySink(self.log, ALL, ALL, f"{GROUP}-{slot}")
        sink._topics["copy"] = self.log.partitions(ALL)
        return Copier(
            calls.around(source, "poll membership changes committed bounds stable_ends seek pause resume"),
            calls.around(sink, "publish recover"),
            Origins((EVENTS, LABELS), ALL),
            self.partitions,
            pulse=Pulse(),
            stopping=Stopping(),
            last_copy=self.last_copy,
            **({"limit": 4} | more),
        )

    def last_copy(self, partition: Partition) -> int | None:
        copies = [dict(item.headers) for item in self.log.read(Partition(ALL, partition.number))]
        found = [copy for copy in copies if copy["origin_topic"] == partition.topic.encode()]
        return int(found[-1]["origin_offset"]) if found else None

    def copied(self) -> list[str]:
        return [(item.record.value or b"").decode() for item in self.log.read(Partition(ALL, 0))]

    def assert_copied_in_order(self) -> None:
        """By time, events first; where from stands in the headers; the group is at the end."""
        for number in range(self.partitions):
            wanted: list[tuple[int, int, Record, Partition]] = []
            for rank, topic in enumerate((EVENTS, LABELS)):
                at = Partition(topic, number)
                wanted += [(item.record.timestamp, rank, item.record, at) for item in self.log.read(at)]
                commit = self.log.committed(GROUP, at)
                assert commit is not None
                assert commit.metadata == "1"
                assert max((item.record.offset + 1 for item in self.log.read(at)), default=0) <= commit.offset
            wanted.sort(key=lambda item: item[:2])
            found = self.log.read(Partition(ALL, number))
            assert [(item.record.key, item.record.value) for item in found] == [
                (record.key, record.value) for _, _, record, _ in wanted
            ]
            for item, (_, _, record, at) in zip(found, wanted, strict=True):
                assert dict(item.headers) == {
                    "origin_topic": at.topic.encode(),
                    "origin_partition": str(number).encode(),
                    "origin_offset": str(record.offset).encode(),
                    "origin_timestamp": str(record.timestamp).encode(),
                }


def _rivers() -> Rivers:
    rivers = Rivers(partitions=2)
    for number in range(2):
        rivers.append(EVENTS, range(number, 30, 2), number)
        rivers.append(LABELS, range(5, 31, 2 + number), number)
    rivers.log.finish()
    return rivers


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(module, "RESTATE_SECONDS", 0.0)


@pytest.mark.parametrize("limit", [1, 4, 500])
def test_records_flow_together_oldest_first(limit: int) -> None:
    rivers = _rivers()
    rivers.worker(limit=limit).run()
    rivers.assert_copied_in_order()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_call_changes_nothing(after: bool) -> None:
    for at in itertools.count():
        rivers = _rivers()
        try:
            rivers.worker(calls=Calls(at, after)).run()
        except Crash:
            rivers.worker().run()
            rivers.assert_copied_in_order()
        else:
            break
    assert at > 60, "it makes many calls"


def test_crashes_upon_crashes_change_nothing() -> None:
    chance = random.Random(7)
    for _ in range(100):
        rivers = _rivers()
        for _ in range(chance.randrange(1, 6)):
            calls = Calls(chance.randrange(60), chance.random() < 0.5)
            with contextlib.suppress(Crash):
                rivers.worker(calls=calls, limit=chance.randrange(1, 9)).run()
        rivers.worker().run()
        rivers.assert_copied_in_order()


@pytest.mark.parametrize("happened", ["never", "at_once", "late"])
def test_an_answer_that_was_lost_is_found_in_the_committed_position(happened: str) -> None:
    for at in range(1, 20):
        rivers = _rivers()
        copier = rivers.worker()
        _before_publish(copier, at, partial(copier.sink.fail, happened))  # type: ignore[attr-defined]
        copier.run()
        rivers.assert_copied_in_order()


def _before_publish(copier: Copier, at: int, act: Callable[[], None]) -> None:
    """Something happens just before the publish number `at`, counted from 1."""
    publish, numbers = copier.sink.publish, itertools.count(1)

    def wrapped(*args: Any) -> None:
        if next(numbers) == at:
            act()
        publish(*args)

    copier.sink.publish = wrapped  # type: ignore[method-assign]


@pytest.mark.parametrize("move", ["revoke", "lose"])
def test_numbers_that_move_are_gone_on_with_by_another_worker(move: str) -> None:
    for at in range(1, 9):
        rivers = _rivers()
        first = rivers.worker(slot="a")

        def leave(worker: Copier = first) -> None:
            getattr(worker.source, move)([1])

        _before_publish(first, at, leave)
        first.run()
        rivers.worker(slot="b", assigned=[1]).run()
        rivers.assert_copied_in_order()


def test_a_position_that_somebody_else_moved_is_gone_on_from() -> None:
    for at in range(1, 6):
        rivers = Rivers()
        rivers.append(EVENTS, range(0, 30, 2))
        rivers.append(LABELS, range(1, 31, 2))
        rivers.log.finish()
        copier, other = rivers.worker(slot="a"), rivers.worker(slot="b")

        def move(copier: Copier = copier, other: Copier = other) -> None:
            other._limit = 3
            _before_publish(other, 3, other._stopping.ask)
            other.run()
            copier.sink.fail("never")  # type: ignore[attr-defined]

        _before_publish(copier, at, move)
        copier.run()
        rivers.assert_copied_in_order()


def test_a_number_of_which_a_part_was_moved_is_sent_again_whole_or_not_at_all() -> None:
    batch, parts = (
        MergedBatch(),
        [Partition(topic, number) for number in (0, 1) for topic in (EVENTS, LABELS)],
    )
    for part in parts:
        batch.add(part, None, Commit(1))
        batch.outputs[Partition(ALL, part.number)] = []
    again = batch.only(set(parts) - {Partition(LABELS, 0)})
    assert set(again.ends) == set(again.starts) == {Partition(EVENTS, 1), Partition(LABELS, 1)}
    assert set(again.outputs) == {Partition(ALL, 1)}


def test_nothing_of_a_worker_that_was_replaced_is_visible() -> None:
    """Another copies everything just before this one publishes; this one goes on from the position."""
    rivers = _rivers()
    zombie, successor = rivers.worker(slot="a"), rivers.worker(slot="b")

    def replace() -> None:
        successor.run()
        zombie.source.lose([0, 1])  # type: ignore[attr-defined]
        zombie.source.assign([0, 1])  # type: ignore[attr-defined]

    _before_publish(zombie, 2, replace)
    zombie.run()
    rivers.assert_copied_in_order()


def test_a_label_waits_for_an_event_that_was_there_before_it() -> None:
    """Polls bring the label first, again and again; the event's log says that it is not at its end."""
    rivers = Rivers()
    rivers.append(EVENTS, [1])
    copier = rivers.worker()
    ends = copier.source.stable_ends

    def away_once(*args: Any) -> Any:
        copier.source.stable_ends = ends  # type: ignore[method-assign]
        raise TransportError("the broker does not answer")

    read, late = copier.source._read, itertools.count(1)  # type: ignore[attr-defined]

    def labels_first(partition: Partition, limit: int) -> list[Record]:
        if partition.topic == EVENTS and rivers.copied():
            turn = next(late)
            if turn == 1:
                rivers.append(EVENTS, [3])
                rivers.append(LABELS, [4])
                rivers.log.finish()
                copier.source.stable_ends = away_once  # type: ignore[method-assign]
            if turn < 5:
                return []
        return list(read(partition, limit))

    copier.source._read = labels_first  # type: ignore[attr-defined]
    copier.run()
    assert rivers.copied() == ["events@1", "events@3", "labels@4"]


def test_nothing_is_taken_from_a_number_that_is_here_in_part() -> None:
    origins = Origins((EVENTS, LABELS), ALL)
    event, label = Partition(EVENTS, 0), Partition(LABELS, 0)
    origins.follow(Changes(assigned=(event,)))
    for origin in origins:
        origin.flows = True
    origins.receive({event: [Record(0, b"k", b"v", 1)]})
    assert not origins.take(10)
    assert not origins.idle
    origins.follow(Changes(assigned=(label,)))
    assert not origins.take(10)


def test_a_worker_that_holds_part_of_a_number_joins_the_group_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REJOIN_SECONDS", 0.0)
    rivers = _rivers()
    copier, label = rivers.worker(assigned=[0]), Partition(LABELS, 1)
    source: Any = copier.source
    source._move(Changes(assigned=(label,)))
    monkeypatch.setattr(source, "rejoin", lambda: source._move(Changes(assigned=(Partition(EVENTS, 1),))))
    copier.run()
    rivers.assert_copied_in_order()


def test_no_more_is_read_of_a_partition_than_a_batch_holds_while_another_is_behind() -> None:
    rivers = Rivers()
    rivers.append(EVENTS, range(200))
    rivers.append(LABELS, range(1000, 1200))
    rivers.log.finish()
    copier = rivers.worker(limit=10)
    most = 0
    publish = copier.sink.publish

    def wrapped(*args: Any) -> None:
        nonlocal most
        most = max(most, *(len(origin.waiting) for origin in copier._origins))
        publish(*args)

    copier.sink.publish = wrapped  # type: ignore[method-assign]
    copier.run()
    rivers.assert_copied_in_order()
    assert most < 20


# --- where it begins ----------------------------------------------------------------------------------


def test_what_retention_took_before_the_first_start_is_told(caplog: pytest.LogCaptureFixture) -> None:
    rivers = _rivers()
    rivers.log.trim(Partition(EVENTS, 0), 6)
    with caplog.at_level("INFO"):
        rivers.worker().run()
    assert "events-0 begins at its first record, 6; retention has removed what was before" in caplog.messages
    assert "labels-0 begins at its first record, 0" in caplog.messages
    rivers.assert_copied_in_order()


def _half_copied() -> Rivers:
    rivers = _rivers()
    with pytest.raises(Crash):
        rivers.worker(calls=Calls(crash_at=40)).run()
    assert rivers.copied()
    return rivers


def _trim(rivers: Rivers) -> None:
    rivers.log.trim(Partition(LABELS, 0), 15)


def _make_anew(rivers: Rivers) -> None:
    commits = rivers.log._commits.copy()
    rivers.log.recreate(LABELS, 2)
    rivers.log._commits = commits


def _forget(rivers: Rivers) -> None:
    rivers.log._commits.clear()


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (_trim, "labels-0: the log begins at 15, after the position"),
        (_make_anew, "the topic was made anew: its id is 2, but the committed position is one in 1"),
        (_forget, "its records were copied up to offset"),
    ],
)
def test_what_would_be_lost_or_copied_twice_stops_it_until_it_is_accepted(
    happens: Callable[[Rivers], None], said: str
) -> None:
    rivers = _half_copied()
    before = rivers.copied()
    happens(rivers)
    with pytest.raises(RecoveryError, match=f"{said}.*--accept-inexact"):
        rivers.worker().run()
    assert rivers.copied() == before
    rivers.worker(accept_inexact=True).run()
    assert len(rivers.copied()) > len(before)
    rivers.worker().run()


def test_a_topic_that_grows_stops_it() -> None:
    rivers = Rivers(partitions=1)
    rivers.log.create(EVENTS, 2)
    rivers.log.create(LABELS, 2)
    with pytest.raises(RecoveryError, match="events-1: every topic had 1 partitions at the start"):
        rivers.worker(assigned=[0, 1]).run()


def test_a_slot_that_another_process_took_ends_it() -> None:
    rivers = _rivers()
    copier = rivers.worker()
    _before_publish(copier, 2, lambda: rivers.log.take_over(f"{GROUP}-slot") and None)
    with pytest.raises(Fenced):
        copier.run()
