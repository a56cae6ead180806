"""Predictions, dead letters and copies on Kafka topics, and records from elsewhere."""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka.partitioner.default import murmur2
from kafka.structs import ConsumerGroupMetadata

from streamrnn.errors import DeliveryUncertain
from streamrnn.kafka_client import (
    LARGEST,
    START_SECONDS,
    Options,
    Producer,
    Tick,
    native_offsets,
    require_topics,
)
from streamrnn.types import Commit, Kind, Output, Partition


class KafkaSink:
    """Writes each kind of output to its topic.

    Transactional: outputs and input offsets become visible together or not at all. Otherwise: outputs are
    durable when `publish` returns, and may be there twice after a failure.
    """

    def __init__(
        self,
        options: Options,
        *,
        topics: Mapping[Kind, str],
        transactional_id: str,
        transactional: bool = True,
        largest: int = LARGEST,
        tick: Tick,
    ) -> None:
        """Takes over `transactional_id`. Raises TransportError when a topic does not exist.

        `largest`: bytes of a record beyond which the broker is not even asked.
        """
        self._options = options
        self._topics = dict(topics)
        self._largest = largest
        self._transactional_id = transactional_id if transactional else None
        self._tick = tick
        self._producer: Producer | None = None
        require_topics(options, self._topics.values(), seconds=START_SECONDS, tick=tick)
        self.recover()

    @property
    def transactional(self) -> bool:
        return self._transactional_id is not None

    def publish(
        self,
        outputs: Mapping[Partition, Sequence[Output]],
        commits: Mapping[Partition, Commit],
        membership: object | None,
    ) -> None:
        if self._producer is None:
            raise DeliveryUncertain("an earlier delivery failed; recover comes first")
        producer = self._producer
        if membership is not None and not isinstance(membership, ConsumerGroupMetadata):
            raise TypeError(f"membership of another kind of source: {membership!r}")
        try:
            producer.publish(lambda: self._send(producer, outputs), native_offsets(commits), membership)
        except BaseException:
            # Its state is unknown now, and an interrupt is no better than an error.
            self._producer = None
            producer.abandon()
            raise

    def _send(self, producer: Producer, outputs: Mapping[Partition, Sequence[Output]]) -> list[Any]:
        futures = []
        for partition, answers in outputs.items():
            places = {
                kind: (topic, partition.number % self._counts[topic]) for kind, topic in self._topics.items()
            }
            for output in answers:
                topic, number = places[output.kind]
                # The client refuses a record without both; a dead letter of a null value may be one.
                value = b"" if output.value is None and output.key is None else output.value
                futures.append(producer.send(topic, number, output.key, value, output.headers))
        return futures

    def recover(self) -> None:
        if self._producer is not None:
            self._producer.abandon()
            self._producer = None
        self._counts = require_topics(self._options, self._topics.values(), seconds=0, tick=self._tick)
        self._producer = Producer(
            self._options,
            transactional_id=self._transactional_id,
            largest=self._largest,
            tick=self._tick,
        )

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close()
            self._producer = None


# --- records from elsewhere -------------------------------------------------------------------------

_AT_ONCE = 10_000
_PROGRESS_SECONDS = 0.5
_SHORTEST_SLEEP = 0.005


def produce(
    options: Options,
    topic: str,
    records: Iterable[tuple[bytes | None, bytes]],
    *,
    rate: float | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Publishes (key, value) pairs in order, at most `rate` a second; returns how many once all are durable.

    Records of one key go to one partition, the one that any Kafka client would choose (murmur2). `progress`
    is told how many are durable, about twice a second. Raises TransportError.
    """
    partitions = require_topics(options, [topic], seconds=START_SECONDS, tick=lambda: None)[topic]
    place = _Partitioner(partitions)
    pacer = _Pacer(rate)
    remaining = iter(records)
    durable = 0
    producer = Producer(options, transactional_id=None, tick=lambda: progress(durable))

    def send_some() -> list[Any]:
        futures: list[Any] = []
        until = time.monotonic() + _PROGRESS_SECONDS
        for key, value in itertools.islice(remaining, _AT_ONCE):
            pacer.wait(durable + len(futures))
            futures.append(producer.send(topic, place(key), key, value, []))
            if time.monotonic() > until:
                break
        sent.append(len(futures))
        return futures

    sent: list[int] = []
    while not sent or sent[-1]:
        producer.publish(send_some, {}, None)
        durable += sent[-1]
        progress(durable)
    producer.close()
    return durable


class _Partitioner:
    """Kafka's own choice for a key, remembered; records without a key take turns."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._of_key: dict[bytes, int] = {}
        self._turn = 0

    def __call__(self, key: bytes | None) -> int:
        if key is None:
            self._turn = (self._turn + 1) % self._partitions
            return self._turn
        if key not in self._of_key:
            self._of_key[key] = (murmur2(key) & 0x7FFFFFFF) % self._partitions
        return self._of_key[key]


class _Pacer:
    """Keeps a count below rate × seconds since the start."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._start = time.monotonic()

    def wait(self, count: int) -> None:
        if self._rate is not None:
            ahead = self._start + count / self._rate - time.monotonic()
            if ahead > _SHORTEST_SLEEP:
                time.sleep(ahead)
