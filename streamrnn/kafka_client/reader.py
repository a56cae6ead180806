"""Reading a few records outside any group."""

import time

from kafka import KafkaConsumer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import TopicPartition

from streamrnn.errors import TransportError
from streamrnn.kafka_client import cures
from streamrnn.kafka_client.calls import SLICE_SECONDS, ticking
from streamrnn.kafka_client.errors import said
from streamrnn.kafka_client.types import Options, Tick


def newest_headers(
    options: Options, partition: TopicPartition, count: int, seconds: float, tick: Tick
) -> list[dict[str, bytes]]:
    """Of the committed records among the last `count` offsets of a partition, read outside any group."""

    def read() -> list[dict[str, bytes]]:
        deadline = time.monotonic() + seconds
        consumer = KafkaConsumer(
            **cures.settings(options),
            isolation_level="read_committed",
            bootstrap_timeout_ms=int(seconds * 1000),
        )
        try:
            consumer.assign([partition])
            begin = consumer.beginning_offsets([partition], timeout_ms=seconds * 1000)[partition]
            end = consumer.end_offsets([partition], timeout_ms=seconds * 1000)[partition]
            consumer.seek(partition, max(begin, end - count))
            found: list[dict[str, bytes]] = []
            while consumer.position(partition, timeout_ms=0) < end:
                if time.monotonic() > deadline:
                    raise KafkaTimeoutError(f"not read up to offset {end} within {seconds:.0f} s")
                records = consumer.poll(timeout_ms=SLICE_SECONDS * 1000).get(partition, ())
                found += (dict(record.headers) for record in records)
            return found
        finally:
            consumer.close()

    try:
        return ticking(read, tick)
    except KafkaError as error:
        place = f"{partition.topic}-{partition.partition}"
        raise TransportError(f"{place} cannot be read: {said(error)}") from error
