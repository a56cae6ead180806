"""The Kafka sink: all of a transaction or nothing, and the truth about it afterwards."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kafka.partitioner.default import DefaultPartitioner

from streamrnn.broker import Broker
from streamrnn.errors import DeliveryUncertain, Fenced, TransportError
from streamrnn.kafka_client import producer
from streamrnn.sinks.kafka import KafkaSink, _Partitioner, produce
from streamrnn.sources.kafka import KafkaSource
from streamrnn.types import Commit, Output, Partition
from tests.conftest import TopicFactory
from tests.kafka.helpers import joined, options_of, read_all, sink_of, source_of, values_of

pytestmark = pytest.mark.kafka


def prediction(value: bytes, key: bytes | None = b"k") -> Output:
    return Output("prediction", key, value, [("h", b"1")])


@pytest.fixture
def slot() -> str:
    return f"sink-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def source(broker: Broker, topic: TopicFactory, slot: str) -> Iterator[KafkaSource]:
    opened = source_of(options_of(broker), topic(3), slot)
    yield opened
    opened.close()


def test_outputs_and_positions_become_visible_together(
    broker: Broker, topic: TopicFactory, source: KafkaSource, slot: str
) -> None:
    partitions = sorted(joined(source, 3))
    out, dead = topic(2), topic(1)
    sink = sink_of(options_of(broker), out, slot, dead_letters=dead)
    letter = Output("dead_letter", None, None, [("reason", b"null_value")])
    sink.publish(
        {p: [prediction(str(p.number).encode()), letter, prediction(b"x")] for p in partitions},
        {p: Commit(p.number + 10, f"m{p.number}") for p in partitions},
        source.membership(),
    )
    assert [source.committed(p, 10) for p in partitions] == [
        Commit(10, "m0"),
        Commit(11, "m1"),
        Commit(12, "m2"),
    ]
    found = read_all(broker, out)
    assert [(number, record.value) for number, record in found] == [
        (0, b"0"), (0, b"x"), (0, b"2"), (0, b"x"), (1, b"1"), (1, b"x"),
    ]  # fmt: skip
    assert {(record.key, tuple(record.headers)) for _, record in found} == {(b"k", (("h", b"1"),))}
    assert [(record.key, record.value, record.headers) for _, record in read_all(broker, dead)] == [
        (None, b"", [("reason", b"null_value")])
    ] * 3
    sink.close()


def test_position_alone_is_committed(
    broker: Broker, topic: TopicFactory, source: KafkaSource, slot: str
) -> None:
    partition = joined(source, 3)[0]
    sink = sink_of(options_of(broker), topic(), slot)
    sink.publish({}, {partition: Commit(0, "genesis")}, source.membership())
    assert source.committed(partition, 10) == Commit(0, "genesis")
    sink.close()


def test_missing_output_topic_is_named(broker: Broker, topic: TopicFactory, slot: str) -> None:
    with pytest.raises(TransportError, match="topic nowhere does not exist"):
        sink_of(options_of(broker), topic(), slot, dead_letters="nowhere")


def test_records_are_stamped_with_the_time_of_sending(
    broker: Broker, topic: TopicFactory, source: KafkaSource, slot: str
) -> None:
    partition = joined(source, 3)[0]
    out = topic()
    sink = sink_of(options_of(broker), out, slot)
    before = time.time() * 1000 - 1
    sink.publish({partition: [prediction(b"1")]}, {partition: Commit(1)}, source.membership())
    [(_, record)] = read_all(broker, out)
    assert before <= record.timestamp <= time.time() * 1000 + 1
    sink.close()


def test_more_than_fits_into_one_request_arrives_whole_and_in_order(
    broker: Broker, topic: TopicFactory, source: KafkaSource, slot: str
) -> None:
    partition = joined(source, 3)[0]
    out = topic()
    sink = sink_of(options_of(broker), out, slot)
    values = [str(i).encode() * 200 for i in range(3000)]  # 2.2 MB, and a request takes one
    sink.publish({partition: list(map(prediction, values))}, {partition: Commit(1)}, source.membership())
    assert [record.value for _, record in read_all(broker, out)] == values
    sink.close()


def test_a_record_that_is_too_large_is_refused_wherever_it_stands(
    broker: Broker, topic: TopicFactory, source: KafkaSource, slot: str
) -> None:
    partition = joined(source, 3)[0]
    out = topic()
    sink = sink_of(options_of(broker), out, slot)
    outputs = [prediction(b"1"), prediction(bytes(1 << 20)), prediction(b"2")]
    with pytest.raises(TransportError, match="larger than"):
        sink.publish({partition: outputs}, {partition: Commit(1)}, source.membership())
    assert read_all(broker, out) == []
    sink.close()


# --- what may have happened ---------------------------------------------------------------------------


class AtTheCommit:
    """Does something to the broker at the moment when everything is sent and the commit is about to be."""

    def __init__(self, sink: KafkaSink, action: Any) -> None:
        assert sink._producer is not None
        self.manager = sink._producer._producer._transaction_manager
        begin = self.manager.begin_commit

        def acted() -> Any:
            action()
            return begin()

        self.manager.begin_commit = acted


def test_commit_that_times_out_has_happened_once_the_broker_wakes(
    fragile_broker: Broker, topic: TopicFactory, slot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = options_of(fragile_broker)
    ticks: list[float] = []
    source = source_of(options, topic(on=fragile_broker), slot, session_timeout=30.0)
    [partition] = joined(source, 1)
    out = topic(on=fragile_broker)
    sink = sink_of(options, out, slot, tick=lambda: ticks.append(time.monotonic()))
    monkeypatch.setattr(producer, "TRANSACTION_SECONDS", 2.0)
    AtTheCommit(sink, fragile_broker.freeze)
    ticks.clear()
    with pytest.raises(DeliveryUncertain):
        sink.publish({partition: [prediction(b"1")]}, {partition: Commit(1, "m")}, source.membership())
    assert len(ticks) >= 3  # two seconds
    with pytest.raises(TransportError):
        sink.recover()
    fragile_broker.thaw()
    monkeypatch.undo()
    sink.recover()
    assert source.committed(partition, 20) == Commit(1, "m")
    assert values_of(fragile_broker, out) == [b"1"]
    source.close()
    sink.close()


def test_delivery_that_failed_before_the_commit_has_not_happened(
    broker: Broker, topic: TopicFactory, source: KafkaSource, slot: str
) -> None:
    partition = joined(source, 3)[0]
    out = topic()
    sink = sink_of(options_of(broker), out, slot)

    def fail() -> None:
        raise KeyboardInterrupt

    AtTheCommit(sink, fail)
    with pytest.raises(KeyboardInterrupt):
        sink.publish({partition: [prediction(b"1")]}, {partition: Commit(1)}, source.membership())
    with pytest.raises(DeliveryUncertain, match="recover comes first"):
        sink.publish({partition: [prediction(b"1")]}, {partition: Commit(1)}, source.membership())
    sink.recover()
    assert source.committed(partition, 10) is None
    sink.publish({partition: [prediction(b"1")]}, {partition: Commit(1)}, source.membership())
    assert source.committed(partition, 10) == Commit(1)
    assert values_of(broker, out) == [b"1"]
    sink.close()


def test_second_owner_of_a_slot_fences_the_first(
    broker: Broker, topic: TopicFactory, source: KafkaSource, slot: str
) -> None:
    partition = joined(source, 3)[0]
    out = topic()
    first = sink_of(options_of(broker), out, slot)
    second = sink_of(options_of(broker), out, slot)
    with pytest.raises(Fenced, match="another worker has taken over this slot"):
        first.publish({partition: [prediction(b"first")]}, {partition: Commit(1)}, source.membership())
    second.publish({partition: [prediction(b"second")]}, {partition: Commit(2)}, source.membership())
    assert values_of(broker, out) == [b"second"]
    assert source.committed(partition, 10) == Commit(2)
    first.close()
    second.close()


def test_transaction_that_a_crash_left_open_is_aborted_by_the_next_of_its_slot(
    broker: Broker, topic: TopicFactory, source: KafkaSource, slot: str
) -> None:
    partition = joined(source, 3)[0]
    out = topic()
    crashed = sink_of(options_of(broker), out, slot)
    AtTheCommit(crashed, crashed._producer.abandon)  # type: ignore[union-attr]
    monkey = pytest.MonkeyPatch()
    monkey.setattr(producer, "TRANSACTION_SECONDS", 1.0)
    with pytest.raises(DeliveryUncertain):
        crashed.publish({partition: [prediction(b"lost")]}, {partition: Commit(1)}, source.membership())
    monkey.undo()
    heir = sink_of(options_of(broker), out, slot)
    assert source.committed(partition, 10) is None
    heir.publish({partition: [prediction(b"kept")]}, {partition: Commit(1)}, source.membership())
    assert values_of(broker, out) == [b"kept"]
    heir.close()


def test_record_beyond_the_bound_can_never_succeed(
    broker: Broker, topic: TopicFactory, source: KafkaSource, slot: str
) -> None:
    partition = joined(source, 3)[0]
    out = topic()
    sink = sink_of(options_of(broker), out, slot)
    with pytest.raises(TransportError, match="MessageSizeTooLarge") as refused:
        sink.publish({partition: [prediction(b"x" * 2_000_000)]}, {partition: Commit(1)}, source.membership())
    assert not isinstance(refused.value, DeliveryUncertain)
    assert values_of(broker, out) == []
    sink.close()


def test_plain_sink_is_durable_without_a_transaction(broker: Broker, topic: TopicFactory, slot: str) -> None:
    out = topic(2)
    sink = sink_of(options_of(broker), out, slot, transactional=False)
    assert not sink.transactional
    sink.publish({Partition("in", 1): [prediction(b"1"), prediction(b"2")]}, {}, None)
    assert [(number, record.value) for number, record in read_all(broker, out)] == [(1, b"1"), (1, b"2")]
    sink.recover()
    sink.publish({Partition("in", 2): [prediction(b"3")]}, {Partition("in", 2): Commit(1)}, None)
    assert (0, b"3") in [(number, record.value) for number, record in read_all(broker, out)]
    sink.close()


# --- produce ------------------------------------------------------------------------------------------


def test_produce_keeps_order_within_a_key_and_a_key_in_its_partition(
    broker: Broker, topic: TopicFactory
) -> None:
    name = topic(3)
    told: list[int] = []
    records = [(f"key-{i % 7}".encode(), str(i).encode()) for i in range(500)]
    assert produce(options_of(broker), name, records, progress=told.append) == 500
    assert told[-1] == 500
    found = read_all(broker, name)
    assert len(found) == 500
    for key in {key for key, _ in records}:
        places = {number for number, record in found if record.key == key}
        assert len(places) == 1
        assert [record.value for _, record in found if record.key == key] == [
            v for k, v in records if k == key
        ]


def test_partition_of_a_key_is_the_one_that_the_client_itself_chooses() -> None:
    class Cluster:
        def topics(self) -> set[str]:
            return {"t"}

        def partitions_for_topic(self, _: str) -> set[int]:
            return set(range(7))

        def available_partitions_for_topic(self, _: str) -> set[int]:
            return set(range(7))

    mine, theirs = _Partitioner(7), DefaultPartitioner()
    for number in range(200):
        key = f"sensor {number}".encode()
        assert mine(key) == theirs.partition("t", None, key, None, None, Cluster())
    assert sorted(mine(None) for _ in range(7)) == list(range(7))


def test_produce_keeps_below_its_rate(broker: Broker, topic: TopicFactory) -> None:
    name = topic()
    started = time.monotonic()
    assert produce(options_of(broker), name, ((None, b"x") for _ in range(120)), rate=100) == 120
    assert time.monotonic() - started >= 1.15


def test_produce_to_a_missing_topic_is_an_error(broker: Broker) -> None:
    with pytest.raises(TransportError, match="topic nowhere does not exist"):
        produce(options_of(broker), "nowhere", [(None, b"x")])
