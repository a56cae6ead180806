"""Whatever is killed, and whenever: all that remains is what an undisturbed run would have left."""

import random
from pathlib import Path

import pytest

from .world import Calls, Crash, World

VALUES = [1.5, 2, "bad", -1, 0.25, 3, "worse", 2.5, 1, 0, 4]


def test_an_undisturbed_run_equals_its_twin(tmp_path: Path) -> None:
    world = World(tmp_path, partitions=2)
    world.append(VALUES, 0)
    world.append(VALUES[::-1], 1)
    world.log.finish()
    world.worker().run()
    world.assert_undisturbed()


def _run_with_crash(folder: Path, crash_at: int, after: bool, transactional: bool = True) -> World:
    world = World(folder, partitions=2, transactional=transactional)
    world.append(VALUES, 0)
    world.append(VALUES[:5], 1)
    world.log.finish()
    with pytest.raises(Crash):
        world.worker(calls=Calls(crash_at, after)).run()
    return world


def _calls_of_a_run(folder: Path) -> list[str]:
    calls = Calls()
    world = World(folder, partitions=2)
    world.append(VALUES, 0)
    world.append(VALUES[:5], 1)
    world.log.finish()
    world.worker(calls=calls).run()
    return calls.made


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_call_changes_nothing(tmp_path: Path, after: bool) -> None:
    made = _calls_of_a_run(tmp_path / "whole")
    assert {"publish", "save", "offer", "start", "seek"} <= set(made)
    assert made == _calls_of_a_run(tmp_path / "again"), "or a crash at a number would be one somewhere else"
    for number in range(len(made)):
        world = _run_with_crash(tmp_path / str(number), number, after)
        world.worker().run()
        world.assert_undisturbed()


def test_crashes_upon_crashes_change_nothing(tmp_path: Path) -> None:
    chance = random.Random(7)
    for number in range(40):
        world = _run_with_crash(tmp_path / str(number), chance.randrange(40), chance.random() < 0.5)
        for _ in range(chance.randrange(1, 5)):
            every = chance.choice([0.0, 1000.0])
            calls = Calls(chance.randrange(25), chance.random() < 0.5)
            try:
                world.worker(calls=calls, every=every, batch=chance.randrange(1, 6)).run()
            except Crash:
                continue
            break
        world.worker().run()
        world.assert_undisturbed()
