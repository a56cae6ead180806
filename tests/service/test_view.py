"""What others see of the service: alive, ready, and figures that were counted once."""

from pathlib import Path

import pytest

from streamrnn.service.loop import Loop
from streamrnn.service.view import STILL_SECONDS, WORK_SECONDS

from .world import World

VALUES = [1.5, 2, "bad", -1, 0.25, 3]


def _sample(world: World, name: str, **labels: str) -> float | None:
    return world.registry.get_sample_value(f"streamrnn_{name}", labels or None)


def _where() -> dict[str, str]:
    return {"topic": "in", "partition": "0"}


def _lived(folder: Path) -> tuple[World, Loop]:
    world = World(folder)
    world.append(VALUES)
    world.log.finish()
    loop = world.worker(batch=4)
    loop.run()
    world.view._next = 0.0
    world.view.renew(loop)
    return world, loop


def test_before_the_first_turn_it_is_alive_and_not_ready(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.worker()
    assert world.view.live().well
    assert world.view.ready() == (False, "starting")
    assert world.view.status()["ready"] is False


def test_status_tells_how_things_stand(tmp_path: Path) -> None:
    world, _ = _lived(tmp_path)
    status = world.view.status()
    (partition,) = status["partitions"]
    assert status["ready"] and status["slot"] == "slot" and status["learned_records"] == len(VALUES)
    assert partition["position"] == partition["committed"] == partition["snapshot"]["offset"] == 7
    assert partition["stage"] == "live" and partition["lineage"] == "life-1"
    assert partition["weights"] == {"net": 0.5, "last": 0.5} and partition["windows"] == {"net": 1}


def test_records_are_counted_once_and_a_replay_apart(tmp_path: Path) -> None:
    world, _ = _lived(tmp_path)
    assert _sample(world, "records_total", **_where()) == len(VALUES)
    assert _sample(world, "predictions_total", **_where()) == len(VALUES) - 1
    assert _sample(world, "dead_letters_total", **_where(), reason="no_number") == 1
    assert _sample(world, "ready") == 1

    world.append([7, 8])
    newest = world.store.offsets("life-1", world.partitions[0])[-1]
    for file in world.store.folder("life-1", world.partitions[0]).glob(f"{newest}/*"):
        file.write_bytes(b"")
    world.worker().run()
    assert _sample(world, "damaged_snapshots_total", **_where()) == 1
    assert _sample(world, "records_total", **_where()) == 2
    assert _sample(world, "replayed_records_total", **_where()) == 2


def test_lag_passes_over_control_records(tmp_path: Path) -> None:
    world, loop = _lived(tmp_path)
    for life in loop.partitions:
        life.look_after = 0.0
    world.log.mark(world.partitions[0])
    loop.source.poll(0.0, 10)
    loop.partitions.watch_logs()
    (life,) = loop.partitions
    assert life.bounds is not None and life.position < life.bounds.stable
    assert life.lag == 0


def test_an_outage_is_not_ready_but_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamrnn.service.partitions.LOOK_SECONDS", 0.0)
    world, loop = _lived(tmp_path)
    world.log.away = True
    for life in loop.partitions:
        life.look_after = 0.0
    loop.partitions.watch_logs()
    world.view.renew(loop)
    assert not world.view.ready().well and "does not answer" in world.view.ready().reason
    assert world.view.live().well
    world.log.away = False
    loop.partitions.watch_logs()
    world.view.renew(loop)
    assert world.view.ready().well


def test_a_loop_that_stands_still_is_not_alive(tmp_path: Path) -> None:
    world, loop = _lived(tmp_path)
    with loop.pulse.calling("poll"):
        loop.pulse._last -= STILL_SECONDS + 1
        assert not world.view.live().well and "poll" in world.view.live().reason
    assert world.view.live().well
    loop.pulse._last -= WORK_SECONDS - 1
    assert world.view.live().well
    loop.pulse._last -= 2
    assert not world.view.live().well
