"""A failed publish: the exception never decides, the committed position does."""

import time
from pathlib import Path

import pytest

from streamrnn.errors import DeliveryUncertain, Fenced, TransportError
from streamrnn.types import Commit
from streamrnn.worker import delivery

from .world import GROUP, Calls, Crash, World

VALUES = [1.5, 2, -1, 0.25, 3, 2.5, 1, 0, 4]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(delivery, "LEAVE_SECONDS", 0.05)


def _world(folder: Path, partitions: int = 1, transactional: bool = True) -> World:
    world = World(folder, partitions, transactional)
    for number in range(partitions):
        world.append(VALUES, number)
    world.log.finish()
    return world


@pytest.mark.parametrize("happened", ["never", "at_once", "late"])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_an_answer_that_was_lost_is_found_in_the_committed_position(
    tmp_path: Path, happened: str, batch: int
) -> None:
    """`batch` counts publishes, the first is the genesis. Nothing is learned again, whatever happened."""
    world = _world(tmp_path, partitions=2)
    calls = Calls()
    loop = world.worker(calls=calls)
    learned = world.count_learn_calls(loop)
    world.fail(loop, happened, at=batch)
    loop.run()
    assert learned.records == 2 * len(VALUES)
    assert calls.made.count("recover") == 1
    world.assert_undisturbed()


def test_the_same_bytes_are_sent_again_without_learning_again(tmp_path: Path) -> None:
    world = _world(tmp_path)
    loop = world.worker()
    for at in (2, 3, 4):
        world.fail(loop, "never", at=at)
    learner_calls = world.count_learn_calls(loop)
    loop.run()
    assert learner_calls.records == len(VALUES)
    world.assert_undisturbed()


def test_a_position_that_somebody_else_moved_drops_the_learner(tmp_path: Path) -> None:
    """Another worker took the batch further in between: this one restores and goes on from there."""
    world = _world(tmp_path)
    loop = world.worker(slot="a")

    def overtake() -> None:
        world.worker(slot="b", max_records=6).run()
        raise DeliveryUncertain("the transaction was aborted by the broker")

    world.meanwhile(loop, at=2, act=overtake)
    loop.run()
    world.assert_undisturbed()


def test_a_broker_that_is_away_is_waited_for(tmp_path: Path) -> None:
    world = _world(tmp_path)
    loop = world.worker()

    def leave() -> None:
        world.log.away = True
        world.later(0.2, lambda: setattr(world.log, "away", False))

    world.fail(loop, "never", at=2, meanwhile=leave)
    loop.run()
    world.assert_undisturbed()


def test_asked_to_stop_while_the_broker_is_away_it_leaves_and_the_next_start_is_exact(tmp_path: Path) -> None:
    world = _world(tmp_path)
    loop = world.worker()

    def leave() -> None:
        world.log.away = True
        loop.stopping.ask()

    world.fail(loop, "late", at=2, meanwhile=leave)
    with pytest.raises(TransportError):
        loop.run()
    world.log.away = False
    world.worker().run()
    world.assert_undisturbed()


def test_a_producer_that_took_over_ends_this_worker_without_being_fenced(tmp_path: Path) -> None:
    world = _world(tmp_path)
    loop = world.worker(slot="same")
    calls = Calls()
    successor = None

    def take_over() -> None:
        nonlocal successor
        successor = world.worker(slot="same", calls=calls)

    world.meanwhile(loop, at=2, act=take_over)
    with pytest.raises(Fenced):
        loop.run()
    assert successor is not None
    successor.run()
    assert "recover" not in calls.made
    world.assert_undisturbed()


def test_a_batch_that_always_fails_ends_in_an_error_instead_of_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MOST_ATTEMPTS", 3)
    world = _world(tmp_path)
    loop = world.worker()
    for at in (2, 3, 4, 5):
        world.fail(loop, "never", at=at)
    with pytest.raises(DeliveryUncertain):
        loop.run()


# --- at least once ------------------------------------------------------------------------------------


def test_at_least_once_without_faults_repeats_nothing(tmp_path: Path) -> None:
    world = _world(tmp_path, transactional=False)
    world.worker().run()
    world.assert_undisturbed()


def test_at_least_once_after_a_crash_may_repeat_predictions_but_learns_exactly(tmp_path: Path) -> None:
    world = _world(tmp_path, transactional=False)
    calls = Calls()
    world.worker(calls=calls).run()
    _genesis, *commits = [number for number, name in enumerate(calls.made) if name == "commit"]
    for crash_at in commits:
        world = _world(tmp_path / str(crash_at), transactional=False)
        with pytest.raises(Crash):
            world.worker(calls=Calls(crash_at)).run()
        world.worker().run()
        world.assert_learned_undisturbed(repeated=True)


def test_at_least_once_a_lost_commit_does_not_publish_twice(tmp_path: Path) -> None:
    world = _world(tmp_path, transactional=False)
    loop = world.worker()
    commit, lost = loop.source.commit, []

    def losing(commits: dict[object, Commit]) -> None:
        if loop.partitions.all_live and len(lost) < 3:
            lost.append(commits)
            raise TransportError("no answer")
        commit(commits)

    loop.source.commit = losing  # type: ignore[method-assign, assignment]
    loop.run()
    assert len(lost) == 3
    assert world.log.committed(GROUP, world.partitions[0]) is not None
    world.assert_undisturbed()


def test_a_worker_that_is_to_leave_does_not_wait_longer_because_each_question_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = _world(tmp_path)
    loop = world.worker()
    world.fail(loop, "never", at=2)

    def slow() -> None:
        loop.stopping.ask()
        time.sleep(0.3)
        raise TransportError("no answer")

    monkeypatch.setattr(loop.sink, "recover", slow)
    start = time.monotonic()
    with pytest.raises(TransportError, match="no answer"):
        loop.run()
    assert time.monotonic() - start < 0.05 + 0.3 + 0.3 + 0.2, "what is left when asked, and one more question"
