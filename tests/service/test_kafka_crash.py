"""kill -9 of the real process at random moments: what remains is what an undisturbed run leaves."""

import random
import time

import pytest

from streamrnn.broker import Broker

from .conftest import MakeWorld

pytestmark = pytest.mark.kafka


def test_killed_ten_times_at_random_moments_it_equals_its_twin(make_world: MakeWorld, broker: Broker) -> None:
    chance = random.Random(20260101)
    world = make_world(broker, partitions=2)
    flowing = world.flow(4000, rate=250.0)
    for number in range(10):
        worker = world.start(seed=number)
        if number % 3:  # the others are killed while they start, join and replay
            world.wait_live(worker, partitions=1)
        time.sleep(chance.uniform(0.0, 0.6 if number % 3 else 2.5))
        worker.kill()
    flowing.join()
    worker = world.start(seed=99)
    world.wait_live(worker)
    world.finish(worker)
    world.assert_undisturbed()
