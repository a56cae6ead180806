"""Lines on disk: whole, in order, and mended after a crash."""

import json
from pathlib import Path

import pytest

from streamrnn.errors import TransportError
from streamrnn.sinks.file import FileSink
from streamrnn.types import Commit, Output, Partition

P0, P1 = Partition("in", 0), Partition("in", 1)
DEAD = Output("dead_letter", b"k\xff", b'{"a":\n\xff', [("reason", b"not_json"), ("offset", b"7")])


def prediction(number: int) -> Output:
    return Output("prediction", b"k", b'{"n":%d}' % number, [("at", b"1")])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "predictions.jsonl"


def test_predictions_are_appended_in_order_and_there_when_publish_returns(path):
    sink = FileSink(path)
    assert not sink.transactional
    sink.publish({P0: [prediction(1), prediction(2)], P1: [prediction(3)]}, {P0: Commit(2)}, None)
    sink.publish({P0: [prediction(4)]}, {}, object())
    assert path.read_bytes() == b'{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n'
    sink.recover()
    sink.close()
    again = FileSink(path)
    again.publish({P0: [prediction(5)]}, {}, None)
    again.close()
    assert len(path.read_bytes().splitlines()) == 5


def test_dead_letters_keep_key_headers_and_value_as_one_json_line(path, tmp_path):
    sink = FileSink(path, tmp_path / "dead.jsonl")
    sink.publish({P0: [prediction(1), DEAD, Output("dead_letter", None, None, [])]}, {}, None)
    sink.close()
    assert path.read_bytes() == b'{"n":1}\n'
    assert [json.loads(line) for line in (tmp_path / "dead.jsonl").read_bytes().splitlines()] == [
        {"key": "k\\xff", "headers": {"reason": "not_json", "offset": "7"}, "value": '{"a":\n\\xff'},
        {"key": None, "headers": {}, "value": None},
    ]


def test_without_a_file_for_them_dead_letters_are_not_kept(path):
    sink = FileSink(path)
    sink.publish({P0: [DEAD]}, {}, None)
    sink.close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("left", "mended"),
    [
        (b'{"n":1}\n{"n":2', b'{"n":1}\n'),
        (b'{"n":2', b""),
        (b'{"n":1}\n{"n":2}', b'{"n":1}\n{"n":2}\n'),
        (b'{"n":1}\n', b'{"n":1}\n'),
        (b'{"n":1}\n{"text":"' + b"x" * 200_000, b'{"n":1}\n'),
        (b'{"n":"\xc3', b""),
    ],
)
def test_a_last_line_cut_short_by_a_crash_is_removed_before_anything_is_appended(path, left, mended):
    path.parent.mkdir()
    path.write_bytes(left)
    sink = FileSink(path)
    sink.publish({P0: [prediction(9)]}, {}, None)
    sink.close()
    assert path.read_bytes() == mended + b'{"n":9}\n'


def test_a_file_that_is_not_one_of_json_lines_is_refused_unharmed(path):
    path.parent.mkdir()
    path.write_bytes(b"dear diary\nnothing")
    with pytest.raises(TransportError, match="not a file of JSON Lines"):
        FileSink(path)
    assert path.read_bytes() == b"dear diary\nnothing"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(TransportError, match="cannot be opened for appending"):
        FileSink(tmp_path / "file" / "out.jsonl")
    with pytest.raises(TransportError, match="cannot be opened for appending"):
        FileSink(tmp_path / "out.jsonl", tmp_path)
    with pytest.raises(TransportError, match="cannot be opened for appending"):
        FileSink(tmp_path, tmp_path / "dead.jsonl")


def test_a_full_disk_is_an_error_at_once():
    sink = FileSink(Path("/dev/full"))
    with pytest.raises(TransportError, match=r"/dev/full cannot be written: .*No space left"):
        sink.publish({P0: [prediction(1)]}, {}, None)
    with pytest.raises(TransportError, match="No space left"):
        sink.close()
