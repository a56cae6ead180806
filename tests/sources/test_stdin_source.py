"""What is piped in is read once, in time, and counted on from the committed position."""

import os
import threading
import time

import pytest

from streamrnn.errors import InputError, RecoveryError
from streamrnn.sources.stdin import StdinSource
from streamrnn.types import Bounds, Commit, Partition

IN = Partition("stdin", 0)


class Pipe:
    def __init__(self) -> None:
        self.out, self._in = os.pipe()

    def write(self, content: bytes) -> None:
        os.write(self._in, content)

    def end(self) -> None:
        if self._in >= 0:
            os.close(self._in)
            self._in = -1


@pytest.fixture
def pipe():
    pipe = Pipe()
    yield pipe
    pipe.end()
    os.close(pipe.out)


def joined(pipe: Pipe, form="jsonl", **options) -> StdinSource:
    source = StdinSource(form, descriptor=pipe.out, **options)
    assert source.poll(0, 1) == {}
    assert source.changes().assigned == (IN,)
    source.seek(IN, source.position(IN))
    source.resume([IN])
    return source


def values(polled) -> list[bytes]:
    return [record.value for record in polled.get(IN, [])]


def test_whole_lines_come_as_they_are_piped_in(pipe):
    source = joined(pipe)
    pipe.write(b'{"n":0}\n\n{"n":')
    assert values(source.poll(1, 10)) == [b'{"n":0}']
    assert source.poll(0, 10) == {}
    pipe.write(b'2}\n{"n":3}\n{"n":4}')
    assert [record.offset for record in source.poll(1, 1)[IN]] == [2], "the blank row used up an offset"
    assert values(source.poll(1, 10)) == [b'{"n":3}']
    assert not source.exhausted
    pipe.end()
    assert values(source.poll(1, 10)) == [b'{"n":4}'], "the last line needs no line end"
    assert source.exhausted
    assert source.poll(60, 10) == {}


def test_csv_takes_its_header_from_the_first_line(pipe):
    source = joined(pipe, "csv")
    pipe.write(b"a,b\n1,x\n")
    pipe.end()
    assert values(source.poll(1, 10)) == [b'{"a":1,"b":"x"}']


def test_a_header_that_is_none_is_told_with_its_place(pipe):
    source = joined(pipe, "csv")
    pipe.write(b"a,a\n1,2\n")
    with pytest.raises(InputError, match="standard input: CSV header: the name a stands twice"):
        source.poll(1, 10)


def test_a_poll_waits_no_longer_than_told_and_wakes_for_input(pipe):
    source = joined(pipe)
    start = time.monotonic()
    assert source.poll(0.05, 1) == {}
    assert 0.05 <= time.monotonic() - start < 5
    timer = threading.Timer(0.05, pipe.write, (b"{}\n",))
    timer.start()
    assert values(source.poll(30, 1)) == [b"{}"]
    timer.join()
    assert time.monotonic() - start < 10


def test_offsets_go_on_from_the_committed_position(pipe, tmp_path):
    positions = tmp_path / "positions.json"
    source = joined(pipe, positions=positions)
    pipe.write(b"{}\n{}\n")
    assert len(source.poll(1, 10)[IN]) == 2
    source.commit({IN: Commit(2, "m")})
    again = joined(pipe, positions=positions)
    assert again.committed(IN, 1) == Commit(2, "m")
    pipe.write(b"{}\n")
    assert [record.offset for record in again.poll(1, 10)[IN]] == [2]


def test_what_was_handed_out_is_gone(pipe):
    source = joined(pipe)
    pipe.write(b"{}\n{}\n{}\n")
    source.poll(1, 1)
    assert source.bounds(IN, 1) == Bounds(begin=1, stable=3, end=3)
    source.seek(IN, 1)
    with pytest.raises(RecoveryError, match="stands at 1 and cannot go to 0"):
        source.seek(IN, 0)


def test_nothing_flows_while_paused(pipe):
    source = joined(pipe)
    pipe.write(b"{}\n")
    source.pause([IN])
    assert source.poll(0, 1) == {}
    source.resume([IN])
    assert values(source.poll(1, 1)) == [b"{}"]
    assert source.membership() is None
