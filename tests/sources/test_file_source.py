"""A file as a log: any position can be sought, committed positions survive, and nothing is read twice."""

import gzip
import json
import time
from pathlib import Path

import pytest

from streamrnn.errors import InputError, RecoveryError, TransportError
from streamrnn.sources import file as file_module
from streamrnn.sources.file import FileSource
from streamrnn.types import Bounds, Commit, Partition, Record


def joined(path: Path, offset: int = 0, **options) -> FileSource:
    source = FileSource(path, **options)
    assert source.poll(0, 1) == {}
    assert source.changes().assigned == (source.partition,)
    source.seek(source.partition, offset)
    source.resume([source.partition])
    return source


def read(source: FileSource, limit: int = 1000) -> list[Record]:
    records = []
    while polled := source.poll(0, limit):
        records += polled[source.partition]
    return records


def offsets(records: list[Record]) -> list[int]:
    return [record.offset for record in records]


@pytest.fixture
def numbers(tmp_path) -> Path:
    """Ten rows, the fifth of them blank."""
    path = tmp_path / "numbers.jsonl"
    path.write_bytes(b"".join(b"\n" if n == 4 else b'{"n":%d}\n' % n for n in range(10)))
    return path


def test_offsets_are_rows_and_blank_rows_are_passed_over(numbers):
    source = joined(numbers)
    records = read(source)
    assert source.partition == Partition("numbers.jsonl", 0)
    assert offsets(records) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert [json.loads(record.value)["n"] for record in records] == offsets(records)
    assert source.position(source.partition) == 10
    assert source.bounds(source.partition, 1) == Bounds(0, 10, 10)
    source.close()


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_polls_of_any_size_give_the_same_records(numbers, limit, monkeypatch):
    monkeypatch.setattr(file_module, "_CHUNK", 13)
    source = joined(numbers)
    polls = []
    while polled := source.poll(0, limit):
        polls.append(polled[source.partition])
    assert all(len(poll) <= limit for poll in polls)
    assert offsets([record for poll in polls for record in poll]) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    source.close()


@pytest.mark.parametrize("chunk", [7, 1 << 20])
def test_any_row_can_be_sought_forward_and_back(numbers, monkeypatch, chunk):
    monkeypatch.setattr(file_module, "_CHUNK", chunk)
    source = joined(numbers)
    for target in (7, 2, 9, 0, 4, 10, 3):
        source.seek(source.partition, target)
        assert source.position(source.partition) == target
        assert offsets(read(source)) == [n for n in range(target, 10) if n != 4]
    source.close()


def test_a_position_outside_the_file_is_refused(numbers):
    source = joined(numbers, offset=11)
    with pytest.raises(TransportError, match="position 11 is outside the file, which has 10 rows"):
        source.poll(0, 1)
    source.close()


def test_nothing_flows_while_paused_or_before_a_position_was_sought(numbers):
    source = FileSource(numbers)
    assert source.changes().assigned == ()
    source.poll(0, 1)
    assert source.poll(0, 1) == {}
    source.resume([source.partition])
    with pytest.raises(TransportError, match="no position"):
        source.poll(0, 1)
    source.seek(source.partition, 8)
    source.pause([Partition("other", 0)])
    assert len(read(source, 1)) == 2
    source.seek(source.partition, 8)
    source.pause([source.partition])
    assert source.poll(0, 1) == {}
    source.close()


def test_a_finite_file_is_exhausted_with_its_last_record(numbers):
    source = joined(numbers, offset=8)
    assert not source.exhausted
    source.poll(0, 1)
    assert not source.exhausted
    source.poll(0, 1)
    assert source.exhausted
    start = time.monotonic()
    assert source.poll(60, 1) == {}
    assert time.monotonic() - start < 10, "the end does not make a poll wait"
    source.seek(source.partition, 0)
    assert not source.exhausted
    source.close()


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t", "t.gz", "T.CSV"])
def test_plain_and_packed_csv_give_the_same_records_whatever_the_name(tmp_path, name):
    content = b'city,n\n"Aix, en P.",1\nBrest,\n'
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    source = joined(tmp_path / name)
    assert [json.loads(record.value) for record in read(source)] == [
        {"city": "Aix, en P.", "n": 1},
        {"city": "Brest", "n": None},
    ]
    assert source.bounds(source.partition, 1).end == 2
    source.close()


def test_json_lines_are_known_by_their_first_character(tmp_path):
    (tmp_path / "data").write_bytes(b'\n {"a": 1}\n')
    source = joined(tmp_path / "data")
    assert [record.value for record in read(source)] == [b'{"a": 1}']
    source.close()


def test_a_followed_file_hands_out_whole_lines_as_they_come(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":0}\n{"n":')
    source = joined(path, follow=True)
    assert offsets(read(source)) == [0]
    assert source.bounds(source.partition, 1).end == 1
    assert not source.exhausted
    with path.open("ab") as file:
        file.write(b'1}\n{"n":2}\n')
    assert [record.value for record in read(source)] == [b'{"n":1}', b'{"n":2}']
    assert source.bounds(source.partition, 1).end == 3
    start = time.monotonic()
    assert source.poll(0.05, 1) == {}
    assert time.monotonic() - start >= 0.05
    source.seek(source.partition, 1)
    assert offsets(read(source)) == [1, 2]
    source.close()


def test_a_followed_csv_waits_for_its_header(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"a,b")
    source = joined(path, follow=True)
    assert read(source) == []
    with path.open("ab") as file:
        file.write(b"\n1,2\n")
    assert [record.value for record in read(source)] == [b'{"a":1,"b":2}']
    source.close()


def test_a_followed_file_that_shrinks_or_vanishes_is_an_error(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":0}\n{"n":1}\n')
    source = joined(path, follow=True)
    assert offsets(read(source)) == [0, 1]
    path.write_bytes(b'{"n":9}\n')
    with pytest.raises(InputError, match="became shorter"):
        source.poll(0, 1)
    path.unlink()
    with pytest.raises(InputError, match="went away"):
        source.poll(0, 1)
    source.close()


def test_committed_positions_survive_a_restart(tmp_path, numbers):
    positions = tmp_path / "state" / "positions.json"
    source = joined(numbers, positions=positions)
    assert source.committed(source.partition, 1) is None
    source.commit({source.partition: Commit(3, '{"lineage": "é"}')})
    source.commit({source.partition: Commit(7, "later")})
    source.close()
    again = FileSource(numbers, positions=positions)
    assert again.committed(again.partition, 1) == Commit(7, "later")
    assert [path.name for path in positions.parent.iterdir()] == ["positions.json"]
    again.close()


def test_without_a_positions_file_they_last_as_long_as_the_source(numbers):
    source = joined(numbers)
    source.commit({source.partition: Commit(3)})
    assert source.committed(source.partition, 1) == Commit(3)
    source.close()


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"offset": "x", "metadata": ""}}', "\xff"])
def test_a_damaged_positions_file_is_refused_by_name(tmp_path, numbers, content):
    (tmp_path / "p.json").write_text(content, encoding="latin-1")
    with pytest.raises(RecoveryError, match=r"p\.json is damaged"):
        FileSource(numbers, positions=tmp_path / "p.json")


def test_positions_that_cannot_be_written_are_an_error(tmp_path, numbers):
    source = joined(numbers, positions=tmp_path / "p.json")
    (tmp_path / "p.json.new").mkdir()
    with pytest.raises(TransportError, match=r"p\.json cannot be written"):
        source.commit({source.partition: Commit(1)})
    source.close()


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv cannot be read: No such file or directory$"):
        FileSource(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"cannot be read: Is a directory$"):
        FileSource(tmp_path)
    packed = gzip.compress(b"a,b\n1,2\n" * 100)
    (tmp_path / "cut.csv.gz").write_bytes(packed[:-20])
    with pytest.raises(InputError, match=r"cut\.csv\.gz cannot be read"):
        FileSource(tmp_path / "cut.csv.gz")
    (tmp_path / "twice.csv").write_bytes(b"a,a\n1,2\n")
    source = joined(tmp_path / "twice.csv")
    with pytest.raises(InputError, match=r"twice\.csv: .*the name a stands twice"):
        source.poll(0, 1)
    source.close()


def test_a_packed_file_cannot_be_followed(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a\n1\n"))
    with pytest.raises(InputError, match="cannot be followed"):
        FileSource(tmp_path / "t.csv.gz", follow=True)


def test_counting_a_long_file_goes_on_where_a_short_deadline_stopped_it(numbers, monkeypatch):
    monkeypatch.setattr(file_module, "_CHUNK", 13)
    source = joined(numbers)
    attempts = 0
    while True:
        try:
            bounds = source.bounds(source.partition, 0)
            break
        except TransportError:
            attempts += 1
    assert attempts > 1
    assert bounds == Bounds(0, 10, 10)
    source.close()


def test_there_is_no_group_to_belong_to(numbers):
    source = joined(numbers)
    assert source.membership() is None
    source.close()
