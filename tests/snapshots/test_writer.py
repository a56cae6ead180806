"""The writer works off the hot path, and no failure of it stays unseen."""

import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from streamrnn.errors import SnapshotError
from streamrnn.snapshots import SnapshotWriter, Store, digest
from tests.snapshots.conftest import PARTITION, provenance, state


class Keep(NamedTuple):
    latest: int = 2
    hourly: int = 0
    daily: int = 0


class GatedStore(Store):
    """Writes when the gate opens."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "group")
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def save(self, arrays, provenance):
        assert self.gate.wait(30)
        if self.error:
            raise self.error
        return super().save(arrays, provenance)


@pytest.fixture
def store(tmp_path):
    return GatedStore(tmp_path)


@pytest.fixture
def writer(store):
    writer = SnapshotWriter(store, Keep())
    yield writer
    store.error = None
    store.gate.set()
    writer.close()


def test_an_offer_returns_before_anything_is_written_and_what_was_offered_is(store, writer):
    store.gate.clear()
    assert writer.offer(state(), provenance(1))
    assert store.offsets("a1b2", PARTITION) == []
    store.gate.set()
    writer.flush()
    found = store.newest("a1b2", PARTITION, 1).snapshot
    assert digest(found.arrays) == digest(state())


def test_one_is_in_flight_and_another_is_declined_until_it_landed(store, writer):
    store.gate.clear()
    assert writer.offer(state(), provenance(1))
    assert not writer.offer(state(), provenance(2))
    assert writer.saved() == []
    store.gate.set()
    writer.flush()
    assert writer.offer(state(), provenance(3))
    writer.flush()
    saved = writer.saved()
    assert [item.manifest.offset for item in saved] == [1, 3]
    assert all(item.seconds > 0 for item in saved)
    assert writer.saved() == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda writer: writer.flush(),
        lambda writer: writer.saved(),
        lambda writer: writer.offer(state(), provenance(2)),
        lambda writer: writer.save(state(), provenance(2)),
    ],
)
def test_a_failure_surfaces_at_the_next_call_and_only_once(store, writer, ask):
    store.error = SnapshotError("disk full")
    assert writer.offer(state(), provenance(1))
    writer._flight.exception(30)
    with pytest.raises(SnapshotError, match="disk full"):
        ask(writer)
    store.error = None
    assert writer.offer(state(), provenance(3))
    writer.flush()
    assert [item.manifest.offset for item in writer.saved()] == [3]


def test_save_waits_for_what_is_in_flight_and_is_durable_when_it_returns(store, writer):
    store.gate.clear()
    assert writer.offer(state(), provenance(1))
    opener = threading.Timer(0.05, store.gate.set)
    opener.start()
    writer.save(state(), provenance(2))
    opener.join()
    assert store.offsets("a1b2", PARTITION) == [1, 2]
    assert [item.manifest.offset for item in writer.saved()] == [1, 2]


def test_old_ones_are_thinned_out_after_each_save(store, writer):
    for offset in range(5):
        writer.save(state(), provenance(offset))
    assert store.offsets("a1b2", PARTITION) == [3, 4]


def test_closing_waits_for_what_is_in_flight_and_raises_its_failure(store):
    writer = SnapshotWriter(store, Keep())
    store.error = SnapshotError("disk full")
    writer.offer(state(), provenance(1))
    with pytest.raises(SnapshotError, match="disk full"):
        writer.close()
