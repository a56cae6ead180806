"""Topics that are merged by real processes over a real Kafka: every record once, whatever is killed."""

import contextlib
import json
import math
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaProducer

from streamrnn.broker import Broker, create_topics
from streamrnn.config import Config
from streamrnn.errors import ConfigError, RecoveryError, TransportError
from streamrnn.kafka_client.calls import TRANSACTION_SECONDS
from streamrnn.learner import Learner
from streamrnn.merging import merge
from streamrnn.sinks.kafka import produce
from streamrnn.types import Partition
from tests.conftest import TopicFactory
from tests.kafka.helpers import fill, options_of, read_all
from tests.service.kafka_world import KEYS, KafkaWorld, Worker

pytestmark = pytest.mark.kafka

TASK = {"regression": "level", "delayed": {"id": "event", "label_of": "of", "ttl": "1d", "pool": 200}}


class MergedWorld(KafkaWorld):
    """Events on one topic and labels on another flow into the topic that is learned from."""

    only_records = False

    def __init__(self, broker: Broker, folder: Path, name: str, partitions: int) -> None:
        network = {"name": "one-step", "hidden": 8, "learning_rate": 0.001}
        features = [{"number": "speed"}, {"previous": "level"}]
        super().__init__(broker, folder, name, partitions, task=TASK, features=features, networks=[network])
        self.topics = (f"{name}.events", f"{name}.labels")
        create_topics(options_of(broker), dict.fromkeys(self.topics, partitions), {"retention.ms": "-1"})
        self.settings["source"]["kafka"]["merge"] = list(self.topics)

    def merge(self, slot: str = "merge") -> Worker:
        return self.start(slot=slot, command="merge")

    @contextlib.contextmanager
    def events_and_labels(self) -> Iterator[None]:
        """Each label is produced a while after its event was; both flow as long as the block runs."""
        over = threading.Event()

        def flow() -> None:
            options = options_of(self.broker)
            while not over.wait(0.05):
                now = range(self.produced, self.produced + 16)
                produce(options, self.topics[0], map(_event, now))
                produce(options, self.topics[1], (_label(number - 8) for number in now if number >= 8))
                self.produced += 16

        with ThreadPoolExecutor(1) as pool:
            flows = pool.submit(flow)
            try:
                yield
            finally:
                over.set()
            flows.result()

    def merged(self) -> bool:
        """True if everything stands in the topic that is learned from."""
        return len(read_all(self.broker, self.topic)) >= sum(
            len(read_all(self.broker, topic)) for topic in self.topics
        )

    def assert_merged(self) -> None:
        """Each record once, as it was, in the partition of its number, in the order of its partition."""
        found: dict[Partition, list[tuple[Any, ...]]] = defaultdict(list)
        for number, record in read_all(self.broker, self.topic):
            headers = dict(record.headers)
            origin = Partition(headers["origin_topic"].decode(), int(headers["origin_partition"]))
            assert origin.number == number
            found[origin].append(
                (int(headers["origin_offset"]), int(headers["origin_timestamp"]), record.key, record.value)
            )
        wanted: dict[Partition, list[tuple[Any, ...]]] = defaultdict(list)
        for topic in self.topics:
            for number, record in read_all(self.broker, topic):
                wanted[Partition(topic, number)].append(
                    (record.offset, record.timestamp, record.key, record.value)
                )
        assert found == wanted

    def assert_every_label_found_its_event(self) -> None:
        for partition, records in self.inputs().items():
            learner = Learner(self.config(), "any")
            learner.learn(records, partition)
            labels = sum(b'"of"' in (record.value or b"") for record in records)
            assert learner.counts()["labels_matched"] == labels > 100


def _event(number: int) -> tuple[bytes, bytes]:
    key = KEYS[number % len(KEYS)]
    value = {"key": key, "time": number * 60, "event": f"e{number}", "speed": _speed(number)}
    return key.encode(), json.dumps(value).encode()


def _label(number: int) -> tuple[bytes, bytes]:
    key = KEYS[number % len(KEYS)]
    level = round(2 * _speed(number) + ord(key), 6)
    return key.encode(), json.dumps(
        {"key": key, "time": number * 60 + 500, "of": f"e{number}", "level": level}
    ).encode()


def _speed(number: int) -> float:
    return round(math.sin(number / 40) + random.Random(number).gauss(0, 0.1), 6)


@pytest.fixture
def world(tmp_path: Path, broker: Broker) -> Iterator[MergedWorld]:
    made = MergedWorld(broker, tmp_path, f"merge-{uuid4().hex[:8]}", partitions=2)
    yield made
    made.end()


def test_labels_of_a_second_topic_are_learned_and_kills_change_no_bit(world: MergedWorld) -> None:
    """Copier and learner are killed at random moments."""
    chance = random.Random(20260102)
    learner = world.start()
    with world.events_and_labels():
        for number in range(4):
            copier = world.merge()
            if number % 2:  # the others are killed while they start and join
                world.wait(partial(_flows, copier))
            time.sleep(chance.uniform(0.0, 0.8 if number % 2 else 2.0))
            copier.kill()
            if number == 1:
                learner.kill()
                learner = world.start()
        copier = world.merge()
        world.wait(partial(_flows, copier))
        world.wait_live(learner)
    world.wait(world.merged)
    assert copier.terminate() == 0
    world.finish(learner)
    world.assert_merged()
    world.assert_undisturbed()
    world.assert_every_label_found_its_event()


def _flows(copier: Worker, partitions: int = 4) -> bool:
    return copier.told("goes on at") + copier.told("begins at") >= partitions


def test_numbers_go_together_to_a_second_worker_and_back(world: MergedWorld) -> None:
    with world.events_and_labels():
        first = world.merge("a")
        world.wait(partial(_flows, first))
        second = world.merge("b")
        world.wait(partial(_flows, second, 2))
        taken = re.findall(rf"{world.group}.(events|labels)-(.) (?:goes on|begins)", second.log.read_text())
        assert sorted(taken) == [("events", taken[0][1]), ("labels", taken[0][1])]
        time.sleep(0.5)
        second.kill()
        # Killed within a transaction, it leaves its positions untold until the broker has aborted that.
        world.wait(lambda: first.told("goes on at") >= 2, TRANSACTION_SECONDS + 60)
    world.wait(world.merged)
    assert first.terminate() == 0
    world.assert_merged()


# --- what is copied, and what is refused --------------------------------------------------------------


def _settings(broker: Broker, group: str, into: str, *topics: str, **more: Any) -> Config:
    kafka = {**options_of(broker), "topic": into, "merge": topics, "group": group, "session_timeout": "2s"}
    task = {"task": {"regression": "y"}, "features": [{"number": "x"}]}
    return Config.model_validate(task | {"source": {"kafka": kafka | {"slot": "a"}}} | more)


def test_records_are_copied_as_they_are_and_a_topic_may_join_later(
    broker: Broker, topic: TopicFactory
) -> None:
    large = {"max_message_bytes": 4_000_000}
    into, first, second = topic(**large), topic(**large), topic(**large)
    records = [
        (b"k", b"v", [("h", b"1"), ("h", b"2")]),
        (None, b"no key", []),
        (b"no value", None, []),
        (b"large", b"x" * 2_000_000, []),
    ]
    producer = KafkaProducer(**options_of(broker), max_request_size=4_000_000)
    for key, value, headers in records:
        producer.send(first, value, key, headers).get(10)
    producer.send(second, b"joins", b"k").get(10)
    producer.close()
    group = f"copies-{uuid4().hex[:8]}"
    merge(_settings(broker, group, into, first), idle_exit=0.3)
    merge(_settings(broker, group, into, first, second), idle_exit=0.3)
    copies = [record for _, record in read_all(broker, into)]
    assert [(copy.key, copy.value, copy.headers[:-4]) for copy in copies] == [*records, (b"k", b"joins", [])]
    assert [dict(copy.headers[-4:])["origin_offset"] for copy in copies] == [b"0", b"1", b"2", b"3", b"0"]


def test_topics_that_do_not_fit_are_refused(broker: Broker, topic: TopicFactory) -> None:
    two, also_two, three = topic(2), topic(2), topic(3)
    with pytest.raises(TransportError, match="topic no-such-topic does not exist"):
        merge(_settings(broker, "g", two, "no-such-topic"))
    for into, topics in ((two, (also_two, three)), (three, (two, also_two))):
        with pytest.raises(TransportError, match=f"as many partitions as {into}, .*{three}: 3"):
            merge(_settings(broker, "g", into, *topics))


def test_a_configuration_that_says_nothing_of_it_or_another_delivery_is_refused(broker: Broker) -> None:
    with pytest.raises(ConfigError, match="merge: is missing"):
        merge(_settings(broker, "g", "all"))
    with pytest.raises(ConfigError, match="delivery: at_least_once: topics are merged exactly once"):
        merge(_settings(broker, "g", "all", "labels", delivery="at_least_once"))


def test_a_group_that_forgot_its_position_copies_nothing_again(broker: Broker, topic: TopicFactory) -> None:
    into, events = topic(), topic()
    fill(broker, events, 5)
    merge(_settings(broker, f"one-{uuid4().hex[:8]}", into, events), idle_exit=0.3)
    forgetful = _settings(broker, f"two-{uuid4().hex[:8]}", into, events)
    with pytest.raises(RecoveryError, match="copied up to offset 4 at least, but the group has no committed"):
        merge(forgetful, idle_exit=0.3)
    assert len(read_all(broker, into)) == 5
    merge(forgetful, accept_inexact=True, idle_exit=0.3)
    assert len(read_all(broker, into)) == 10
