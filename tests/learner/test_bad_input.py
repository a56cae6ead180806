"""Bad records are set aside with a reason and change nothing."""

import hashlib
import json
from typing import Any

import pytest

from streamrnn.errors import InputError
from streamrnn.learner import Learner
from streamrnn.types import Record
from tests.learner.streams import FORECAST, PARTITION, TASKS, config, events, stream

GOOD = events(1)[0]


def changed(**fields: Any) -> bytes:
    return json.dumps(GOOD | fields).encode()


BAD: list[tuple[str, bytes | None, str]] = [
    ("truncated JSON", changed()[:-5], "not_json"),
    ("NaN", changed(level="?").replace(b'"?"', b"NaN"), "not_finite"),
    ("Infinity", changed(level="?").replace(b'"?"', b"-Infinity"), "not_finite"),
    ("beyond a float", b'{"sensor":"s1","at":1,"kind":"a","level":1e999}', "not_finite"),
    ("text for a number", changed(level="12"), "wrong_type"),
    ("truth for a number", changed(level=True), "wrong_type"),
    ("number for a time", changed(at=[]), "wrong_type"),
    ("no key", json.dumps({k: v for k, v in GOOD.items() if k != "sensor"}).encode(), "missing_field"),
    ("no time", json.dumps({k: v for k, v in GOOD.items() if k != "at"}).encode(), "missing_field"),
    ("bad time", changed(at="yesterday"), "bad_time"),
    ("10 MB", changed(level=1.0, filler="x" * 10_000_000), "too_large"),
    ("null value", None, "null_value"),
    ("nested", changed(level={"value": 3}), "wrong_type"),
    ("deeply nested", b"[" * 5000 + b"]" * 5000, "not_json"),
    ("a list", b"[1, 2]", "not_an_object"),
    ("bad UTF-8", changed(kind="?").replace(b"?", b"\xff\xfe"), "bad_utf8"),
]


@pytest.mark.parametrize(("value", "reason"), [(v, r) for _, v, r in BAD], ids=[name for name, _, _ in BAD])
def test_a_bad_record_is_a_dead_letter_with_its_reason(value: bytes | None, reason: str) -> None:
    learner = Learner(config(FORECAST), "lineage")
    (output,) = learner.learn([Record(12, b"key", value)], PARTITION)
    headers = dict(output.headers)
    assert output.kind == "dead_letter"
    assert headers["reason"].decode() == reason
    assert headers["detail"]
    assert (headers["topic"], headers["partition"], headers["offset"]) == (b"numbers", b"3", b"12")
    assert output.key == b"key"
    assert (value or b"").startswith(output.value or b"")


@pytest.mark.parametrize("task", TASKS)
def test_the_state_is_that_of_a_stream_without_the_bad_records(task: str) -> None:
    good = stream(150)
    spoilt = list(good)
    for place, (_, value, _) in enumerate(BAD):
        spoilt.insert(7 * place, Record(0, None, value))
    spoilt = [Record(i, record.key, record.value) for i, record in enumerate(spoilt)]
    clean, dirty = (Learner(config(TASKS[task]), "lineage") for _ in range(2))
    clean.learn(good, PARTITION)
    kinds = [output.kind for output in dirty.learn(spoilt, PARTITION)]
    assert kinds.count("prediction") >= len(good)
    if task == "forecast":  # the others do not read every field that is bad here
        assert kinds.count("dead_letter") == len(BAD)
        own = ("bad_records/", "digest/")
        a, b = (
            {n: x.tobytes() for n, x in each.state().items() if not n.startswith(own)}
            for each in (clean, dirty)
        )
        assert a == b


def test_a_long_bad_value_is_cut_and_described() -> None:
    value = b"x" * 200_000
    (output,) = Learner(config(FORECAST), "lineage").learn([Record(1, None, value)], PARTITION)
    headers = dict(output.headers)
    assert output.value == value[:65_536]
    assert headers["length"] == b"200000"
    assert headers["sha256"].decode() == hashlib.sha256(value).hexdigest()


def test_too_many_bad_records_in_a_row_stop_the_stream_with_an_example() -> None:
    learner = Learner(config(FORECAST, bad_records={"in_a_row": 5}), "lineage")
    bad = [Record(i, None, b"oops") for i in range(5)]
    learner.learn([*bad[:4], *stream(1), *bad[:4]], PARTITION)
    with pytest.raises(InputError, match=r"5 bad records in a row.*offset 0: not_json"):
        learner.learn(bad[:1], PARTITION)


def test_bad_records_that_were_gone_past_before_stop_nothing_when_they_are_learned_again() -> None:
    learner = Learner(config(FORECAST, bad_records={"in_a_row": 5}), "lineage")
    bad = [Record(i, None, b"oops") for i in range(8)]
    assert len(learner.learn(bad, PARTITION, accepted=True)) == 8
    with pytest.raises(InputError, match="9 bad records in a row"):
        learner.learn(bad[:1], PARTITION)


def test_too_large_a_share_of_bad_records_stops_the_stream() -> None:
    learner = Learner(config(FORECAST, bad_records={"share": 0.1}), "lineage")
    good = stream(900)
    learner.learn(
        [x for i in range(100) for x in (*good[9 * i : 9 * i + 9], Record(i, None, b"oops"))], PARTITION
    )
    with pytest.raises(InputError, match="101 of the last 1000 records are bad"):
        learner.learn([Record(5, None, b"oops")], PARTITION)


def test_good_records_push_bad_ones_out_of_the_span() -> None:
    learner = Learner(config(FORECAST, bad_records={"share": 0.1}), "lineage")
    bad = [Record(i, None, b"oops") for i in range(100)]
    good = stream(1000)
    learner.learn([*bad, *good], PARTITION)
    learner.learn([*bad, *good[:5], *good, *bad], PARTITION)
    assert learner.events == 2005
