"""Producing, in transactions or without."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import FencedInstanceIdError, KafkaError, KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

from streamrnn.errors import DeliveryUncertain, Fenced, TransportError
from streamrnn.kafka_client import cures
from streamrnn.kafka_client.calls import SLICE_SECONDS, TRANSACTION_SECONDS, ticking
from streamrnn.kafka_client.errors import FENCED, HOPELESS, said
from streamrnn.kafka_client.types import Options, Tick

LARGEST = 1 << 20
"""Bytes of a record beyond which the client refuses it, by its default and the broker's."""
_SHORT = LARGEST >> 1
"""Bytes of a record up to which the client need not be asked."""


class Producer:
    """A producer that is used until its first failure, and then thrown away.

    Whatever fails, `abandon` is all that may be called next.
    """

    def __init__(
        self, options: Options, *, transactional_id: str | None, largest: int = LARGEST, tick: Tick
    ) -> None:
        """Takes over `transactional_id`: what another producer of this id left open is aborted."""
        self._tick = tick
        self._begun: set[TopicPartition] = set()
        """Where a record was sent since `publish` began: what the client knows of the place is up to date."""
        self._transactional = transactional_id is not None
        transactional = {
            "transactional_id": transactional_id,
            "transaction_timeout_ms": int(TRANSACTION_SECONDS * 1000),
        }
        try:
            self._producer = ticking(
                lambda: KafkaProducer(
                    **cures.settings(options),
                    **(transactional if self._transactional else {}),
                    retry_backoff_ms=2,
                    batch_size=1 << 20,
                    max_request_size=largest,
                    delivery_timeout_ms=int(TRANSACTION_SECONDS * 1000),
                    max_block_ms=1000,
                ),
                tick,
            )
        except KafkaError as error:
            raise TransportError(f"no producer can be made: {said(error)}") from error
        if self._transactional:
            self._take_over()

    def _take_over(self) -> None:
        manager = self._producer._transaction_manager
        try:
            self._await(manager.initialize_transactions())
        except KafkaError as error:
            self.abandon()
            raise TransportError(f"the transactional id cannot be taken over: {said(error)}") from error

    def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: list[Any]
    ) -> Any:
        """A future. The broker's clock decides what a record's time may be, so it is always this moment."""
        place = TopicPartition(topic, partition)
        if place not in self._begun or len(key or b"") + len(value or b"") > _SHORT:
            self._begun.add(place)
            return self._producer.send(topic, value, key, headers, partition)
        # Most of what the client does to send one record is asking what it was told for the one before.
        future, full, new, _ = self._producer._accumulator.append(place, None, key, value, headers)
        if full or new:
            self._producer._sender.wakeup()
        return future

    def publish(
        self,
        send: Callable[[], Sequence[Any]],
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        proof: ConsumerGroupMetadata | None,
    ) -> None:
        """Makes what `send` sends durable; if transactional, in one transaction with `offsets`.

        `send` returns the futures. Raises Fenced, DeliveryUncertain, or TransportError if it never can work.
        """
        started = time.monotonic()
        self._begun.clear()
        try:
            if self._transactional:
                self._transaction(send, offsets, proof)
            else:
                self._settle(send())
        except FENCED as error:
            # The broker aborts a transaction that stays open too long, and refuses it with the same errors.
            may_be_late = time.monotonic() - started > TRANSACTION_SECONDS
            if may_be_late and not isinstance(error, FencedInstanceIdError):
                raise DeliveryUncertain(f"the transaction was open for too long: {said(error)}") from error
            raise Fenced(f"another worker has taken over this slot: {said(error)}") from error
        except HOPELESS as error:
            raise TransportError(f"the cluster refuses what is published: {said(error)}") from error
        except KafkaError as error:
            raise DeliveryUncertain(f"delivery failed: {said(error)}") from error

    def _transaction(
        self,
        send: Callable[[], Sequence[Any]],
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        proof: ConsumerGroupMetadata | None,
    ) -> None:
        manager = self._producer._transaction_manager
        self._producer.begin_transaction()
        futures = send()
        if offsets:
            self._await(manager.send_offsets_to_transaction(dict(offsets), proof))
        self._settle(futures)
        self._await(manager.begin_commit())

    def _settle(self, futures: Sequence[Any]) -> None:
        """Returns once every future has succeeded; raises the first failure."""
        deadline = time.monotonic() + TRANSACTION_SECONDS
        while True:
            try:
                self._producer.flush(timeout=SLICE_SECONDS)
                break
            except KafkaTimeoutError:
                self._tick()
                if time.monotonic() > deadline:
                    raise
        for future in futures:
            if not future.succeeded():
                raise future.exception or KafkaTimeoutError("a record was not acknowledged")

    def _await(self, result: Any) -> None:
        self._producer._sender.wakeup()
        deadline = time.monotonic() + TRANSACTION_SECONDS
        while not result.wait(timeout_ms=SLICE_SECONDS * 1000):
            self._tick()
            if time.monotonic() > deadline:
                raise KafkaTimeoutError(f"no end of the call within {TRANSACTION_SECONDS:.0f} s")

    def abandon(self) -> None:
        """Ends it without sending another byte: what it might still commit would come too late."""
        self._producer._sender.force_close()
        self._producer._unregister_cleanup()
        self._producer._closed = True

    def close(self) -> None:
        try:
            ticking(lambda: self._producer.close(timeout=5), self._tick)
        except KafkaError:
            self.abandon()
