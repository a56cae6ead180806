"""Reads the predictions topic as it grows: committed records only, in no consumer group."""

from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streamrnn.cli.demo.pedestrians import PARTITIONS
from streamrnn.errors import TransportError

FETCH_RECORDS = 2000


class Watcher:
    """Every committed record of a topic, from its beginning."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
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

    def poll(self, seconds: float) -> list[tuple[int, bytes | None, bytes]]:
        """(partition, key, value) of what was committed since; empty if nothing came within `seconds`."""
        try:
            fetched = self._consumer.poll(timeout_ms=seconds * 1000)
        except KafkaError as error:
            raise TransportError(f"the predictions cannot be read: {error}") from error
        return [(p.partition, r.key, r.value) for p, records in fetched.items() for r in records]

    def up_to_now(self) -> Iterator[tuple[int, bytes | None, bytes]]:
        """Everything that is committed at this moment."""
        ends = self._consumer.end_offsets(self._places)
        while any(self._consumer.position(place) < end for place, end in ends.items()):
            yield from self.poll(1.0)

    def close(self) -> None:
        self._consumer.close()
