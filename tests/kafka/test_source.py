"""The Kafka source keeps the contract of sources: nothing too early, nothing skipped unseen."""

import time
import uuid

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import LogTruncationError
from kafka.structs import MemberState, TopicPartition

from streamrnn.broker import Broker
from streamrnn.errors import Fenced, RecoveryError, TransportError
from streamrnn.sources import kafka as kafka_source
from streamrnn.sources.base import Changes
from streamrnn.sources.kafka import KafkaSource, _Listener
from streamrnn.types import Commit, Partition, Record
from tests.conftest import TopicFactory
from tests.kafka.helpers import fill, joined, options_of, source_of, until

pytestmark = pytest.mark.kafka


@pytest.fixture
def group() -> str:
    return f"group-{uuid.uuid4().hex[:8]}"


def read(source: KafkaSource, count: int, limit: int = 500) -> list[Record]:
    found: list[Record] = []
    deadline = time.monotonic() + 15
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} records"
        polled = source.poll(0.2, limit)
        assert sum(map(len, polled.values())) <= limit
        found += [record for records in polled.values() for record in records]
    return found


def opened(broker: Broker, topic: str, group: str) -> tuple[KafkaSource, Partition]:
    source = source_of(options_of(broker), topic, group)
    [partition] = joined(source, 1)
    return source, partition


def test_missing_topic_is_named_and_not_created(broker: Broker, group: str) -> None:
    for _ in range(2):
        with pytest.raises(TransportError, match=r"topic no-such-topic does not exist at 127\.0\.0\.1:"):
            source_of(options_of(broker), "no-such-topic", group)


def test_absent_broker_is_named_after_a_while_of_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_source, "START_SECONDS", 1.0)
    ticks: list[float] = []
    with pytest.raises(TransportError, match=r"no broker answers at 127\.0\.0\.1:9"):
        source_of({"bootstrap_servers": "127.0.0.1:9"}, "any", "any", tick=lambda: ticks.append(0))
    assert len(ticks) >= 2


def test_poll_that_completes_a_join_returns_nothing_of_partitions_that_wait(
    broker: Broker, topic: TopicFactory, group: str
) -> None:
    name = topic(2)
    fill(broker, name, 100)
    careless = KafkaConsumer(
        **options_of(broker),
        group_id=f"{group}-careless",
        partition_assignment_strategy=[CooperativeStickyAssignor],
        auto_offset_reset="earliest",
    )
    careless.subscribe([name])
    first = careless.poll(timeout_ms=15_000)
    assert first, "without the pause, the records come with the join"
    careless.close()

    source = source_of(options_of(broker), name, group)
    arrived = joined(source, 2)  # fails on any record
    for _ in range(5):
        assert not source.poll(0.1, 500)
    source.seek(arrived[0], 40)
    source.resume(arrived[:1])
    assert [record.offset for record in read(source, 10)] == list(range(40, 50))
    assert not source.poll(0.3, 500)
    assert source.position(arrived[1]) == 0
    source.close()


def test_records_come_in_order_at_most_limit_at_once_with_position_next(
    broker: Broker, topic: TopicFactory, group: str
) -> None:
    name = topic()
    fill(broker, name, 50)
    source, partition = opened(broker, name, group)
    source.resume([partition])
    found = read(source, 14, limit=7)
    assert [int(record.value or b"") for record in found] == list(range(14))
    assert source.position(partition) == 14
    source.seek(partition, 3)
    assert read(source, 1, limit=1)[0].offset == 3
    source.pause([partition])
    assert not source.poll(0.3, 500)
    source.close()


def test_a_log_that_was_cut_short_is_reported_also_by_the_question_for_a_position(
    broker: Broker, topic: TopicFactory, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, partition = opened(broker, topic(), group)

    def cut_short(*_: object, **__: object) -> int:
        raise LogTruncationError({}, {})

    monkeypatch.setattr(source._member.consumer, "position", cut_short)
    with pytest.raises(RecoveryError, match="--reset"):
        source.position(partition)
    source.close()


def test_keys_values_and_broker_time_arrive_as_they_are(
    broker: Broker, topic: TopicFactory, group: str
) -> None:
    name = topic(max_message_bytes=16_000_000)
    sender = KafkaProducer(**options_of(broker), max_request_size=16_000_000)
    before = int(time.time() * 1000)
    sender.send(name, b"v", b"k")
    sender.send(name, None, b"a null value")
    sender.send(name, b"\xff" * 10_000_000)
    sender.flush()
    sender.close()
    source, partition = opened(broker, name, group)
    source.resume([partition])
    found = read(source, 3)
    assert [(r.key, r.value) for r in found[:2]] == [(b"k", b"v"), (b"a null value", None)]
    assert found[2].key is None
    assert found[2].value == b"\xff" * 10_000_000
    assert before <= found[0].timestamp <= int(time.time() * 1000)
    source.close()


def test_aborted_records_are_passed_over(broker: Broker, topic: TopicFactory, group: str) -> None:
    name = topic()
    sender = KafkaProducer(**options_of(broker), transactional_id=group, retry_backoff_ms=2)
    sender.init_transactions()
    for value, keep in ((b"kept", True), (b"aborted", False), (b"also kept", True)):
        sender.begin_transaction()
        sender.send(name, value)
        sender.flush()
        if keep:
            sender.commit_transaction()
        else:
            sender.abort_transaction()
    sender.close()
    source, partition = opened(broker, name, group)
    source.resume([partition])
    assert [record.value for record in read(source, 2)] == [b"kept", b"also kept"]
    until(lambda: not source.poll(0.1, 10) and source.position(partition) == 6)
    assert source.bounds(partition, 10) == (0, 6, 6)
    source.close()


def test_bounds_tell_the_stable_end_from_the_high_watermark(
    broker: Broker, topic: TopicFactory, group: str
) -> None:
    name = topic()
    fill(broker, name, 2)
    sender = KafkaProducer(**options_of(broker), transactional_id=group, retry_backoff_ms=2)
    sender.init_transactions()
    sender.begin_transaction()
    sender.send(name, b"open")
    sender.flush()
    source, partition = opened(broker, name, group)
    assert source.bounds(partition, 10) == (0, 2, 3)
    source.resume([partition])
    assert len(read(source, 2)) == 2
    assert not source.poll(0.3, 10)
    sender.abort_transaction()
    sender.close()
    source.close()


def test_commit_and_its_metadata_come_back(broker: Broker, topic: TopicFactory, group: str) -> None:
    source, partition = opened(broker, topic(), group)
    assert source.committed(partition, 10) is None
    source.commit({partition: Commit(17, '{"lineage": "ä"}')})
    assert source.committed(partition, 10) == Commit(17, '{"lineage": "ä"}')
    source.close()


def test_static_member_is_back_at_once(broker: Broker, topic: TopicFactory, group: str) -> None:
    name = topic(3)
    first = source_of(options_of(broker), name, group, session_timeout=30.0)
    joined(first, 3)
    first.close()
    started = time.monotonic()
    again = source_of(options_of(broker), name, group, session_timeout=30.0)
    assert len(joined(again, 3)) == 3
    assert time.monotonic() - started < 15  # half the session
    again.close()


def test_second_process_on_a_slot_fences_the_first(broker: Broker, topic: TopicFactory, group: str) -> None:
    name = topic()
    first = source_of(options_of(broker), name, group)
    joined(first, 1)
    second = source_of(options_of(broker), name, group)
    joined(second, 1)
    deadline = time.monotonic() + 10
    with pytest.raises(Fenced, match="another process uses the slot a"):
        while time.monotonic() < deadline:
            first.poll(0.1, 10)
    first.close()
    second.close()


def test_lone_member_joins_once(broker: Broker, topic: TopicFactory, group: str) -> None:
    source = source_of(options_of(broker), topic(4), group)
    joined(source, 4)
    for _ in range(10):
        source.poll(0.05, 10)
    assert source._member.consumer.group_metadata().generation_id == 1
    source.close()


def test_member_that_joins_again_at_once_has_a_membership_all_along(
    broker: Broker, topic: TopicFactory, group: str
) -> None:
    source = source_of(options_of(broker), topic(), group)
    coordinator = source._member.consumer._coordinator
    join = coordinator._do_join_and_sync_async
    joins: list[int] = []

    async def join_slowly_after_the_first() -> bytes:
        joins.append(len(joins))
        if len(joins) > 1:
            coordinator.state = MemberState.REBALANCING  # as the join itself begins
            await coordinator._net.sleep(1.0)
        return bytes(await join())

    coordinator._do_join_and_sync_async = join_slowly_after_the_first
    assigned = source._listener.on_partitions_assigned

    def assigned_and_unsettled(partitions: set[TopicPartition]) -> None:
        assigned(partitions)
        coordinator.request_rejoin()

    source._listener.on_partitions_assigned = assigned_and_unsettled  # type: ignore[method-assign]
    joined(source, 1)
    for _ in range(30):
        source.membership()
        assert not source.poll(0.05, 10)
    assert len(joins) > 1
    source.close()


def test_position_that_retention_removed_stops_the_poll(
    broker: Broker, topic: TopicFactory, group: str
) -> None:
    name = topic()
    fill(broker, name, 20)
    admin = KafkaAdminClient(**options_of(broker))
    admin.delete_records({TopicPartition(name, 0): 15})
    admin.close()
    source, partition = opened(broker, name, group)
    assert source.bounds(partition, 10).begin == 15
    source.seek(partition, 10)
    source.resume([partition])
    with pytest.raises(RecoveryError, match="does not hold the position"):
        read(source, 1)
    source.close()


def test_committed_answers_or_raises_within_its_time(
    fragile_broker: Broker, topic: TopicFactory, group: str
) -> None:
    ticks: list[float] = []
    name = topic(on=fragile_broker)
    source = source_of(options_of(fragile_broker), name, group, tick=lambda: ticks.append(time.monotonic()))
    [partition] = joined(source, 1)
    fragile_broker.freeze()
    for question in (source.committed, source.bounds):
        ticks.clear()
        started = time.monotonic()
        with pytest.raises(TransportError, match="no answer about"):
            question(partition, 1.5)
        assert time.monotonic() - started < 5
        assert len(ticks) >= 2
    fragile_broker.thaw()
    assert source.committed(partition, 20) is None
    source.close()


def changes_of(*calls: tuple[str, int]) -> Changes:
    listener = _Listener()

    class Consumer:
        def pause(self, _: TopicPartition) -> None: ...
        def seek(self, _: TopicPartition, __: int) -> None: ...

    class Member:
        consumer = Consumer()

    listener.member = Member()  # type: ignore[assignment]
    for method, number in calls:
        getattr(listener, f"on_partitions_{method}")({TopicPartition("t", number)})
    taken = listener.take()
    assert listener.take() == Changes()
    return taken


def test_changes_between_two_questions_are_added_up() -> None:
    p, q = Partition("t", 0), Partition("t", 1)
    assert changes_of(("assigned", 0), ("assigned", 1)) == Changes(assigned=(p, q))
    assert changes_of(("assigned", 0), ("revoked", 0)) == Changes()
    assert changes_of(("revoked", 0), ("assigned", 0)) == Changes(assigned=(p,), revoked=(p,))
    assert changes_of(("lost", 0), ("assigned", 0), ("lost", 0), ("assigned", 1)) == Changes(
        assigned=(q,), lost=(p,)
    )
