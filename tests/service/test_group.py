"""Partitions that come and go while events flow: each is learned once, by whoever holds it."""

import logging
from pathlib import Path
from typing import Any

import pytest

from streamrnn.errors import Fenced
from streamrnn.service import loop as loop_module
from streamrnn.worker import membership

from .world import GROUP, World

VALUES = [1.5, 2, "bad", -1, 0.25, 3, 2.5, 1, 0, 4, 5, 6]


def _world(folder: Path, partitions: int) -> World:
    world = World(folder, partitions)
    for number in range(partitions):
        world.append(VALUES, number)
    return world


def test_a_partition_that_is_revoked_is_gone_on_with_by_another_worker(tmp_path: Path) -> None:
    world = _world(tmp_path, 2)
    first = world.worker(slot="a", max_records=8)
    world.meanwhile(first, at=3, act=lambda: first.source.revoke([1]))  # type: ignore[attr-defined]
    first.run()
    world.log.finish()
    second = world.worker(slot="b", assigned=[1])
    second.run()
    world.worker(slot="a", assigned=[0]).run()
    assert second.learned > 0
    world.assert_undisturbed()


def test_a_partition_that_is_lost_is_not_published_for_any_more(tmp_path: Path) -> None:
    """The group gave up on the worker after it had polled and learned: its batch is refused as a whole."""
    world = _world(tmp_path, 1)
    first = world.worker(slot="a")

    def lose() -> None:
        first.source.lose([0])  # type: ignore[attr-defined]
        first.stopping.ask()

    world.meanwhile(first, at=3, act=lose)
    before = 4
    first.run()
    assert len(world.outputs("out", world.partitions[0])) == before - 1, "one of the first four is bad"
    world.log.finish()
    world.worker(slot="b").run()
    world.assert_undisturbed()


def test_a_worker_that_lost_everything_and_gets_it_back_goes_on_exactly(tmp_path: Path) -> None:
    world = _world(tmp_path, 2)
    world.log.finish()
    loop = world.worker()

    def lose_and_return() -> None:
        loop.source.lose([0, 1])  # type: ignore[attr-defined]
        loop.source.assign([0, 1])  # type: ignore[attr-defined]

    world.meanwhile(loop, at=3, act=lose_and_return)
    loop.run()
    world.assert_undisturbed()


def test_while_one_partition_is_restored_the_others_flow(tmp_path: Path) -> None:
    """A partition with a long replay arrives in the midst; slices of both come in turn."""
    world = _world(tmp_path, 2)
    other = world.worker(slot="b", assigned=[1], max_records=12, every=1000.0)
    other.partitions.saver.save_all = lambda: None  # type: ignore[method-assign]
    other.run()
    world.log.finish()
    loop = world.worker(slot="a", assigned=[0], batch=2)
    world.meanwhile(loop, at=2, act=lambda: loop.source.assign([1]))  # type: ignore[attr-defined]
    stages: list[tuple[str, ...]] = []
    world.meanwhile(loop, at=4, act=lambda: stages.append(tuple(life.stage for life in loop.partitions)))
    loop.run()
    assert stages == [("live", "restoring")]
    world.assert_undisturbed()


def test_outside_the_group_everything_is_dropped_and_joined_again(tmp_path: Path) -> None:
    world = _world(tmp_path, 1)
    world.log.finish()
    loop = world.worker()
    membership, polls = loop.source.membership, []

    def sometimes() -> object:
        polls.append(None)
        if len(polls) == 4:
            raise Fenced("not a member")
        if len(polls) == 5:
            assert not list(loop.partitions)
            loop.source.lose([0])  # type: ignore[attr-defined]
            loop.source.assign([0])  # type: ignore[attr-defined]
        return membership()

    loop.source.membership = sometimes  # type: ignore[method-assign]
    loop.run()
    world.assert_undisturbed()


def test_outside_the_group_for_too_long_it_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "OUTSIDE_SECONDS", 0.0)
    monkeypatch.setattr(loop_module, "POLL_SECONDS", 0.01)
    world = _world(tmp_path, 1)
    loop = world.worker()

    def never() -> object:
        raise Fenced("not a member")

    loop.source.membership = never  # type: ignore[method-assign]
    with pytest.raises(Fenced):
        loop.run()
    assert world.log.committed(GROUP, world.partitions[0]) is None


def test_before_its_first_join_a_worker_says_nothing_of_being_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = _world(tmp_path, 1)
    loop = world.worker(assigned=[])
    membership, member = loop.source.membership, iter([False, False, True, True, False])

    def outside_at_times() -> object | None:
        if next(member, True):
            world.log.finish()
            return membership()
        loop.source.assign([0])  # type: ignore[attr-defined]
        raise Fenced("not a member")

    monkeypatch.setattr(loop.source, "membership", outside_at_times)
    caplog.set_level(logging.WARNING)
    loop.run()
    assert sum("any more" in record.message for record in caplog.records) == 1, "once it had been a member"
    world.assert_undisturbed()


def test_a_partition_that_left_while_its_last_batch_was_in_doubt_leaves_no_series(tmp_path: Path) -> None:
    world = _world(tmp_path, 2)
    world.log.finish()
    loop = world.worker()
    revoke = loop.source.revoke  # type: ignore[attr-defined]
    world.fail(loop, "at_once", at=3, meanwhile=lambda: revoke([1]))
    loop.run()
    series = [sample for family in world.registry.collect() for sample in family.samples]
    held: set[Any] = {sample.labels["partition"] for sample in series if "partition" in sample.labels}
    assert held == {"0"}
