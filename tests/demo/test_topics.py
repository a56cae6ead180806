"""The demo's topics on a real Kafka: published in order, recognised as its own, emptied."""

import time
import uuid
from collections import Counter
from collections.abc import Callable

import pytest

from streamrnn.broker import Broker
from streamrnn.cli.demo import pedestrians, topics
from streamrnn.cli.demo.pedestrians import Event
from streamrnn.cli.demo.publisher import Publisher
from streamrnn.cli.demo.watcher import Watcher
from streamrnn.errors import ConfigError

pytestmark = pytest.mark.kafka


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of their own, because all tests share a broker."""
    for name in ("INPUT", "PREDICTIONS", "DEAD_LETTERS"):
        monkeypatch.setattr(topics, name, f"demo-{name.lower()}-{uuid.uuid4().hex[:8]}")
    monkeypatch.setattr(topics, "ALL", (topics.INPUT, topics.PREDICTIONS, topics.DEAD_LETTERS))


def publish(broker: Broker, events: list[Event]) -> None:
    publisher = Publisher(broker.bootstrap_servers, topics.INPUT, events, rate=20_000)
    publisher.start()
    _until(lambda: publisher.done)
    publisher.stop()
    assert publisher.published == len(events)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def values(broker: Broker) -> dict[int, list[bytes | None]]:
    watcher = Watcher(broker.bootstrap_servers, topics.INPUT)
    found: dict[int, list[bytes | None]] = {0: [], 1: []}
    for fetched in watcher.up_to_now():
        for partition, records in fetched.items():
            found[partition] += [record.value for record in records]
    watcher.close()
    return found


def of(events: list[Event], partition: int) -> list[bytes]:
    return [event.value for event in events if event.partition == partition]


def test_a_stream_left_half_way_is_completed_without_gap_or_repeat(broker: Broker, names: None) -> None:
    events = pedestrians.load()[:600]
    topics.create(broker.bootstrap_servers)
    publish(broker, events[:250])
    topics.check_ours(broker.bootstrap_servers, events)
    held = topics.extent(broker.bootstrap_servers, topics.INPUT)
    assert held.records == Counter(event.partition for event in events[:250])
    publish(broker, pedestrians.left(events, held.records))
    assert values(broker) == {0: of(events, 0), 1: of(events, 1)}


def test_emptied_topics_hold_nothing_and_are_filled_again_from_the_start(broker: Broker, names: None) -> None:
    events = pedestrians.load()[:100]
    topics.create(broker.bootstrap_servers)
    publish(broker, events)
    topics.empty(broker.bootstrap_servers)
    held = topics.extent(broker.bootstrap_servers, topics.INPUT)
    assert held.records == {0: 0, 1: 0}
    assert sum(held.begin.values()) == 100
    assert values(broker) == {0: [], 1: []}
    publish(broker, pedestrians.left(events, held.records))
    topics.check_ours(broker.bootstrap_servers, events)
    assert values(broker) == {0: of(events, 0), 1: of(events, 1)}


def test_a_topic_with_other_records_is_left_alone(broker: Broker, names: None) -> None:
    topics.create(broker.bootstrap_servers)
    publish(broker, [Event(1, b"key", b"somebody else's")])
    with pytest.raises(ConfigError, match="not the demo's"):
        topics.check_ours(broker.bootstrap_servers, pedestrians.load())
