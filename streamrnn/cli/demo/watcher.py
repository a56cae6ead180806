"""Reads a whole topic as it grows: committed records only, in no consumer group."""

from collections.abc import Iterator, Mapping

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streamrnn.cli.demo.pedestrians import PARTITIONS
from streamrnn.errors import TransportError
from streamrnn.types import Record

FETCH_RECORDS = 2000

Fetched = Mapping[int, list[Record]]
"""By partition, oldest first."""


class Watcher:
    """Every committed record of a topic, from its beginning."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._topic = topic
        self._places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        try:
            self._consumer = KafkaConsumer(
                bootstrap_servers=bootstrap_servers,
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="none",
                max_poll_records=FETCH_RECORDS,
            )
            self._consumer.assign(self._places)
            for place, offset in self._consumer.beginning_offsets(self._places).items():
                self._consumer.seek(place, offset)
        except KafkaError as error:
            raise TransportError(f"Kafka at {bootstrap_servers} does not answer: {error}") from error

    def poll(self, seconds: float) -> Fetched:
        """What was committed since; empty if nothing came within `seconds`."""
        try:
            fetched = self._consumer.poll(timeout_ms=seconds * 1000)
        except KafkaError as error:
            raise TransportError(f"topic {self._topic} cannot be read: {error}") from error
        return {
            place.partition: [Record(r.offset, r.key, r.value, r.timestamp) for r in records]
            for place, records in fetched.items()
        }

    def up_to_now(self) -> Iterator[Fetched]:
        """Everything that is committed at this moment."""
        ends = self._consumer.end_offsets(self._places)
        while any(self._consumer.position(place) < end for place, end in ends.items()):
            yield self.poll(1.0)

    def close(self) -> None:
        self._consumer.close()
