"""Several workers, and a zombie: every input has its one answer, every state is its twin's."""

import signal
import time

import pytest

from streamrnn.broker import Broker

from .conftest import MakeWorld

pytestmark = pytest.mark.kafka


def test_nothing_of_a_zombie_is_visible(make_world: MakeWorld, broker: Broker) -> None:
    """Stopped beyond its session, replaced by another slot, then continued in the midst of its work."""
    world = make_world(broker, partitions=2)
    with world.flowing(rate=200.0):
        zombie = world.start(slot="a")
        world.wait_live(zombie)
        zombie.signal(signal.SIGSTOP)
        successor = world.start(slot="b")
        world.wait_live(successor)
        zombie.signal(signal.SIGCONT)
        time.sleep(2.0)
    world.wait(world.caught_up)
    zombie.terminate()
    world.wait(lambda: successor.told("is live") >= len(world.partitions))
    world.finish(successor)
    world.assert_undisturbed()


def test_one_then_three_then_two_workers_equal_a_single_undisturbed_one(
    make_world: MakeWorld, broker: Broker
) -> None:
    world = make_world(broker, partitions=4)
    with world.flowing(rate=200.0):
        first = world.start(slot="a")
        world.wait_live(first)
        second, third = world.start(slot="b"), world.start(slot="c")
        world.wait_live(second, partitions=1)
        world.wait_live(third, partitions=1)
        leaves = first.told("leaves")
        assert leaves >= 2, "the first worker gave partitions away"
        assert third.terminate() == 0
        time.sleep(0.5)
    world.finish(first, second)
    world.assert_undisturbed()
