"""Consuming as a member of a group."""

import contextlib
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import IsolationLevel
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError
from kafka.structs import ConsumerGroupMetadata, MemberState, OffsetAndMetadata, TopicPartition
from kafka.util import Timer

from streamrnn.errors import Fenced, RecoveryError, TransportError
from streamrnn.kafka_client import cures
from streamrnn.kafka_client.assignor import Together
from streamrnn.kafka_client.calls import SLICE_SECONDS, TRANSACTION_SECONDS, Result, ticking
from streamrnn.kafka_client.errors import FENCED, LOG_MOVED, said
from streamrnn.kafka_client.types import Options, Tick


class Member:
    """A static member of a consumer group, reading topics from where it is told to.

    Every position is sought by the caller: the group's committed position is only ever answered, never used.
    The `listener` pauses and seeks what is assigned.
    """

    def __init__(
        self,
        options: Options,
        *,
        topics: Sequence[str],
        group: str,
        slot: str,
        together: bool,
        session_timeout: float,
        max_poll_interval: float,
        listener: object,
        tick: Tick,
    ) -> None:
        """`together`: partitions of one number, of whatever topic, are assigned to one member."""
        self._tick = tick
        self._proof: ConsumerGroupMetadata | None = None

        def make() -> KafkaConsumer:
            consumer = KafkaConsumer(
                **cures.settings(options),
                group_id=group,
                group_instance_id=slot,
                client_id=f"{group}-{slot}",
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="none",
                session_timeout_ms=int(session_timeout * 1000),
                heartbeat_interval_ms=int(session_timeout * 100),
                max_poll_interval_ms=int(max_poll_interval * 1000),
                partition_assignment_strategy=[Together if together else CooperativeStickyAssignor],
                # A partition that is resumed waits for the fetch that is under way.
                fetch_max_wait_ms=100,
            )
            for topic in topics:
                consumer.partitions_for_topic(topic)
            consumer.subscribe(list(topics), listener=listener)
            # Noted before the first join, the topics' partitions are no change that asks for a second one.
            consumer._coordinator._handle_metadata_update(consumer._cluster)
            return consumer

        try:
            self.consumer = ticking(make, tick)
        except KafkaError as error:
            raise TransportError(f"the cluster cannot be read: {said(error)}") from error

    def poll(self, seconds: float, limit: int) -> dict[TopicPartition, list[Any]]:
        """Records by partition; empty if none came in time or the cluster is away."""
        deadline = time.monotonic() + seconds
        while True:
            records = self._poll_once(max(0.0, min(deadline - time.monotonic(), SLICE_SECONDS)), limit)
            if records or time.monotonic() >= deadline:
                return records
            self._tick()

    def _poll_once(self, seconds: float, limit: int) -> dict[TopicPartition, list[Any]]:
        if cures.ask_for_the_join_again(self.consumer):
            # One that completes between polls starts anew.
            seconds = SLICE_SECONDS
        cures.empty_the_place(self.consumer)
        started = time.monotonic()
        try:
            # The client's own poll goes round until the time is up, and may begin a second join after the
            # first. One round completes one join at most, so that its generation is seen.
            records: dict[TopicPartition, list[Any]] = self.consumer._poll_once(Timer(seconds * 1000), limit)
        except FENCED as error:
            raise self._fenced() from error
        except LOG_MOVED as error:
            raise _moved(error) from error
        except KafkaError as error:
            if not error.retriable:
                raise TransportError(f"the cluster refuses to be read: {said(error)}") from error
            time.sleep(max(0.0, seconds - (time.monotonic() - started)))
            records = {}
        self._note_proof()
        return records

    def _note_proof(self) -> None:
        """Keeps who owned the partitions when they were polled: later it may be another's generation."""
        metadata = self.consumer.group_metadata()
        # In the midst of a join the generation may be the next one's, the partitions still the last one's.
        if metadata.state is not MemberState.REBALANCING or not cures.joined(metadata):
            self._proof = metadata
        if cures.silenced(self.consumer):
            raise self._fenced()

    def _fenced(self) -> Fenced:
        slot = self.consumer.config["group_instance_id"]
        return Fenced(
            f"another process uses the slot {slot}: give each worker a slot of its own (source.kafka.slot)"
        )

    def rejoin(self) -> None:
        """The next poll joins anew, and what this member reads by now is shared out again."""
        self.consumer._coordinator.request_rejoin()

    def proof(self) -> ConsumerGroupMetadata:
        """Who owned the partitions at the last poll. Raises Fenced unless this is a member of the group."""
        proof = self._proof
        if proof is None or not cures.joined(proof):
            raise Fenced("this worker is not a member of its group any more; its partitions may be another's")
        return proof

    def committed(self, partition: TopicPartition, seconds: float) -> OffsetAndMetadata | None:
        return self._ask(
            lambda: self.consumer.committed(partition, metadata=True, timeout_ms=seconds * 1000),
            "the committed position",
            seconds,
        )

    def bounds(self, partition: TopicPartition, seconds: float) -> tuple[int, int, int]:
        """First offset, last stable offset, high watermark."""

        def ask() -> tuple[int, int, int]:
            deadline = time.monotonic() + seconds
            uncommitted = copy.copy(self.consumer._fetcher)
            uncommitted._isolation_level = IsolationLevel.READ_UNCOMMITTED
            answers = []
            for question in (
                self.consumer.beginning_offsets,
                self.consumer.end_offsets,
                uncommitted.end_offsets,
            ):
                left = max(1.0, (deadline - time.monotonic()) * 1000)
                answers.append(question([partition], timeout_ms=left)[partition])
            return answers[0], answers[1], answers[2]

        return self._ask(ask, "what the partition holds", seconds)

    def stable_ends(self, partitions: Sequence[TopicPartition], seconds: float) -> dict[TopicPartition, int]:
        return self._ask(
            lambda: self.consumer.end_offsets(list(partitions), timeout_ms=seconds * 1000),
            "where the partitions end",
            seconds,
        )

    def topic_id(self, topic: str) -> str:
        """The topic's id as the metadata told it last; empty before that, and where brokers tell none."""
        found = self.consumer._manager.cluster.topic_id(topic)
        return "" if found is None else str(found)

    def position(self, partition: TopicPartition) -> int:
        """The next offset to read. Never blocks; what the client found out about the log may come up here."""
        try:
            offset: int = self.consumer.position(partition, timeout_ms=0)
        except LOG_MOVED as error:
            raise _moved(error) from error
        return offset

    def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        self._ask(
            lambda: self.consumer.commit(dict(offsets), timeout_ms=TRANSACTION_SECONDS * 1000),
            "a commit",
            TRANSACTION_SECONDS,
        )

    def _ask(self, question: Callable[[], Result], what: str, seconds: float) -> Result:
        try:
            return ticking(question, self._tick)
        except FENCED as error:
            raise self._fenced() from error
        except KafkaError as error:
            raise TransportError(f"no answer about {what} within {seconds:.0f} s: {said(error)}") from error

    def close(self) -> None:
        """A static member does not leave: its partitions wait for its return until the session times out."""
        with contextlib.suppress(KafkaError):
            ticking(lambda: self.consumer.close(autocommit=False, timeout_ms=5000), self._tick)


def _moved(error: KafkaError) -> RecoveryError:
    return RecoveryError(
        f"the log does not hold the position that was asked for ({error}): retention removed it, or the topic"
        " was made anew; --reset starts a new model"
    )
