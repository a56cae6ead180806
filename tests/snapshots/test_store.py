"""Snapshots on disk: all or nothing, the newest sound one is found, old ones are thinned out."""

import os
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from streamrnn import durable
from streamrnn.errors import SnapshotError
from streamrnn.snapshots import Store, digest, store
from tests.snapshots.conftest import PARTITION, provenance, state


class Keep(NamedTuple):
    latest: int = 2
    hourly: int = 0
    daily: int = 0


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def snapshots(tmp_path: Path, clock: Clock) -> Store:
    return Store(tmp_path, "melbourne", clock)


@pytest.fixture
def home(snapshots: Store) -> Path:
    return snapshots.folder("a1b2", PARTITION)


def save(snapshots: Store, *offsets: int) -> None:
    for offset in offsets:
        snapshots.save(state(offset), provenance(offset))


def newest(snapshots: Store, at_or_before: int = 1 << 60) -> int | None:
    found = snapshots.newest("a1b2", PARTITION, at_or_before).snapshot
    return found and found.manifest.offset


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_snapshot_lies_under_group_lineage_partition_and_offset(tmp_path, snapshots):
    save(snapshots, 812)
    folder = tmp_path / "melbourne" / "a1b2" / "orders-3" / "812"
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "state.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == ["812"]


def test_the_newest_at_or_before_a_position_is_found_by_number_not_by_name(snapshots):
    save(snapshots, 9, 10, 100)
    assert [newest(snapshots, limit) for limit in (8, 9, 99, 100, 1000)] == [None, 9, 10, 100, 100]
    assert snapshots.offsets("a1b2", PARTITION) == [9, 10, 100]
    found = snapshots.newest("a1b2", PARTITION, 50)
    assert found.skipped == []
    assert digest(found.snapshot.arrays) == digest(state(10))


def test_a_partition_without_snapshots_has_none(snapshots):
    assert newest(snapshots) is None
    assert snapshots.offsets("a1b2", PARTITION) == []
    assert snapshots.lineages(PARTITION) == []


def test_lineages_of_a_partition_are_listed(snapshots):
    save(snapshots, 1)
    snapshots.save(state(), provenance(1, lineage="c3"))
    assert snapshots.lineages(PARTITION) == ["a1b2", "c3"]


@pytest.mark.parametrize("name", ["state.safetensors", "manifest.json"])
def test_a_damaged_snapshot_is_skipped_with_its_reason_and_the_one_before_is_used(snapshots, home, name):
    save(snapshots, 1, 2, 3)
    flip(home / "3" / name)
    (home / "2" / name).unlink()
    found = snapshots.newest("a1b2", PARTITION, 99)
    assert found.snapshot.manifest.offset == 1
    assert [skipped.folder for skipped in found.skipped] == [home / "3", home / "2"]
    assert name in found.skipped[0].reason
    assert "incomplete" in found.skipped[1].reason


def test_a_snapshot_in_the_wrong_place_is_skipped(snapshots, home):
    save(snapshots, 1, 2)
    (home / "2").rename(home / "3")
    found = snapshots.newest("a1b2", PARTITION, 99)
    assert found.snapshot.manifest.offset == 1
    assert "belongs elsewhere" in found.skipped[0].reason


def test_a_second_snapshot_of_a_position_replaces_the_first(snapshots, home):
    save(snapshots, 5)
    snapshots.save(state(77), provenance(5))
    found = snapshots.newest("a1b2", PARTITION, 5)
    assert digest(found.snapshot.arrays) == digest(state(77))
    assert [path.name for path in home.iterdir()] == ["5"]


class PowerCut(BaseException):
    pass


STEPS = 5


@pytest.mark.parametrize("then", ["read", "save"])
@pytest.mark.parametrize("step", range(STEPS))
def test_a_crash_while_replacing_leaves_the_old_or_the_new_one(snapshots, home, monkeypatch, step, then):
    """The power fails before the n-th change of a name or removal: position 5 must stay restorable."""
    save(snapshots, 5)
    steps = count()

    def failing(change):
        def call(*args, **kwargs):
            if next(steps) >= step:
                raise PowerCut
            return change(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing(Path.rename))
        patch.setattr(Path, "unlink", failing(Path.unlink))
        patch.setattr(store.shutil, "rmtree", failing(store.shutil.rmtree))
        patch.setattr(durable, "sync_folder", failing(durable.sync_folder))
        with pytest.raises(PowerCut):
            snapshots.save(state(77), provenance(5))
    if then == "read":
        found = snapshots.newest("a1b2", PARTITION, 5)
        assert digest(found.snapshot.arrays) in (digest(state(5)), digest(state(77)))
        assert found.skipped == []
    snapshots.save(state(88), provenance(5))
    assert digest(snapshots.newest("a1b2", PARTITION, 5).snapshot.arrays) == digest(state(88))


def test_nothing_unfinished_is_ever_taken_for_a_snapshot(snapshots, home, clock, monkeypatch):
    save(snapshots, 1)
    unfinished = home / ".new-2-x"
    unfinished.mkdir()
    (unfinished / "state.safetensors").write_bytes(b"half")
    os.utime(unfinished, (clock.now, clock.now))
    assert snapshots.offsets("a1b2", PARTITION) == [1]
    save(snapshots, 2)
    assert unfinished.exists(), "another process may still be writing it"
    clock.now += 3601
    save(snapshots, 3)
    assert not unfinished.exists()


def test_a_failed_save_leaves_nothing_behind_and_names_the_folder(snapshots, home, monkeypatch):
    save(snapshots, 1)

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "write", full)
    with pytest.raises(SnapshotError, match=r"orders-3 cannot be used: .*No space left"):
        save(snapshots, 2)
    assert [path.name for path in home.iterdir()] == ["1"]


def test_a_store_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SnapshotError, match="file"):
        save(Store(tmp_path / "file", "g"), 1)


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a b", "ü:é", "a%2Fb"])
def test_any_group_topic_or_lineage_stays_inside_the_root(tmp_path, name):
    partition = PARTITION._replace(topic=name)
    snapshots = Store(tmp_path / "root", name)
    snapshots.save(state(), provenance(4, lineage=name, partition=partition))
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert len(list((tmp_path / "root").glob("*/*/*/4/manifest.json"))) == 1
    assert snapshots.newest(name, partition, 4).snapshot.manifest.topic == name
    assert snapshots.lineages(partition) == [name]


HOUR = 3600.0


def thinned(snapshots: Store, clock: Clock, keep: Keep, hours: list[float]) -> list[float]:
    """Snapshots taken at these hours, as those that stay."""
    start = clock.now // 86400 * 86400
    for offset, hour in enumerate(hours):
        clock.now = start + hour * HOUR
        save(snapshots, offset)
    gone = snapshots.thin("a1b2", PARTITION, keep)
    left = snapshots.offsets("a1b2", PARTITION)
    assert sorted(gone + left) == list(range(len(hours)))
    return [hours[offset] for offset in left]


def test_the_latest_the_newest_of_each_hour_and_the_newest_of_each_day_stay(snapshots, clock):
    hours = [0.1, 0.9, 23.5, 25.2, 25.7, 48.0, 49.1, 49.2, 49.3, 49.4]
    assert thinned(snapshots, clock, Keep(2, 0, 0), hours) == [49.3, 49.4]
    assert thinned(snapshots, clock, Keep(1, 3, 0), hours) == [25.7, 48.0, 49.4]
    assert thinned(snapshots, clock, Keep(1, 0, 2), hours) == [25.7, 49.4]
    assert thinned(snapshots, clock, Keep(1, 2, 3), hours) == [23.5, 25.7, 48.0, 49.4]
    assert thinned(snapshots, clock, Keep(3, 24, 7), hours) == [0.9, 23.5, 25.7, 48.0, 49.2, 49.3, 49.4]


def test_damaged_ones_do_not_count_and_go_once_enough_sound_ones_are_newer(snapshots, home):
    save(snapshots, 1, 2, 3, 4)
    flip(home / "3" / "manifest.json")
    assert snapshots.thin("a1b2", PARTITION, Keep(2)) == [1]
    assert snapshots.offsets("a1b2", PARTITION) == [2, 3, 4]
    save(snapshots, 5)
    assert snapshots.thin("a1b2", PARTITION, Keep(2)) == [2, 3]


def test_if_all_are_damaged_none_is_removed(snapshots, home):
    save(snapshots, 1, 2, 3)
    for offset in "123":
        flip(home / offset / "manifest.json")
    assert snapshots.thin("a1b2", PARTITION, Keep(1)) == []
