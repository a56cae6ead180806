"""Topics that flow together: in order, every record once, whatever crashes, over a broker in memory."""

import itertools
import random
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from streamrnn.errors import Fenced, RecoveryError, TransportError
from streamrnn.service import delivery
from streamrnn.service import merging as module
from streamrnn.service.courses import Courses
from streamrnn.service.merging import Merge
from streamrnn.service.signals import Stopping
from streamrnn.service.watchdog import Pulse
from streamrnn.sinks.memory import MemorySink
from streamrnn.sources.memory import MemoryLog, MemorySource
from streamrnn.types import Partition, Record

from .world import Calls, Crash

GROUP = "group.merge"
EVENTS, LABELS, ALL = "events", "labels", "all"


class Tributaries(MemorySource):
    """A member that holds a number of both topics or of none."""

    def _named(self, numbers: Iterable[int]) -> tuple[Partition, ...]:
        return tuple(Partition(topic, number) for number in numbers for topic in (EVENTS, LABELS))

    def stable_ends(self, partitions: Iterable[Partition], seconds: float) -> Mapping[Partition, int]:
        return {partition: self.bounds(partition, seconds).stable for partition in partitions}


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

    def worker(self, slot: str = "slot", calls: Calls | None = None, **more: Any) -> Merge:
        """A copier that leaves once the log is finished and copied."""
        calls = calls or Calls()
        source = Tributaries(self.log, EVENTS, GROUP, slot, more.pop("assigned", None))
        sink = MemorySink(self.log, ALL, ALL, f"{GROUP}-{slot}")
        sink._topics["copy"] = self.log.partitions(ALL)
        return Merge(
            calls.around(source, "poll membership changes committed bounds stable_ends seek pause resume"),
            calls.around(sink, "publish recover"),
            Courses((EVENTS, LABELS), ALL),
            self.partitions,
            pulse=Pulse(),
            stopping=Stopping(),
            **({"limit": 4} | more),
        )

    def copied(self, number: int = 0) -> list[str]:
        return [(item.record.value or b"").decode() for item in self.log.read(Partition(ALL, number))]

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


def _crashed(at: int, after: bool, limit: int = 4) -> Rivers | None:
    rivers = _rivers()
    try:
        rivers.worker(calls=Calls(at, after), limit=limit).run()
    except Crash:
        return rivers
    return None


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_call_changes_nothing(after: bool) -> None:
    for at in itertools.count():
        rivers = _crashed(at, after)
        if rivers is None:
            break
        rivers.worker().run()
        rivers.assert_copied_in_order()
    assert at > 60
