"""Transactions in memory: all or nothing, whatever the caller is told."""

import pytest

from streamrnn.errors import DeliveryUncertain, Fenced, TransportError
from streamrnn.sinks.memory import MemorySink
from streamrnn.sources.memory import MemoryLog, MemorySource
from streamrnn.types import Commit, Output, Partition

P0, P3 = Partition("in", 0), Partition("in", 3)
OUT0, OUT1, DEAD = Partition("out", 0), Partition("out", 1), Partition("dead", 0)


def prediction(text: str) -> Output:
    return Output("prediction", b"key", text.encode(), [("at", b"1")])


class Stage:
    """A log, a source that has polled once, and a sink."""

    def __init__(self, transactional: bool = True) -> None:
        self.log = MemoryLog({"in": 4, "out": 2, "dead": 1})
        self.source = MemorySource(self.log, "in")
        self.source.poll(0, 1)
        self.sink = self.new_sink(transactional)

    def new_sink(self, transactional: bool = True) -> MemorySink:
        return MemorySink(self.log, "out", "dead", transactional=transactional)

    def publish(self, text: str, offset: int) -> None:
        self.sink.publish({P0: [prediction(text)]}, {P0: Commit(offset)}, self.source.membership())

    def seen(self) -> list[bytes | None]:
        return [stored.record.value for stored in self.log.read(OUT0)]

    def committed(self) -> int | None:
        commit = self.source.committed(P0, 1)
        return commit and commit.offset


def test_outputs_and_positions_become_visible_together():
    stage = Stage()
    dead = Output("dead_letter", None, b"\xff", [("reason", b"not_json")])
    stage.sink.publish(
        {P0: [prediction("a"), dead, prediction("b")], P3: [prediction("c")]},
        {P0: Commit(3, "m"), P3: Commit(1)},
        stage.source.membership(),
    )
    assert stage.seen() == [b"a", b"b"]
    assert [stored.record.value for stored in stage.log.read(OUT1)] == [b"c"]
    assert [(stored.record.value, stored.headers) for stored in stage.log.read(DEAD)] == [
        (b"\xff", [("reason", b"not_json")])
    ]
    assert stage.source.committed(P0, 1) == Commit(3, "m")
    assert stage.source.committed(P3, 1) == Commit(1)
    assert stage.log.bounds(OUT0).end == 3, "the transaction's marker uses up an offset"


@pytest.mark.parametrize("happened", ["never", "at_once", "late"])
def test_after_a_failed_publish_committed_tells_what_happened(happened):
    stage = Stage()
    stage.publish("a", 1)
    stage.sink.fail(happened)
    with pytest.raises(DeliveryUncertain):
        stage.publish("b", 2)
    stage.sink.recover()
    done = happened != "never"
    assert stage.committed() == (2 if done else 1)
    assert stage.seen() == ([b"a", b"b"] if done else [b"a"])
    stage.publish("c", 3)
    assert stage.committed() == 3


@pytest.mark.parametrize("happened", ["never", "late"])
def test_committed_fails_while_the_transaction_is_open(happened):
    stage = Stage()
    stage.sink.fail(happened)
    with pytest.raises(DeliveryUncertain):
        stage.publish("a", 1)
    with pytest.raises(TransportError, match="open"):
        stage.committed()
    assert stage.seen() == []


def test_the_next_process_with_the_same_id_ends_what_a_crash_left_open():
    stage = Stage()
    stage.sink.fail("never", SystemExit("killed"))
    with pytest.raises(SystemExit, match="killed"):
        stage.publish("a", 1)
    stage.sink = stage.new_sink()
    assert (stage.committed(), stage.seen()) == (None, [])


def test_an_older_producer_is_fenced_and_leaves_no_trace():
    stage = Stage()
    zombie, stage.sink = stage.sink, stage.new_sink()
    with pytest.raises(Fenced):
        zombie.publish({P0: [prediction("a")]}, {P0: Commit(1)}, stage.source.membership())
    assert (stage.committed(), stage.seen()) == (None, [])


def test_a_member_that_was_replaced_cannot_publish_with_its_old_proof():
    stage = Stage()
    proof = stage.source.membership()
    stage.source.lose([0])
    with pytest.raises(DeliveryUncertain, match="refused"):
        stage.sink.publish({P0: [prediction("a")]}, {P0: Commit(1)}, proof)
    assert (stage.committed(), stage.seen()) == (None, [])


def test_positions_without_a_membership_are_refused():
    stage = Stage()
    with pytest.raises(TransportError, match="without a membership"):
        stage.sink.publish({}, {P0: Commit(1)}, None)


def test_an_outage_is_uncertain_and_recover_fails_until_it_ends():
    stage = Stage()
    stage.log.away = True
    with pytest.raises(DeliveryUncertain):
        stage.publish("a", 1)
    with pytest.raises(TransportError, match="does not answer"):
        stage.sink.recover()
    stage.log.away = False
    stage.sink.recover()
    assert stage.committed() is None
    stage.publish("a", 1)
    assert stage.seen() == [b"a"]


@pytest.mark.parametrize("happened", ["never", "at_once"])
def test_without_transactions_outputs_are_written_and_positions_ignored(happened):
    stage = Stage(transactional=False)
    assert not stage.sink.transactional
    stage.sink.fail(happened)
    with pytest.raises(DeliveryUncertain):
        stage.publish("a", 1)
    stage.sink.recover()
    stage.publish("a", 1)
    assert stage.seen() == ([b"a"] if happened == "never" else [b"a", b"a"])
    assert stage.committed() is None
