"""`merge` on the command line."""

import json
import uuid
from pathlib import Path

import pytest

from streamrnn.broker import Broker
from tests.cli.conftest import Run
from tests.conftest import TopicFactory
from tests.kafka.helpers import fill, values_of

CONFIG = {"task": {"regression": "y"}, "features": [{"number": "x"}]}


def _write(path: Path, **kafka: object) -> Path:
    path.write_text(json.dumps(CONFIG | {"source": {"kafka": {"topic": "all", "group": "g"} | kafka}}))
    return path


def test_a_configuration_without_topics_to_merge_is_one_line_and_exit_code_2(
    run: Run, tmp_path: Path
) -> None:
    code, _, said = run("merge", _write(tmp_path / "c.json"))
    told = "source.kafka.merge: is missing; name the topics that are to be copied into source.kafka.topic"
    assert (code, said) == (2, told + "\n")


@pytest.mark.kafka
def test_it_leaves_in_order_once_nothing_came_for_a_while(
    run: Run, broker: Broker, topic: TopicFactory, tmp_path: Path
) -> None:
    into, events = topic(), topic()
    fill(broker, events, 3)
    kafka = {"topic": into, "merge": [events], "group": f"cli-{uuid.uuid4().hex[:8]}"}
    config = _write(tmp_path / "c.json", bootstrap_servers=broker.bootstrap_servers, **kafka)
    code, _, said = run("merge", config, "--idle-exit", "500ms", "--set", "source.kafka.slot=a")
    assert code == 0
    assert f"{events} flow into {into} (slot a)" in said
    assert values_of(broker, into) == [b"0", b"1", b"2"]
