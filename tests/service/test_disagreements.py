"""When log, snapshots and committed position disagree, the service stops and says what the user may do."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from streamrnn.errors import InputError, RecoveryError, SnapshotError
from streamrnn.service.progress import Progress
from streamrnn.service.vault import STARTED
from streamrnn.sources.memory import Membership
from streamrnn.types import Commit

from .standin import PLAIN, StandIn
from .world import GROUP, Calls, Crash, World

VALUES = [1.5, 2, "bad", -1, 0.25, 3, 2.5, 1, 0, 4]


def _lived(folder: Path, *, every: float = 0.0) -> World:
    """A world whose worker learned everything there was and left."""
    world = World(folder)
    world.append(VALUES)
    world.log.finish()
    world.worker(every=every).run()
    return world


def _crashed_unsaved(folder: Path) -> World:
    """A world whose worker crashed with everything committed but only the genesis and batch 1 snapshotted."""
    world = World(folder)
    world.append(VALUES)
    world.log.finish()
    saves = Calls()
    loop = world.worker(every=1000.0, calls=saves)

    def crash(*_: object) -> None:
        raise Crash("before the last snapshot")

    loop.partitions.saver.save_all = crash  # type: ignore[method-assign]
    with pytest.raises(Crash):
        loop.run()
    loop.partitions._vault.close()
    return world


def _more(world: World) -> None:
    world.append([7, 8, 9])


def test_a_replay_starts_at_the_snapshot_and_ends_at_the_committed_position(tmp_path: Path) -> None:
    world = _crashed_unsaved(tmp_path)
    _more(world)
    loop = world.worker()
    learned = world.count_learn_calls(loop)
    loop.run()
    snapshotted = 4
    assert learned.records == len(VALUES) + 3 - snapshotted
    assert loop.learned == 3
    world.assert_undisturbed()


# --- the log ----------------------------------------------------------------------------------------------


def test_retention_beyond_the_position_stops(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    _more(world)
    end = world.log.bounds(world.partitions[0]).end
    world.log.trim(world.partitions[0], end)
    with pytest.raises(RecoveryError, match=r"retention.*--reset"):
        world.worker().run()


def test_retention_between_snapshot_and_position_stops(tmp_path: Path) -> None:
    world = _crashed_unsaved(tmp_path)
    world.log.trim(world.partitions[0], 8)
    with pytest.raises(RecoveryError, match=r"in-0/\d+ has to be continued from .*retention"):
        world.worker().run()


def test_retention_up_to_the_snapshot_does_no_harm(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    commit = world.log.committed(GROUP, world.partitions[0])
    assert commit is not None
    world.log.trim(world.partitions[0], commit.offset)
    _more(world)
    loop = world.worker()
    loop.run()
    assert loop.learned == 3


def test_retention_of_control_records_alone_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transactions of the input end in a record that nobody reads, and retention may take the last one."""
    monkeypatch.setattr("streamrnn.service.partitions.LOOK_SECONDS", 0.0)
    world = World(tmp_path)
    world.append(VALUES)
    world.log.mark(world.partitions[0], 2)
    world.log.finish()
    world.worker().run()
    world.assert_undisturbed()
    world.log.trim(world.partitions[0], world.log.bounds(world.partitions[0]).end)
    _more(world)
    loop = world.worker()
    loop.run()
    assert loop.learned == 3


def test_retention_that_overtakes_a_running_worker_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamrnn.service.partitions.LOOK_SECONDS", 0.0)
    world = World(tmp_path)
    world.append(VALUES)
    loop = world.worker()

    def overtake() -> None:
        world.log.trim(world.partitions[0], 10)
        loop.source.pause(world.partitions)  # so that it is the look at the log that finds out

    world.meanwhile(loop, at=2, act=overtake)
    with pytest.raises(RecoveryError, match="retention"):
        loop.run()


def test_a_recreated_topic_stops(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    world.log.recreate("in", 1)
    _more(world)
    with pytest.raises(RecoveryError, match=r"no committed position.*--reset"):
        world.worker().run()


def test_a_recreated_topic_stops_even_right_after_genesis(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.log.finish()
    world.worker().run()
    world.log.recreate("in", 1)
    _more(world)
    with pytest.raises(RecoveryError, match="no committed position"):
        world.worker().run()


def test_a_log_that_ends_before_the_position_stops(tmp_path: Path) -> None:
    """Also where nothing tells one topic from another of its name."""
    world = _lived(tmp_path)
    commit = world.log.committed(GROUP, world.partitions[0])
    progress = Progress.of(commit) if commit else None
    assert commit is not None and progress is not None
    without_id = Progress(progress.lineage, progress.events, progress.digest).at(commit.offset)
    world.log.recreate("in", 1)
    member = Membership(GROUP, "admin", world.log.join(GROUP, "admin"))
    world.log.commit({world.partitions[0]: without_id}, member)
    with pytest.raises(RecoveryError, match="before the position"):
        world.worker().run()


def _recreated_with_its_position(world: World) -> None:
    """As a tool leaves it that restores a group's positions into a topic of the same name and length."""
    partition = world.partitions[0]
    commit = world.log.committed(GROUP, partition)
    assert commit is not None
    world.log.recreate("in", 1)
    world.append(VALUES + VALUES)
    member = Membership(GROUP, "admin", world.log.join(GROUP, "admin"))
    world.log.commit({partition: commit}, member)


def test_a_recreated_topic_as_long_as_the_old_one_stops(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    _recreated_with_its_position(world)
    with pytest.raises(RecoveryError, match=r"made anew: its id is 2.*--reset"):
        world.worker().run()


def test_a_topic_that_is_recreated_under_a_running_worker_stops_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.append(VALUES)
    loop = world.worker()
    world.meanwhile(loop, at=2, act=lambda: _recreated_with_its_position(world))
    with pytest.raises(RecoveryError, match="made anew"):
        loop.run()


def test_compaction_is_noticed_by_the_digest(tmp_path: Path) -> None:
    world = _crashed_unsaved(tmp_path)
    offsets = [item.record.offset for item in world.log.read(world.partitions[0])]
    world.log.compact(world.partitions[0], [offsets[5]])
    with pytest.raises(RecoveryError, match=r"digest.*--accept-inexact"):
        world.worker().run()


def test_compaction_of_the_last_records_before_the_position_is_noticed(tmp_path: Path) -> None:
    world = _crashed_unsaved(tmp_path)
    offsets = [item.record.offset for item in world.log.read(world.partitions[0])]
    world.log.compact(world.partitions[0], offsets[-2:])
    with pytest.raises(RecoveryError, match="digest"):
        world.worker().run()


def test_an_inexact_recovery_that_is_accepted_goes_on_and_is_exact_from_there(tmp_path: Path) -> None:
    world = _crashed_unsaved(tmp_path)
    partition = world.partitions[0]
    published = len(world.outputs("out", partition))
    offsets = [item.record.offset for item in world.log.read(partition)]
    world.log.compact(partition, [offsets[5]])
    _more(world)
    world.worker(accept_inexact=True).run()
    assert len(world.outputs("out", partition)) == published + 3
    _more(world)
    world.worker().run()
    _, outputs = world.twin(partition)
    said = [(output.key, output.value) for output in outputs if output.kind == "prediction"]
    assert world.outputs("out", partition)[-6:] == said[-6:]


def test_an_inexact_recovery_is_accepted_once_also_where_nothing_new_comes(tmp_path: Path) -> None:
    world = _crashed_unsaved(tmp_path)
    partition = world.partitions[0]
    offsets = [item.record.offset for item in world.log.read(partition)]
    world.log.compact(partition, [offsets[5]])
    world.worker(accept_inexact=True).run()
    world.worker().run()
    _more(world)
    loop = world.worker()
    loop.run()
    assert loop.learned == 3


@pytest.mark.parametrize("every", [0.0, 1000.0], ids=["nothing to replay", "a replay"])
def test_another_type_of_cpu_is_named_and_goes_on_where_the_digest_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, every: float
) -> None:
    world = _crashed_unsaved(tmp_path) if every else _lived(tmp_path)
    monkeypatch.setattr("streamrnn.service.partitions.cpu_name", lambda: "another machine")
    _more(world)
    world.worker().run()
    assert any("this is another machine" in record.getMessage() for record in caplog.records)
    world.assert_undisturbed()


# --- the committed position -----------------------------------------------------------------------------


def test_a_position_that_was_not_committed_by_this_program_stops(tmp_path: Path) -> None:
    world = World(tmp_path)
    _more(world)
    member = Membership(GROUP, "other", world.log.join(GROUP, "other"))
    world.log.commit({world.partitions[0]: Commit(2, "")}, member)
    with pytest.raises(RecoveryError, match="not committed by streamrnn"):
        world.worker().run()


def test_a_position_moved_back_before_every_snapshot_stops(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    lineage = world.lineage(world.partitions[0])
    member = Membership(GROUP, "admin", world.log.join(GROUP, "admin"))
    world.log.commit({world.partitions[0]: Progress(lineage, 0, "").at(1)}, member)
    with pytest.raises(RecoveryError, match="beyond it"):
        world.worker().run()


# --- the snapshots ----------------------------------------------------------------------------------------


def _folder(world: World) -> Path:
    return world.store.folder(world.lineage(world.partitions[0]), world.partitions[0])


def test_a_position_without_any_snapshot_stops(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    shutil.rmtree(_folder(world))
    with pytest.raises(RecoveryError, match="there is none"):
        world.worker().run()


@pytest.mark.parametrize("file", ["state.safetensors", "manifest.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_a_damaged_snapshot_is_named_and_the_one_before_is_used(
    tmp_path: Path, file: str, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = _lived(tmp_path)
    newest = max(int(path.name) for path in _folder(world).iterdir() if path.name.isdecimal())
    victim = _folder(world) / str(newest) / file
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    if harm == "gone":
        victim.unlink()
    else:
        victim.write_bytes(content if harm == "flip" else content[:-7])
    _more(world)
    world.worker().run()
    assert str(victim.parent) in caplog.text
    world.assert_undisturbed()


def test_when_every_snapshot_is_damaged_it_stops(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    for state in _folder(world).glob("*/state.safetensors"):
        state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(RecoveryError, match="damaged"):
        world.worker().run()


def test_a_genesis_that_was_never_committed_is_begun_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    _more(world)
    world.log.finish()
    loop = world.worker()
    world.meanwhile(loop, at=1, act=_crash)
    with pytest.raises(Crash):
        loop.run()
    assert not list(tmp_path.glob(f"*/*/*/{STARTED}"))
    world.worker().run()
    assert world.lineage(world.partitions[0]) == "life-2"
    world.assert_undisturbed()


def _crash() -> None:
    raise Crash("here")


def test_a_snapshot_that_cannot_be_written_costs_nothing_but_a_longer_replay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path)
    world.append(VALUES)
    world.log.finish()
    loop = world.worker()
    save, failures = world.store.save, []

    def failing(*args: object) -> object:
        if len(failures) < 2 and loop.learned:
            failures.append(args)
            raise SnapshotError("no space left on device")
        return save(*args)  # type: ignore[arg-type]

    world.store.save = failing  # type: ignore[method-assign, assignment]
    loop.run()
    assert loop.partitions._vault.failures == len(failures) > 0
    world.assert_undisturbed()


# --- the configuration ------------------------------------------------------------------------------------


def test_a_changed_rate_is_taken_over_exactly_at_the_committed_position(tmp_path: Path) -> None:
    """The oracle learns with the old rate up to the position and with the new one from there."""
    world = _crashed_unsaved(tmp_path)
    partition = world.partitions[0]
    commit = world.log.committed(GROUP, partition)
    assert commit is not None
    records = [item.record for item in world.log.read(partition)]
    _more(world)
    new = {**PLAIN, "rate": 0.5}
    world.worker(configuration=new).run()

    old_rate = StandIn(world.lineage(partition))
    expected = old_rate.learn(records, partition)
    new_rate = StandIn(world.lineage(partition), new)
    new_rate.load(old_rate.state())
    expected += new_rate.learn([item.record for item in world.log.read(partition, commit.offset)], partition)
    said = [(output.key, output.value) for output in expected if output.kind == "prediction"]
    assert world.outputs("out", partition) == said
    last = world.store.newest(new_rate.lineage, partition, 1 << 40).snapshot
    assert last is not None and last.manifest.configuration == new
    assert np.array_equal(last.arrays["weights"], new_rate.state()["weights"])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_around_a_change_of_configuration_changes_nothing(tmp_path: Path, after: bool) -> None:
    """Restarted with the new configuration at any call, the outcome is that of a change without a crash."""
    new = {**PLAIN, "rate": 0.5}

    def changed(folder: Path, calls: Calls) -> World:
        world = _crashed_unsaved(folder)
        _more(world)
        try:
            world.worker(configuration=new, calls=calls).run()
        except Crash:
            world.worker(configuration=new).run()
        return world

    whole = Calls()
    expected = changed(tmp_path / "whole", whole)
    for number in range(len(whole.made)):
        world = changed(tmp_path / str(number), Calls(number, after))
        for topic in ("out", "dead"):
            assert world.outputs(topic, world.partitions[0]) == expected.outputs(topic, world.partitions[0])
        assert world.log.committed(GROUP, world.partitions[0]) == expected.log.committed(
            GROUP, world.partitions[0]
        )


def test_a_changed_size_is_refused_with_the_difference(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    with pytest.raises(RecoveryError, match=r"size: 4 -> 8.*--reset"):
        world.worker(configuration={**PLAIN, "size": 8}).run()


# --- a new life -------------------------------------------------------------------------------------------


def test_reset_starts_a_new_lineage_from_the_beginning_of_the_log(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    before = world.outputs("out", world.partitions[0])
    world.worker(reset=True).run()
    after = world.outputs("out", world.partitions[0])[len(before) :]
    twin, outputs = world.twin(world.partitions[0])
    assert twin.lineage == "life-2"
    assert after == [(output.key, output.value) for output in outputs if output.kind == "prediction"]
    world.worker().run()
    assert world.lineage(world.partitions[0]) == "life-2"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_during_reset_leaves_either_the_old_life_or_the_new_one(tmp_path: Path, after: bool) -> None:
    whole = Calls()
    _lived(tmp_path / "whole").worker(reset=True, calls=whole).run()
    lives = set()
    for number in range(len(whole.made)):
        world = _lived(tmp_path / str(number))
        before = len(world.outputs("out", world.partitions[0]))
        with pytest.raises(Crash):
            world.worker(reset=True, calls=Calls(number, after)).run()
        _more(world)
        world.worker().run()
        twin, outputs = world.twin(world.partitions[0])
        said = [(output.key, output.value) for output in outputs if output.kind == "prediction"]
        seen = world.outputs("out", world.partitions[0])
        assert seen == said or seen[before:] == said
        lives.add(twin.lineage)
    assert lives == {"life-1", "life-2"}


def test_reset_resets_a_partition_once_however_often_it_comes_back(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    loop = world.worker(reset=True)

    def come_back() -> None:
        loop.source.revoke([0])  # type: ignore[attr-defined]
        loop.source.assign([0])  # type: ignore[attr-defined]

    world.meanwhile(loop, at=2, act=come_back)
    loop.run()
    assert world.lineage(world.partitions[0]) == "life-2"


def test_reset_leaves_a_life_alone_that_another_worker_began_since(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    first, second = (world.worker(slot=slot, reset=True) for slot in "ab")
    first.run()
    assert world.lineage(world.partitions[0]) == "life-2"
    _more(world)
    second.run()
    assert world.lineage(world.partitions[0]) == "life-2"
    assert second.learned == 3


def test_reset_also_where_the_snapshots_of_the_committed_life_are_gone(tmp_path: Path) -> None:
    world = _lived(tmp_path)
    shutil.rmtree(world.store.folder("life-1", world.partitions[0]))
    world.worker(reset=True).run()
    assert world.lineage(world.partitions[0]) == "life-2"


# --- too many bad records ---------------------------------------------------------------------------------


def test_too_many_bad_records_stop_and_nothing_of_that_batch_is_committed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.append([1, 2, 3, 4] + ["bad"] * 9)
    world.log.finish()
    with pytest.raises(InputError, match="bad records in a row"):
        world.worker(batch=4).run()
    commit = world.log.committed(GROUP, world.partitions[0])
    progress = Progress.of(commit) if commit else None
    assert progress is not None and progress.events == 4
    dead = [value for _, value in world.outputs("dead", world.partitions[0])]
    assert dead == [b"bad"] * 4, "the batch before was in order and stands"
