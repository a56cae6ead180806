"""The demo's topics: made, measured and emptied."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from streamrnn.broker import create_topics
from streamrnn.cli.demo.pedestrians import PARTITIONS, Event
from streamrnn.errors import ConfigError, TransportError

INPUT = "pedestrians"
PREDICTIONS = "pedestrians.predictions"
DEAD_LETTERS = "pedestrians.dead"
GROUP = "melbourne"
ALL = (INPUT, PREDICTIONS, DEAD_LETTERS)

READ_SECONDS = 10.0


class Extent(NamedTuple):
    """What each partition of a topic holds: offsets of its first record, and one past its last."""

    begin: Mapping[int, int]
    end: Mapping[int, int]

    @property
    def records(self) -> dict[int, int]:
        return {partition: self.end[partition] - self.begin[partition] for partition in self.begin}


def create(bootstrap_servers: str) -> None:
    """Makes the topics that do not exist yet; nothing in them ever expires."""
    options = {"bootstrap_servers": bootstrap_servers}
    create_topics(options, dict.fromkeys(ALL, PARTITIONS), {"retention.ms": "-1"})


def extent(bootstrap_servers: str, topic: str) -> Extent:
    with _consumer(bootstrap_servers) as consumer:
        return _extent(consumer, topic)


def check_ours(bootstrap_servers: str, events: Sequence[Event]) -> None:
    """Raises ConfigError unless the input holds the beginning of the demo's stream, and nothing else."""
    with _consumer(bootstrap_servers) as consumer:
        held = _extent(consumer, INPUT)
        for partition, count in held.records.items():
            ours = [event.value for event in events if event.partition == partition]
            if count > len(ours) or (count and _last(consumer, partition, held) != ours[count - 1]):
                raise ConfigError(
                    f"topic {INPUT} at {bootstrap_servers} holds records that are not the demo's "
                    f"(partition {partition}, offset {held.end[partition] - 1}); delete the topic, "
                    "or let the demo start a Kafka of its own"
                )


def empty(bootstrap_servers: str) -> None:
    """Deletes every record of the demo's topics; offsets go on from where they were."""
    try:
        with (
            _consumer(bootstrap_servers) as consumer,
            contextlib.closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin,
        ):
            ends = {
                TopicPartition(topic, partition): end
                for topic in ALL
                for partition, end in _extent(consumer, topic).end.items()
            }
            admin.delete_records({place: end for place, end in ends.items() if end > 0})
    except KafkaError as error:
        raise TransportError(f"the demo's topics could not be emptied: {error}") from error


def _last(consumer: KafkaConsumer, partition: int, held: Extent) -> bytes | None:
    place = TopicPartition(INPUT, partition)
    consumer.assign([place])
    consumer.seek(place, held.end[partition] - 1)
    records = consumer.poll(timeout_ms=READ_SECONDS * 1000, max_records=1).get(place, [])
    return records[0].value if records else None


def _extent(consumer: KafkaConsumer, topic: str) -> Extent:
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    begin, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
    return Extent({p.partition: begin[p] for p in places}, {p.partition: end[p] for p in places})


@contextlib.contextmanager
def _consumer(bootstrap_servers: str) -> Iterator[KafkaConsumer]:
    try:
        with contextlib.closing(
            KafkaConsumer(
                bootstrap_servers=bootstrap_servers, enable_auto_commit=False, auto_offset_reset="none"
            )
        ) as consumer:
            yield consumer
    except KafkaError as error:
        raise TransportError(f"Kafka at {bootstrap_servers} does not answer: {error}") from error
