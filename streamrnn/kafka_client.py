"""Everything that has to know how kafka-python 3.0 behaves on the inside; nothing else may.

What it works around, each with a test that shows the fault without the cure, so that a fixed release lets the
cure go (`tests/kafka/test_client_faults.py`):

1. A connection that is refused while a transactional request looks for its node drops the request, and the
   call waits for ever. `_Client.await_ready` answers False instead, which sends the request again.
2. A batch that expires leaves its transaction committable without it. Every future is looked at before the
   commit.
3. A poll that times out while the leader joins again because the topic changed forgets the join: the group
   waits for a member that never comes. `Member.poll` asks for the join again.
4. A producer can be dead after an abort that succeeded. After any failure it is thrown away, never aborted: a
   new one with the same transactional id aborts what was open.
5. A member that was evicted answers with a group metadata that the broker does not check. `Member.proof`
   refuses it.
6. What was fetched of a partition before it was paused is kept aside and, once it is resumed, handed out only
   if the place of the partition in turn is empty. One that was read to its end keeps it, so the other is
   forgotten, and never fetched again. `Member.poll` empties the place.

Calls that may block are cut into slices, and `tick` is called in between, at least once a second.
"""

import contextlib
import copy
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from kafka import KafkaConsumer, KafkaProducer
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import IsolationLevel
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.structs import ConsumerGroupMetadata, MemberState, OffsetAndMetadata, TopicPartition
from kafka.util import Timer

from streamrnn.errors import DeliveryUncertain, Fenced, RecoveryError, TransportError
from streamrnn.types import Commit, Partition

Options = Mapping[str, Any]
"""How to reach a cluster, by kafka-python's names: `bootstrap_servers`, `security_protocol`, …"""
Tick = Callable[[], None]
"""Called while a call waits; tells the watchdog that the loop lives."""

SLICE_SECONDS = 0.5
TRANSACTION_SECONDS = 60.0
"""How long a transaction may stay open before the broker aborts it; no call on it is worth a longer wait."""
LARGEST = 1 << 20
"""Bytes of a record beyond which the client refuses it, by its default and the broker's."""
_SHORT = LARGEST >> 1
"""Bytes of a record up to which the client need not be asked."""

Result = TypeVar("Result")

# An outage logs an error per attempt and per request; the callers report it once, in their own words.
logging.getLogger("kafka").setLevel(logging.CRITICAL)

_FENCED = (
    kafka_errors.FencedInstanceIdError,
    kafka_errors.ProducerFencedError,
    kafka_errors.InvalidProducerEpochError,
)
_LOG_MOVED = (
    kafka_errors.OffsetOutOfRangeError,
    kafka_errors.NoOffsetForPartitionError,
    kafka_errors.LogTruncationError,
)
# Sending the same bytes again cannot help.
_HOPELESS = (
    kafka_errors.AuthorizationError,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.UnsupportedVersionError,
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.InvalidRecordError,
    kafka_errors.InvalidTimestampError,
    kafka_errors.OffsetMetadataTooLargeError,
)


def native(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def native_offsets(commits: Mapping[Partition, Commit]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {native(p): OffsetAndMetadata(commit.offset, commit.metadata, -1) for p, commit in commits.items()}


# --- reaching a cluster -----------------------------------------------------------------------------


def probe(options: Options, seconds: float) -> bool:
    """True if a broker that can serve clients answers within `seconds`. Leaves no thread and no socket."""
    try:
        with _bootstrapped(options, seconds):
            return True
    except KafkaError:
        return False


def partition_counts(options: Options, seconds: float) -> dict[str, int]:
    """How many partitions each topic of the cluster has. Asking never creates one, as naming a topic may."""
    try:
        with _bootstrapped(options, seconds) as manager:
            cluster = manager.cluster
            return {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}
    except KafkaError as error:
        raise TransportError(
            f"no broker answers at {options['bootstrap_servers']} ({_said(error)}): is it running, and do the"
            " security settings fit?"
        ) from error


def require_topics(options: Options, topics: Iterable[str], *, seconds: float, tick: Tick) -> dict[str, int]:
    """Partitions of each topic. Waits `seconds` for a broker; a missing topic is a TransportError."""
    deadline = time.monotonic() + seconds
    while True:
        tick()
        try:
            counts = partition_counts(options, SLICE_SECONDS)
            break
        except TransportError as error:
            if isinstance(error.__cause__, _HOPELESS) or time.monotonic() > deadline:
                raise
    for topic in topics:
        if not counts.get(topic):
            raise TransportError(
                f"topic {topic} does not exist at {options['bootstrap_servers']}: create it, or correct its"
                " name in the configuration"
            )
    return {topic: counts[topic] for topic in topics}


def ticking(call: Callable[[], Result], tick: Tick) -> Result:
    """The result of a call that may block, run in a thread of its own while this one ticks."""
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, name="kafka-call", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(SLICE_SECONDS)
        tick()
    if failure:
        raise failure[0]
    return outcome[0]


@contextlib.contextmanager
def _bootstrapped(options: Options, seconds: float) -> Iterator[KafkaConnectionManager]:
    """A connection manager that has just read the metadata of all topics; it runs on the caller's thread."""
    milliseconds = seconds * 1000
    waits = {
        "request_timeout_ms": milliseconds,
        "socket_connection_setup_timeout_ms": milliseconds,
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 200,
    }
    network = NetworkSelector()
    manager = _Manager(network, **options, **waits)
    manager.cluster.need_all_topic_metadata = True
    try:
        manager.bootstrap(milliseconds)
        yield manager
    except kafka_errors.KafkaTimeoutError as error:
        raise manager.reason or error from error
    finally:
        manager.close()
        network.close()


class _Manager(KafkaConnectionManager):  # type: ignore[misc]
    """Remembers why its connections failed, which the client only logs; refusals rather than time-outs."""

    reason: Exception | None = None

    def get_connection(self, *arguments: Any, **settings: Any) -> Any:
        connection = super().get_connection(*arguments, **settings)
        connection.init_future.add_errback(self._remember)
        return connection

    def _remember(self, error: Exception) -> None:
        if not isinstance(self.reason, _HOPELESS):
            self.reason = error


class _Client(KafkaNetClient):  # type: ignore[misc]
    def await_ready(self, node_id: Any, timeout_ms: float = 30_000) -> bool:
        try:
            return bool(super().await_ready(node_id, timeout_ms=timeout_ms))
        except KafkaError:
            # The sender asks again at once, and its own back-off is two milliseconds.
            time.sleep(0.05)
            return False


def _common(options: Options) -> dict[str, Any]:
    return {**options, "kafka_client": _Client, "metrics_enabled": False, "reconnect_backoff_max_ms": 1000}


# --- consuming as a member of a group ---------------------------------------------------------------


class Together(CooperativeStickyAssignor):  # type: ignore[misc]
    """Gives all partitions of one number, of whatever topic, to one member.

    The numbers of one topic are placed as that of the base class places them, the others follow. That topic
    is one that all members read, so that no partition has two readers while members disagree about the rest;
    members that have none in common are given nothing.
    """

    name = "cooperative-sticky-together"

    def assign(self, cluster: Any, members: Any) -> Any:
        read = {member.member_id: sorted(member.metadata.topics) for member in members}
        common = sorted(set.intersection(*map(set, read.values())))
        placed = super().assign(cluster, [_reading_only(common[:1], member) for member in members])
        for member_id, assignment in placed.items():
            numbers = sorted(number for _, numbers in assignment.assigned_partitions for number in numbers)
            assignment.assigned_partitions = [(topic, numbers) for topic in read[member_id] if numbers]
        return placed


def _reading_only(topics: Sequence[str], member: Any) -> Any:
    """The member of a group, as if it read these topics alone."""
    metadata = copy.copy(member.metadata)
    metadata.topics = list(topics)
    metadata.owned_partitions = [owned for owned in metadata.owned_partitions or () if owned.topic in topics]
    member = copy.copy(member)
    member.metadata = metadata
    return member


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
                **_common(options),
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
            raise TransportError(f"the cluster cannot be read: {_said(error)}") from error

    def poll(self, seconds: float, limit: int) -> dict[TopicPartition, list[Any]]:
        """Records by partition; empty if none came in time or the cluster is away."""
        deadline = time.monotonic() + seconds
        while True:
            records = self._poll_once(max(0.0, min(deadline - time.monotonic(), SLICE_SECONDS)), limit)
            if records or time.monotonic() >= deadline:
                return records
            self._tick()

    def _poll_once(self, seconds: float, limit: int) -> dict[TopicPartition, list[Any]]:
        coordinator = self.consumer._coordinator
        if coordinator.rejoining:
            coordinator.request_rejoin()
            # Nothing arrives before the join is complete; one that completes between polls starts anew.
            seconds = SLICE_SECONDS
        fetcher = self.consumer._fetcher
        if not fetcher._next_partition_records:
            fetcher._next_partition_records = None
        started = time.monotonic()
        try:
            # The client's own poll goes round until the time is up, and may begin a second join after the
            # first. One round completes one join at most, so that its generation is seen.
            records: dict[TopicPartition, list[Any]] = self.consumer._poll_once(Timer(seconds * 1000), limit)
        except _FENCED as error:
            raise self._fenced() from error
        except _LOG_MOVED as error:
            raise _moved(error) from error
        except KafkaError as error:
            if not error.retriable:
                raise TransportError(f"the cluster refuses to be read: {_said(error)}") from error
            time.sleep(max(0.0, seconds - (time.monotonic() - started)))
            records = {}
        self._note_proof()
        return records

    def _note_proof(self) -> None:
        """Keeps who owned the partitions when they were polled: later it may be another's generation."""
        metadata = self.consumer.group_metadata()
        # In the midst of a join the generation may be the next one's, the partitions still the last one's.
        if metadata.state is not MemberState.REBALANCING or not _joined(metadata):
            self._proof = metadata
        coordinator = self.consumer._coordinator
        silenced = coordinator.state is MemberState.STABLE and not coordinator._heartbeat_enabled
        if silenced and not coordinator.rejoining and not coordinator.need_rejoin():
            # The heartbeat stops without a word when another member takes this one's name.
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
        if proof is None or not _joined(proof):
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
        except _LOG_MOVED as error:
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
        except _FENCED as error:
            raise self._fenced() from error
        except KafkaError as error:
            raise TransportError(f"no answer about {what} within {seconds:.0f} s: {_said(error)}") from error

    def close(self) -> None:
        """A static member does not leave: its partitions wait for its return until the session times out."""
        with contextlib.suppress(KafkaError):
            ticking(lambda: self.consumer.close(autocommit=False, timeout_ms=5000), self._tick)


def _moved(error: KafkaError) -> RecoveryError:
    return RecoveryError(
        f"the log does not hold the position that was asked for ({error}): retention removed it, or the topic"
        " was made anew; --reset starts a new model"
    )


def _joined(metadata: ConsumerGroupMetadata) -> bool:
    """False for a member that was evicted: the broker takes what it says for the word of no group at all."""
    return metadata.generation_id >= 0 and bool(metadata.member_id)


def newest_headers(
    options: Options, partition: TopicPartition, count: int, seconds: float, tick: Tick
) -> list[dict[str, bytes]]:
    """Of the committed records among the last `count` offsets of a partition, read outside any group."""

    def read() -> list[dict[str, bytes]]:
        deadline = time.monotonic() + seconds
        consumer = KafkaConsumer(
            **_common(options), isolation_level="read_committed", bootstrap_timeout_ms=int(seconds * 1000)
        )
        try:
            consumer.assign([partition])
            begin = consumer.beginning_offsets([partition], timeout_ms=seconds * 1000)[partition]
            end = consumer.end_offsets([partition], timeout_ms=seconds * 1000)[partition]
            consumer.seek(partition, max(begin, end - count))
            found: list[dict[str, bytes]] = []
            while consumer.position(partition, timeout_ms=0) < end:
                if time.monotonic() > deadline:
                    raise kafka_errors.KafkaTimeoutError(
                        f"not read up to offset {end} within {seconds:.0f} s"
                    )
                records = consumer.poll(timeout_ms=SLICE_SECONDS * 1000).get(partition, ())
                found += (dict(record.headers) for record in records)
            return found
        finally:
            consumer.close()

    try:
        return ticking(read, tick)
    except KafkaError as error:
        place = f"{partition.topic}-{partition.partition}"
        raise TransportError(f"{place} cannot be read: {_said(error)}") from error


# --- producing --------------------------------------------------------------------------------------


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
                    **_common(options),
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
            raise TransportError(f"no producer can be made: {_said(error)}") from error
        if self._transactional:
            self._take_over()

    def _take_over(self) -> None:
        manager = self._producer._transaction_manager
        try:
            self._await(manager.initialize_transactions())
        except KafkaError as error:
            self.abandon()
            raise TransportError(f"the transactional id cannot be taken over: {_said(error)}") from error

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
        except _FENCED as error:
            # The broker aborts a transaction that stays open too long, and refuses it with the same errors.
            may_be_late = time.monotonic() - started > TRANSACTION_SECONDS
            if may_be_late and not isinstance(error, kafka_errors.FencedInstanceIdError):
                raise DeliveryUncertain(f"the transaction was open for too long: {_said(error)}") from error
            raise Fenced(f"another worker has taken over this slot: {_said(error)}") from error
        except _HOPELESS as error:
            raise TransportError(f"the cluster refuses what is published: {_said(error)}") from error
        except KafkaError as error:
            raise DeliveryUncertain(f"delivery failed: {_said(error)}") from error

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
            except kafka_errors.KafkaTimeoutError:
                self._tick()
                if time.monotonic() > deadline:
                    raise
        for future in futures:
            if not future.succeeded():
                raise future.exception or kafka_errors.KafkaTimeoutError("a record was not acknowledged")

    def _await(self, result: Any) -> None:
        self._producer._sender.wakeup()
        deadline = time.monotonic() + TRANSACTION_SECONDS
        while not result.wait(timeout_ms=SLICE_SECONDS * 1000):
            self._tick()
            if time.monotonic() > deadline:
                raise kafka_errors.KafkaTimeoutError(f"no end of the call within {TRANSACTION_SECONDS:.0f} s")

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


def _said(error: KafkaError) -> str:
    return str(error) or type(error).__name__
