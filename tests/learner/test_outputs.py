"""What is published, as a reader of the topic sees it."""

import json
import struct
from hashlib import sha256
from pathlib import Path

import jsonschema
import msgspec
import pytest

from streamrnn.learner import Learner
from streamrnn.learner.outputs import Prediction, TextPrediction, json_schema
from streamrnn.types import Output, Record
from tests.learner.streams import FORECAST, PARTITION, TASKS, config, stream

SCHEMA = Path(__file__).parents[2] / "docs" / "prediction.schema.json"


def test_the_documented_schema_is_the_present_one() -> None:
    write = "python -c 'from streamrnn.learner.outputs import *; print(json_schema(), end=\"\")'"
    assert SCHEMA.read_text() == json_schema(), f"write it anew: {write} > docs/prediction.schema.json"


@pytest.mark.parametrize("members", [True, False])
@pytest.mark.parametrize("task", TASKS)
def test_every_prediction_fits_the_documented_schema(task: str, members: bool) -> None:
    schema = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    learner = Learner(config(TASKS[task], predictions={"members": members}), "lineage")
    for output in learner.learn(stream(80), PARTITION):
        value = json.loads(output.value or b"", parse_constant=pytest.fail)
        schema.validate(value)
        made = not task.startswith("late") or "id" in value  # else the record only brought a label
        assert ("members" in value) == (members and task != "text" and made)


@pytest.mark.parametrize("members", [True, False])
@pytest.mark.parametrize("task", TASKS)
def test_a_block_is_written_as_each_of_its_records_would_be(task: str, members: bool) -> None:
    learner = Learner(config(TASKS[task], predictions={"members": members}), "lineage")
    values = [output.value or b"" for output in learner.learn(stream(80), PARTITION)]
    kind = TextPrediction if task == "text" else Prediction
    records = [msgspec.json.decode(value, type=kind) for value in values]
    assert list(map(msgspec.json.encode, records)) == values


def test_a_prediction_says_where_its_event_stood() -> None:
    learner = Learner(config(FORECAST), "a life")
    records = [*stream(3), Record(10, None, b"{"), *stream(1)]
    values = [
        msgspec.json.decode(o.value or b"", type=Prediction)
        for o in learner.learn(records, PARTITION)
        if o.kind == "prediction"
    ]
    assert [v.event for v in values] == [1, 2, 3, 4]
    assert [v.position.offset for v in values] == [7, 8, 9, 7]
    assert {(v.lineage, v.position.topic, v.position.partition) for v in values} == {("a life", "numbers", 3)}
    assert values[0].time is not None
    assert values[0].time.isoformat() == "2023-11-14T22:13:20+00:00"


def test_the_key_of_a_prediction_is_that_of_the_stream_or_else_of_the_record() -> None:
    (keyed,) = Learner(config(FORECAST), "x").learn(stream(1, keys=1), PARTITION)
    assert keyed.key == b"s0"
    bare = config(FORECAST, key=None)
    (unkeyed,) = Learner(bare, "x").learn([Record(0, b"mine", stream(1)[0].value)], PARTITION)
    assert unkeyed.key == b"mine"


def chained(outputs: list[Output]) -> str:
    """The digest, written a second time from its description."""
    link = bytes(16)
    for begin in range(0, len(outputs), 64):
        part = outputs[begin : begin + 64]
        kinds = [int(output.kind == "dead_letter") for output in part]
        lengths = [len(output.key or b"") for output in part] + [len(output.value or b"") for output in part]
        text = link + struct.pack(f"<{3 * len(part)}q", *kinds, *lengths)
        text += b"".join(output.key or b"" for output in part)
        text += b"".join(output.value or b"" for output in part)
        link = sha256(text).digest()[:16]
    return link.hex()


def test_the_digest_chains_key_and_value_of_everything_published() -> None:
    learner = Learner(config(FORECAST), "x")
    outputs = learner.learn([*stream(150), Record(3, b"k", b"oops")], PARTITION)
    assert learner.digest == chained(outputs)
    assert learner.digest != chained(outputs[:-1])
