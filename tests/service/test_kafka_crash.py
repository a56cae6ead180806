"""kill -9 of the real process at random moments: what remains is what an undisturbed run leaves."""

import contextlib
import random
import signal
import threading
import time

import pytest

from streamrnn.broker import Broker
from streamrnn.errors import StreamrnnError

from .conftest import MakeWorld

pytestmark = pytest.mark.kafka

KILLS = 100


def test_killed_ten_times_at_random_moments_it_equals_its_twin(make_world: MakeWorld, broker: Broker) -> None:
    chance = random.Random(20260101)
    world = make_world(broker, partitions=2)
    with world.flowing(rate=150.0):
        for number in range(10):
            worker = world.start(seed=number)
            if number % 3:  # the others are killed while they start, join and replay
                world.wait_live(worker, partitions=1)
            time.sleep(chance.uniform(0.0, 0.6 if number % 3 else 2.5))
            worker.kill()
    worker = world.start(seed=99)
    world.wait_live(worker)
    world.finish(worker)
    world.assert_undisturbed()


def test_killed_it_equals_its_twin_with_a_torch_module_that_has_dropout_and_buffers(
    make_world: MakeWorld, broker: Broker
) -> None:
    pytest.importorskip("torch")
    networks = [
        {"name": "module", "torch": "tests.core.torch_modules:Everything", "window": 3},
        {"name": "one-step", "hidden": 8},
    ]
    chance = random.Random(20260102)
    world = make_world(broker, networks=networks)
    for number in range(3):
        world.produce(200)
        worker = world.start(seed=number)
        world.wait_live(worker)
        time.sleep(chance.uniform(0.0, 0.6))  # into the replay of what is there, or into what follows
        worker.kill()
    worker = world.start(seed=99)
    world.wait_live(worker)
    world.finish(worker)
    world.assert_undisturbed()


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_a_hundred_kills_stops_and_outages_of_worker_and_broker(
    make_world: MakeWorld, fragile_broker: Broker
) -> None:
    chance = random.Random(time.time_ns())
    world = make_world(fragile_broker, partitions=2)
    over = threading.Event()

    def flow() -> None:
        """What stands in the topic is the truth, also where an outage cut a chunk short."""
        while not over.is_set():
            with contextlib.suppress(StreamrnnError):
                world.produce(50, rate=100.0)

    def kill_broker() -> None:
        fragile_broker.kill()
        time.sleep(chance.uniform(0.0, 3.0))
        fragile_broker.start()

    def freeze_broker() -> None:
        fragile_broker.freeze()
        time.sleep(chance.uniform(0.0, 6.0))
        fragile_broker.thaw()

    def stop_worker() -> None:
        worker.signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.0, 5.0))
        worker.signal(signal.SIGCONT)

    flowing = threading.Thread(target=flow)
    flowing.start()
    try:
        worker = world.start()
        for number in range(KILLS):
            if worker.process.poll() is not None:
                worker = world.start(seed=number)
            if chance.random() < 0.7:
                world.wait_live(worker, partitions=1, seconds=120.0)
            time.sleep(chance.uniform(0.0, 3.0))
            faults = [worker.kill, kill_broker, freeze_broker, stop_worker]
            chance.choices(faults, weights=[7, 1, 1, 1])[0]()
    finally:
        over.set()
        flowing.join()
    if worker.process.poll() is None:
        worker.kill()
    worker = world.start(seed=KILLS)
    world.wait_live(worker, seconds=120.0)
    world.finish(worker)
    world.assert_undisturbed()
