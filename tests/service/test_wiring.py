"""From a configuration to a service: what goes together, and a whole life over files."""

import gc
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from streamrnn.config import Config
from streamrnn.errors import ConfigError, InputError
from streamrnn.learner import Learner
from streamrnn.service import run
from streamrnn.service.wiring import placed
from streamrnn.types import Partition, Record
from streamrnn.worker.cluster import kafka_options

KAFKA = {"kafka": {"topic": "in", "group": "g", "bootstrap_servers": "here:1"}}
INTO_KAFKA = {"kafka": {"topic": "out", "dead_letters": "dead"}}


def _config(source: Any, sink: Any, **more: Any) -> Config:
    settings = {
        "task": {"forecast": "y"},
        "features": [{"number": "y"}],
        "networks": [{"name": "net", "hidden": 4}],
        "max_keys": 10,
        "source": source,
        "sink": sink,
    }
    return Config.model_validate(settings | more)


@pytest.mark.parametrize(
    ("source", "sink", "more", "said"),
    [
        (None, INTO_KAFKA, {}, "source: is missing"),
        (KAFKA, None, {}, "sink: is missing"),
        (KAFKA, {"stdout": "jsonl"}, {}, "needs a sink in Kafka"),
        ({"file": "a"}, {"file": "b"}, {"delivery": "exactly_once"}, "write delivery: at_least_once"),
        (KAFKA, {"kafka": {**INTO_KAFKA["kafka"], "bootstrap_servers": "there:1"}}, {}, "one cluster"),
    ],
)
def test_what_does_not_go_together_is_refused(source: Any, sink: Any, more: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        placed(_config(source, sink, **more))


def test_files_are_delivered_at_least_once_and_kafka_exactly_once() -> None:
    assert placed(_config({"file": "a"}, {"file": "b"})).delivery == "at_least_once"
    assert placed(_config(KAFKA, INTO_KAFKA)).delivery == "exactly_once"


def test_the_client_gets_what_was_given_and_no_files_of_secrets() -> None:
    source = {"kafka": {**KAFKA["kafka"], "sasl_plain_username": "me", "sasl_plain_password": "hush"}}
    config = _config(source, INTO_KAFKA)
    assert config.source is not None
    options = dict(kafka_options(config.source.kafka))  # type: ignore[union-attr]
    assert options["sasl_plain_password"] == "hush" and options["bootstrap_servers"] == "here:1"
    assert not {"topic", "group", "slot", "sasl_plain_password_file"} & options.keys()


@pytest.mark.parametrize(("device", "warnings"), [("cuda", ["networks.1.device"]), ("cpu", [])])
def test_that_cuda_restores_no_bits_is_said_at_the_start(
    device: str, warnings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    mine = {"name": "mine", "torch": "no.such:Class", "device": device}  # ends the start, GPU or not
    config = _config({"file": "a"}, {"file": "b"}, networks=[{"name": "net", "hidden": 4}, mine])
    with pytest.raises(ConfigError, match=r"^networks\.1\.torch: "):
        run(config)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == warnings


def test_a_life_over_files_in_three_starts_equals_one_undisturbed_learner(tmp_path: Path) -> None:
    rows = [json.dumps({"y": (n * 37 % 11) / 3}) if n % 20 != 7 else "{broken" for n in range(200)]
    (tmp_path / "in.jsonl").write_text("\n".join(rows) + "\n")
    config = _config(
        {"file": str(tmp_path / "in.jsonl")},
        {"file": str(tmp_path / "out.jsonl")},
        snapshots={"store": str(tmp_path / "snapshots")},
        batch=16,
    )
    run(config, max_records=50)
    run(config, max_records=50)
    run(config)

    published = (tmp_path / "out.jsonl").read_bytes().splitlines()
    twin = Learner(config, json.loads(published[0])["lineage"])
    records = [Record(n, None, row.encode()) for n, row in enumerate(rows)]
    outputs = twin.learn(records, Partition("in.jsonl", 0))
    assert published == [output.value for output in outputs if output.kind == "prediction"]


@pytest.mark.parametrize("max_records", [1, None], ids=["a limit", "an error"])
def test_nothing_is_kept_from_the_garbage_collector_once_it_is_over(
    tmp_path: Path, max_records: int | None
) -> None:
    """What torch imports complains at the end of the process of what was never freed."""
    (tmp_path / "in.jsonl").write_text("{broken\n" * 3)
    config = _config(
        {"file": str(tmp_path / "in.jsonl")},
        {"file": str(tmp_path / "out.jsonl")},
        snapshots={"store": str(tmp_path / "snapshots")},
        bad_records={"in_a_row": 3},
    )
    with pytest.raises(InputError) if max_records is None else nullcontext():
        run(config, max_records=max_records)
    assert gc.get_freeze_count() == 0
