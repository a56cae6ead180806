"""The service as its users meet it: signals, exit codes, HTTP, and what a real Kafka does to a topic."""

import contextlib
import json
import re
import time
import urllib.request

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from streamrnn.broker import Broker, create_topics
from streamrnn.errors import RecoveryError, TransportError
from streamrnn.kafka_client import native
from streamrnn.service import run
from streamrnn.types import Commit, Partition
from tests.kafka.helpers import options_of, read_all

from .conftest import MakeWorld
from .kafka_world import KafkaWorld, Worker

pytestmark = pytest.mark.kafka


def _get(worker: Worker, path: str) -> tuple[int, str]:
    address = re.findall(r"http://[\d.:]+", worker.log.read_text())[-1]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address + path, timeout=5) as response:
        return response.status, response.read().decode()


def test_a_life_in_order(make_world: MakeWorld, broker: Broker) -> None:
    """Ready, status, metrics; SIGTERM gives exit code 0 and leaves all committed and snapshotted."""
    world = make_world(broker)
    world.produce(300)
    worker = world.start()
    world.wait_live(worker)
    world.wait(world.caught_up)
    time.sleep(1.5)  # status is renewed once a second

    assert _get(worker, "/livez")[0] == 200
    assert _get(worker, "/readyz")[0] == 200
    status = json.loads(_get(worker, "/api/v1/status")[1])
    (partition,) = status["partitions"]
    assert status["learned_records"] == 300
    assert partition["stage"] == "live" and partition["counts"]["events"] == 300 - 3
    assert set(partition["windows"]) == {"one-step", "growing"}
    assert sum(partition["weights"].values()) == pytest.approx(1)
    metrics = _get(worker, "/metrics")[1]
    labels = f'{{partition="0",topic="{world.topic}"'
    assert f"streamrnn_records_total{labels}}} 300.0" in metrics
    assert f"streamrnn_dead_letters_total{labels[:-1]}"[:30] in metrics
    assert "streamrnn_ready 1.0" in metrics

    assert worker.terminate() == 0
    assert worker.told("WARNING") == worker.told("ERROR") == 0, worker.log.read_text()
    world.produce(50)
    again = world.start()
    world.wait_live(again)
    world.finish(again)
    assert again.told("replaying") == 1
    world.assert_undisturbed()
    headers = [dict(record.headers) for _, record in read_all(broker, world.out)]
    assert all(abs(int(each["processed_at"]) / 1000 - time.time()) < 300 for each in headers)


def test_at_least_once_may_repeat_predictions_after_a_kill_but_learns_exactly(
    make_world: MakeWorld, broker: Broker
) -> None:
    world = make_world(broker, delivery="at_least_once", batch=20)
    with world.flowing(rate=300.0):
        for seed in range(2):
            worker = world.start(seed=seed)
            world.wait_live(worker)
            time.sleep(0.5)
            worker.kill()
    worker = world.start()
    world.wait_live(worker)
    world.finish(worker)
    world.assert_undisturbed(repeated=True)


def test_a_broker_that_is_killed_and_one_that_freezes_are_ridden_out(
    make_world: MakeWorld, fragile_broker: Broker
) -> None:
    world = make_world(fragile_broker)
    world.produce(1500)
    worker = world.start(seed=1)
    world.wait_live(worker)
    fragile_broker.kill()
    time.sleep(1.0)
    assert worker.process.poll() is None
    assert _get(worker, "/livez")[0] == 200
    fragile_broker.start()
    world.produce(500)
    world.wait(world.caught_up)
    fragile_broker.freeze()
    time.sleep(3.0)
    fragile_broker.thaw()
    world.produce(500)
    world.finish(worker)
    world.assert_undisturbed()


# --- in this process, where only the outcome matters ----------------------------------------------------


def _run(world: KafkaWorld, **options: object) -> None:
    run(world.config(), idle_exit=1.0, **options)  # type: ignore[arg-type]


def _recreate(broker: Broker, topic: str) -> None:
    admin = KafkaAdminClient(**options_of(broker))
    try:
        admin.delete_topics([topic])
    finally:
        admin.close()
    deadline = time.monotonic() + 20
    while True:
        try:
            create_topics(options_of(broker), {topic: 1}, {"retention.ms": "-1"})
            return
        except TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def _put_back(world: KafkaWorld, commits: dict[Partition, Commit | None]) -> None:
    """As a tool that restores a group's positions; the broker takes them once the group has no member."""
    offsets = {native(p): OffsetAndMetadata(c.offset, c.metadata, -1) for p, c in commits.items() if c}
    admin = KafkaConsumer(**options_of(world.broker), group_id=world.group, enable_auto_commit=False)
    try:
        admin.assign(list(offsets))

        def taken() -> bool:
            with contextlib.suppress(KafkaError):
                admin.commit(offsets, timeout_ms=1000)
                return True
            return False

        world.wait(taken, 20)
    finally:
        admin.close()


def test_a_recreated_topic_stops_until_a_new_lineage_is_asked_for(
    make_world: MakeWorld, broker: Broker
) -> None:
    """Also where its positions were put back and it has grown as long as the old one was."""
    world = make_world(broker)
    world.produce(200)
    _run(world)
    before = world.committed()
    _recreate(broker, world.topic)
    world.produce(200)
    with pytest.raises(RecoveryError, match=r"no committed position.*--reset"):
        _run(world)
    _put_back(world, before)
    with pytest.raises(RecoveryError, match=r"made anew: its id is .*--reset"):
        _run(world)
    _run(world, reset=True)
    lineages = list(
        dict.fromkeys(json.loads(record.value)["lineage"] for _, record in read_all(broker, world.out))
    )
    assert len(lineages) == 2


def test_records_that_retention_removed_before_they_were_learned_stop_it(
    make_world: MakeWorld, broker: Broker
) -> None:
    world = make_world(broker)
    world.produce(200)
    _run(world)
    world.produce(100)
    admin = KafkaAdminClient(**options_of(broker))
    try:
        admin.delete_records({TopicPartition(world.topic, 0): 250})
    finally:
        admin.close()
    with pytest.raises(RecoveryError, match="retention"):
        _run(world)
