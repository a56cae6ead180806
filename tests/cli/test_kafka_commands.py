"""`produce` and `broker` against a real Apache Kafka."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from streamrnn.broker import Broker
from streamrnn.kafka_client import partition_counts, probe
from tests.cli.conftest import ROWS, Run, lines

pytestmark = pytest.mark.kafka


def records(bootstrap_servers: str, topic: str, partitions: int) -> list[list[tuple[bytes, bytes]]]:
    """(key, value) of everything in each partition."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        found = []
        for number in range(partitions):
            partition = TopicPartition(topic, number)
            end = consumer.end_offsets([partition])[partition]
            consumer.assign([partition])
            consumer.seek(partition, 0)
            part: list[tuple[bytes, bytes]] = []
            while len(part) < end:
                part += [(r.key, r.value) for r in consumer.poll(1000).get(partition, [])]
            found.append(part)
        return found
    finally:
        consumer.close()


def test_produce_publishes_every_row_in_order_and_keeps_a_key_in_one_partition(
    run: Run, stream: Path, broker: Broker, topic: Callable[..., str]
) -> None:
    name = topic(3)
    code, _, err = run(
        "produce", stream, "--topic", name, "--key", "sensor", "--bootstrap-servers", broker.bootstrap_servers
    )
    assert (code, err) == (0, f"{ROWS} records are in {name}\n")
    found = records(broker.bootstrap_servers, name, 3)
    for key in (b"a", b"b"):
        [holder] = [part for part in found if any(k == key for k, _ in part)]
        values = [value.decode() for k, value in holder if k == key]
        assert values == [line for line in lines() if json.loads(line)["sensor"] == key.decode()]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--topic", "absent"), 5, "topic absent does not exist"),
        (
            ("--topic", "{topic}", "--key", "x"),
            3,
            "row 1: the field x holds no text or whole number for a key",
        ),
        (("--topic", "{topic}", "--rate", "0"), 2, "Invalid value for '--rate'"),
    ],
)
def test_what_cannot_be_produced_says_why(
    run: Run,
    stream: Path,
    broker: Broker,
    topic: Callable[..., str],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    name = topic()
    given = (argument.format(topic=name) for argument in arguments)
    found, _, err = run("produce", stream, *given, "--bootstrap-servers", broker.bootstrap_servers)
    assert found == code
    assert said in err and err.count("\n") == 1


def test_broker_serves_until_it_is_told_to_stop_and_keeps_its_topics(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streamrnn", "broker", "--directory", str(tmp_path / "kafka")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        options = {"bootstrap_servers": found[0]}
        assert partition_counts(options, 10) == {}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not probe(options, 0.5)
