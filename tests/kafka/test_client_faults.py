"""The faults of kafka-python that streamrnn works around: each is shown without its cure, and gone with it.

A test here that fails after an upgrade of the client is good news: the cure it names may be dropped.
"""

import itertools
import time
import uuid
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from kafka.net.compat import KafkaNetClient
from kafka.structs import OffsetAndMetadata, TopicPartition

from streamrnn import kafka_client
from streamrnn.broker import Broker
from streamrnn.errors import DeliveryUncertain, Fenced, TransportError
from streamrnn.types import Commit, Output, Partition
from tests.conftest import TopicFactory
from tests.kafka.helpers import fill, joined, options_of, sink_of, source_of, until, values_of

pytestmark = pytest.mark.kafka


def fresh(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def producer_of(options: dict[str, Any], **more: Any) -> KafkaProducer:
    producer = KafkaProducer(**options, transactional_id=fresh("stock"), retry_backoff_ms=2, **more)
    producer.init_transactions()
    return producer


def throw_away(producer: KafkaProducer) -> None:
    producer._sender.force_close()
    producer._unregister_cleanup()
    producer._closed = True


def one(value: bytes) -> Output:
    return Output("prediction", None, value, [])


def test_the_faults_were_found_in_this_version() -> None:
    assert version("kafka-python") == "3.0.12", "see which of these faults are fixed, then pin"


# --- 1. a transactional request that is dropped -------------------------------------------------------


class RefusedOnce(KafkaNetClient):
    """A node that refuses one connection at the moment that a transactional request looks for it."""

    armed = False

    def await_ready(self, node_id: Any, timeout_ms: float = 30_000) -> bool:
        if type(self).armed:
            type(self).armed = False
            raise KafkaConnectionError("refused")
        return bool(super().await_ready(node_id, timeout_ms=timeout_ms))


class CuredAndRefusedOnce(kafka_client.cures.Client, RefusedOnce):
    pass


@pytest.mark.parametrize(("client", "comes_back"), [(RefusedOnce, False), (CuredAndRefusedOnce, True)])
def test_commit_comes_back_after_a_refused_connection(
    broker: Broker, topic: TopicFactory, client: type[RefusedOnce], comes_back: bool
) -> None:
    name = topic()
    producer = producer_of(options_of(broker), kafka_client=client)
    producer.begin_transaction()
    producer.send(name, b"1")
    producer.flush()
    client.armed = True
    committing = producer._transaction_manager.begin_commit()
    producer._sender.wakeup()
    assert committing.wait(timeout_ms=3000) is comes_back
    assert client.armed is False
    throw_away(producer)


# --- 2. a batch that expires --------------------------------------------------------------------------


def linger_until_expired(producer: KafkaProducer, name: str) -> list[Any]:
    """Futures of two records; the second expired unsent, as it does while its partition has no leader."""
    settings = producer._accumulator.config
    kept = producer.send(name, b"kept")
    producer.flush()
    settings["linger_ms"], settings["delivery_timeout_ms"] = 60_000, 500
    lost = producer.send(name, b"lost")
    until(lambda: lost.is_done)
    assert kept.succeeded()
    assert lost.failed()
    return [kept, lost]


def test_expired_batch_leaves_a_committable_transaction(broker: Broker, topic: TopicFactory) -> None:
    name = topic()
    producer = producer_of(options_of(broker))
    producer.begin_transaction()
    linger_until_expired(producer, name)
    producer.commit_transaction()
    assert values_of(broker, name) == [b"kept"]
    throw_away(producer)


def test_expired_batch_makes_delivery_uncertain_and_nothing_visible(
    broker: Broker, topic: TopicFactory
) -> None:
    name = topic()
    slot = fresh("slot")
    producer = kafka_client.Producer(options_of(broker), transactional_id=slot, tick=lambda: None)
    with pytest.raises(DeliveryUncertain, match="KafkaTimeoutError"):
        producer.publish(lambda: linger_until_expired(producer._producer, name), {}, None)
    producer.abandon()
    heir = kafka_client.Producer(options_of(broker), transactional_id=slot, tick=lambda: None)
    assert values_of(broker, name) == []
    heir.close()


# --- 3. a join that is forgotten ----------------------------------------------------------------------


def grow(broker: Broker, name: str, partitions: int) -> None:
    admin = KafkaAdminClient(**options_of(broker))
    admin.create_partitions({name: partitions})
    admin.close()


def learn_of_growth(consumer: KafkaConsumer, name: str, partitions: int) -> None:
    def known() -> bool:
        consumer._cluster.request_update()
        return len(consumer._coordinator._metadata_snapshot.get(name, ())) == partitions

    until(known)


def test_short_poll_forgets_the_join_of_a_leader(broker: Broker, topic: TopicFactory) -> None:
    name = topic()
    consumer = KafkaConsumer(
        **options_of(broker),
        group_id=fresh("group"),
        partition_assignment_strategy=[CooperativeStickyAssignor],
        auto_offset_reset="earliest",
    )
    consumer.partitions_for_topic(name)
    consumer.subscribe([name])
    until(lambda: not consumer.poll(timeout_ms=200) and len(consumer.assignment()) == 1)
    grow(broker, name, 3)
    learn_of_growth(consumer, name, 3)
    consumer.poll(timeout_ms=0)  # begins to join, and gives up waiting
    until(lambda: consumer._coordinator._join_task.is_done)
    for _ in range(10):
        consumer.poll(timeout_ms=200)
    assert len(consumer.assignment()) == 1
    assert consumer._coordinator.rejoining
    consumer.close()


def test_member_completes_the_join_of_a_leader_after_a_short_poll(
    broker: Broker, topic: TopicFactory
) -> None:
    name = topic()
    source = source_of(options_of(broker), name, fresh("group"))
    joined(source, 1)
    grow(broker, name, 3)
    learn_of_growth(source._member.consumer, name, 3)
    source.poll(0, 500)
    until(lambda: source._member.consumer._coordinator._join_task.is_done)
    assert len(joined(source, 2)) == 2
    source.close()


# --- 4. a producer that is dead after its abort -------------------------------------------------------


def test_producer_is_dead_after_aborting_a_refused_batch(broker: Broker, topic: TopicFactory) -> None:
    name = topic(max_message_bytes=1000)
    producer = producer_of(options_of(broker))
    producer.begin_transaction()
    with pytest.raises(KafkaError):
        producer.send(name, b"x" * 5000).get(timeout=10)
    producer.abort_transaction()
    producer.begin_transaction()
    with pytest.raises(KafkaError):
        producer.send(name, b"small").get(timeout=5)
    throw_away(producer)


def test_sink_delivers_after_a_refused_batch(broker: Broker, topic: TopicFactory) -> None:
    name, out = topic(), topic(max_message_bytes=1000)
    source = source_of(options_of(broker), name, fresh("group"))
    [partition] = joined(source, 1)
    sink = sink_of(options_of(broker), out, fresh("sink"))
    with pytest.raises(TransportError, match="MessageSizeTooLarge"):
        sink.publish({partition: [one(b"x" * 5000)]}, {partition: Commit(1)}, source.membership())
    sink.recover()
    sink.publish({partition: [one(b"small")]}, {partition: Commit(1)}, source.membership())
    assert values_of(broker, out) == [b"small"]
    source.close()
    sink.close()


# --- 5. the hole in the fence -------------------------------------------------------------------------


def test_evicted_dynamic_member_commits_with_fresh_metadata(broker: Broker, topic: TopicFactory) -> None:
    name, out = topic(), topic()
    group = fresh("group")
    zombie = KafkaConsumer(
        **options_of(broker),
        group_id=group,
        session_timeout_ms=1000,
        heartbeat_interval_ms=100,
        max_poll_interval_ms=1000,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    zombie.subscribe([name])
    fill(broker, name, 1)
    until(lambda: bool(zombie.poll(timeout_ms=200)))
    until(lambda: zombie.group_metadata().generation_id < 0)  # evicted, for it does not poll
    producer = producer_of(options_of(broker))
    producer.begin_transaction()
    producer.send(out, b"of a zombie")
    producer.send_offsets_to_transaction(
        {TopicPartition(name, 0): OffsetAndMetadata(1, "", -1)}, zombie.group_metadata()
    )
    producer.commit_transaction()
    assert values_of(broker, out) == [b"of a zombie"]
    producer.close()
    zombie.close()


def test_evicted_member_publishes_nothing(broker: Broker, topic: TopicFactory) -> None:
    name, out = topic(), topic()
    group = fresh("group")
    options = options_of(broker)
    zombie = source_of(options, name, group, "zombie", session_timeout=1.0, max_poll_interval=1.0)
    [partition] = joined(zombie, 1)
    sink = sink_of(options, out, f"{group}-zombie")
    at_the_poll = zombie.membership()
    consumer = zombie._member.consumer
    until(lambda: consumer.group_metadata().generation_id < 0)
    heir = source_of(options, name, group, "heir")
    assert joined(heir, 1) == [partition]

    for proof in (at_the_poll, consumer.group_metadata()):
        with pytest.raises((DeliveryUncertain, Fenced)):
            sink.publish({partition: [one(b"of a zombie")]}, {partition: Commit(1)}, proof)
        sink.recover()
    assert heir.committed(partition, 10) is None
    assert values_of(broker, out) == []

    zombie._member._note_proof()
    with pytest.raises(Fenced, match="not a member of its group"):
        zombie.membership()
    for closing in (zombie, heir, sink):
        closing.close()


def test_membership_is_refused_before_the_first_join(broker: Broker, topic: TopicFactory) -> None:
    source = source_of(options_of(broker), topic(), fresh("group"))
    with pytest.raises(Fenced):
        source.membership()
    source.close()


def test_partition_type_is_the_shared_one(broker: Broker, topic: TopicFactory) -> None:
    name = topic(2)
    source = source_of(options_of(broker), name, fresh("group"))
    assert sorted(joined(source, 2)) == [Partition(name, 0), Partition(name, 1)]
    source.close()


def test_calls_that_block_tick_meanwhile_and_hand_on_their_error() -> None:
    ticks: list[float] = []

    def fail() -> None:
        time.sleep(1.2)
        raise KafkaTimeoutError("late")

    with pytest.raises(KafkaTimeoutError, match="late"):
        kafka_client.ticking(fail, lambda: ticks.append(time.monotonic()))
    assert len(ticks) >= 2


# --- 6. a partition that is resumed, and forgotten ----------------------------------------------------


def paused_in_the_midst(poll: Callable[[], Any], consumer: KafkaConsumer) -> TopicPartition:
    """One of two partitions, paused when half of what was fetched of it had been read; the other is read."""
    found: dict[TopicPartition, list[Any]] = {}
    until(lambda: bool(found.update(poll()) or found))
    [(begun, records)] = found.items()
    assert len(records) == 5
    consumer.pause(begun)
    rest: list[Any] = []
    until(lambda: rest.extend(itertools.chain(*poll().values())) or len(rest) == 10)
    consumer.resume(begun)
    return begun


def test_what_was_fetched_before_a_pause_is_forgotten(broker: Broker, topic: TopicFactory) -> None:
    name = topic(2)
    fill(broker, name, 20)
    consumer = KafkaConsumer(**options_of(broker), auto_offset_reset="earliest")
    consumer.assign([TopicPartition(name, 0), TopicPartition(name, 1)])
    paused_in_the_midst(lambda: consumer.poll(timeout_ms=200, max_records=5), consumer)
    for _ in range(5):
        assert not consumer.poll(timeout_ms=200)
    consumer.close()


def test_member_hands_out_what_was_fetched_before_a_pause(broker: Broker, topic: TopicFactory) -> None:
    name = topic(2)
    fill(broker, name, 20)
    source = source_of(options_of(broker), name, fresh("group"))
    source.resume(joined(source, 2))
    begun = paused_in_the_midst(lambda: source._member.poll(0.2, 5), source._member.consumer)
    assert len(source._member.poll(5.0, 10)[begun]) == 5
    source.close()
