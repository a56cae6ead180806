"""What the Kafka tests share: filling a topic, reading one back, a worker that only copies."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from streamrnn.broker import Broker
from streamrnn.errors import DeliveryUncertain, Fenced, TransportError
from streamrnn.kafka_client import Options
from streamrnn.sinks.kafka import KafkaSink, produce
from streamrnn.sources.kafka import KafkaSource
from streamrnn.types import Commit, Output, Partition, Record

SESSION_SECONDS = 2.0


def options_of(broker: Broker) -> dict[str, Any]:
    return {"bootstrap_servers": broker.bootstrap_servers}


def fill(broker: Broker, topic: str, count: int, start: int = 0) -> None:
    """Records whose value is their number, spread over the partitions in turn."""
    produce(options_of(broker), topic, ((None, str(i).encode()) for i in range(start, start + count)))


def read_all(broker: Broker, topic: str) -> list[tuple[int, Any]]:
    """(partition, record) of everything that is committed, in order of partition and offset."""
    with _reader(broker) as consumer:
        partitions = [
            TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))
        ]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions, timeout_ms=10_000)
        consumer.seek_to_beginning(*partitions)
        found: list[tuple[int, Any]] = []
        while any(consumer.position(p) < ends[p] for p in partitions):
            for partition, records in consumer.poll(timeout_ms=200).items():
                found += [(partition.partition, record) for record in records]
        return sorted(found, key=lambda pair: (pair[0], pair[1].offset))


def values_of(broker: Broker, topic: str) -> list[bytes]:
    return [record.value for _, record in read_all(broker, topic)]


@contextlib.contextmanager
def _reader(broker: Broker) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(**options_of(broker), isolation_level="read_committed", group_id=None)
    try:
        yield consumer
    finally:
        consumer.close()


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def source_of(options: Options, topic: str, group: str, slot: str = "a", **more: Any) -> KafkaSource:
    settings = {"session_timeout": SESSION_SECONDS, "tick": lambda: None} | more
    return KafkaSource(options, topics=[topic], group=group, slot=slot, **settings)


def sink_of(options: Options, topic: str, transactional_id: str, **more: Any) -> KafkaSink:
    settings = {"tick": lambda: None} | more
    topics = {"prediction": topic, "dead_letter": settings.pop("dead_letters", topic)}
    return KafkaSink(options, topics=topics, transactional_id=transactional_id, **settings)


def joined(source: KafkaSource, count: int, seconds: float = 15.0) -> list[Partition]:
    """Polls until `count` partitions have been assigned and no join is under way."""
    arrived: list[Partition] = []
    deadline = time.monotonic() + seconds
    while len(arrived) < count or source._member.consumer._coordinator.rejoining:
        assert time.monotonic() < deadline, f"only {arrived} within {seconds} s"
        assert not source.poll(0.1, 500)
        arrived += source.changes().assigned
    return arrived


def copies(records: list[Record]) -> list[Output]:
    return [Output("prediction", record.key, record.value, []) for record in records]


class Copier:
    """A worker that publishes every record as it came, exactly once, by the rules that the contracts give.

    It is the smallest loop that is correct: what a learner adds is its own state, dropped and restored.
    """

    def __init__(self, options: Options, topic: str, out: str, group: str, slot: str, **more: Any) -> None:
        self.tick = more.pop("tick", lambda: None)
        self.source = source_of(options, topic, group, slot, tick=self.tick, **more)
        self.sink = sink_of(options, out, f"{group}-{slot}", tick=self.tick)
        self.starts: dict[Partition, int] = {}
        """Where the next batch of each partition begins: what `committed` must say before it is published."""
        self.uncertain = 0

    def step(self) -> None:
        self.tick()
        polled = self.source.poll(0.05, 200)
        self._follow_changes()
        polled = {partition: records for partition, records in polled.items() if partition in self.starts}
        try:
            if polled:
                self._publish(polled)
        except Fenced:
            self.starts.clear()
        except DeliveryUncertain:
            self.uncertain += 1
            self._start_again_from_committed()

    def _follow_changes(self) -> None:
        changes = self.source.changes()
        for partition in (*changes.revoked, *changes.lost):
            self.starts.pop(partition, None)
        for partition in changes.assigned:
            self._start(partition)

    def _start(self, partition: Partition) -> None:
        found = self.source.committed(partition, 15)
        self.starts[partition] = found.offset if found is not None else 0
        self.source.seek(partition, self.starts[partition])
        self.source.resume([partition])

    def _publish(self, polled: dict[Partition, list[Record]]) -> None:
        commits = {partition: Commit(self.source.position(partition)) for partition in polled}
        outputs = {partition: copies(records) for partition, records in polled.items()}
        self.sink.publish(outputs, commits, self.source.membership())
        self.starts |= {partition: commit.offset for partition, commit in commits.items()}

    def _start_again_from_committed(self) -> None:
        while True:
            self.tick()
            try:
                self.sink.recover()
                for partition in list(self.starts):
                    self._start(partition)
                return
            except TransportError:
                time.sleep(0.1)

    def close(self) -> None:
        self.source.close()
        self.sink.close()
