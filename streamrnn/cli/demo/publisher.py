"""Publishes the stream at a steady pace, from a thread of its own."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from streamrnn.cli.demo.pedestrians import Event
from streamrnn.errors import TransportError

TURN_SECONDS = 0.05
CLOSE_SECONDS = 5.0


class Publisher:
    """Sends `events` to their partitions of `topic`, `rate` a second; counts what is `published`."""

    def __init__(self, bootstrap_servers: str, topic: str, events: Sequence[Event], rate: float) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._events = events
        self._rate = rate
        self._sent: deque[Any] = deque()
        self._stopped = threading.Event()
        self._failure: KafkaError | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self.published = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What was sent is acknowledged or given up when it returns."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(2 * CLOSE_SECONDS)

    @property
    def done(self) -> bool:
        """Everything is in the topic. Raises TransportError if the broker refused something."""
        if self._failure is not None:
            raise TransportError(f"topic {self._topic} does not take the events: {self._failure}")
        return self.published == len(self._events)

    def _run(self) -> None:
        try:
            # idempotent: a retry neither doubles an event nor changes their order
            producer = KafkaProducer(
                bootstrap_servers=self._bootstrap_servers, acks="all", enable_idempotence=True, linger_ms=5
            )
            try:
                self._publish(producer)
            finally:
                producer.close(timeout=CLOSE_SECONDS)
        except KafkaError as error:
            self._failure = error

    def _publish(self, producer: KafkaProducer) -> None:
        start = time.monotonic()
        sent = 0
        while self.published < len(self._events) and not self._stopped.wait(TURN_SECONDS):
            due = min(len(self._events), int((time.monotonic() - start) * self._rate))
            for event in self._events[sent:due]:
                self._sent.append(
                    producer.send(self._topic, event.value, event.key, partition=event.partition)
                )
            sent = due
            self._collect()
        producer.flush(CLOSE_SECONDS)
        self._collect()

    def _collect(self) -> None:
        while self._sent and self._sent[0].is_done:
            self._sent.popleft().get(timeout=0)
            self.published += 1
