"""A broker that dies, comes back or freezes is ridden out: every record once, and the loop always ticks."""

import itertools
import threading
import time
import uuid
from collections.abc import Callable

import pytest

from streamrnn.broker import Broker
from tests.conftest import TopicFactory
from tests.kafka.helpers import Copier, fill, options_of, values_of

pytestmark = pytest.mark.kafka

RECORDS = 12_000
LONGEST_GAP_SECONDS = 1.5
"""Between two ticks: the contract says one second; the rest is what a loaded machine takes away."""


def ride_out(broker: Broker, topic: TopicFactory, faults: Callable[[Broker], None]) -> None:
    """Copies a topic while the faults happen; in the end every record stands there exactly once, in order."""
    name, out = topic(2, on=broker), topic(2, on=broker)
    fill(broker, name, RECORDS)
    ticks: list[float] = [time.monotonic()]
    worker = Copier(
        options_of(broker),
        name,
        out,
        f"group-{uuid.uuid4().hex[:8]}",
        "a",
        session_timeout=30.0,
        tick=lambda: ticks.append(time.monotonic()),
    )
    trouble = threading.Thread(target=faults, args=(broker,), daemon=True)
    while not worker.starts:
        worker.step()
    trouble.start()
    deadline = time.monotonic() + 120
    while trouble.is_alive() or sum(worker.starts.values()) < RECORDS or len(worker.starts) < 2:
        assert time.monotonic() < deadline, f"stuck at {worker.starts}"
        worker.step()
    worker.close()
    assert max(b - a for a, b in itertools.pairwise(ticks)) < LONGEST_GAP_SECONDS
    copied = [int(value) for value in values_of(broker, out)]
    even, odd = copied[: RECORDS // 2], copied[RECORDS // 2 :]
    assert sorted(copied) == list(range(RECORDS))
    assert even == sorted(even)
    assert odd == sorted(odd)


def test_broker_that_is_killed_and_restarted_twice(fragile_broker: Broker, topic: TopicFactory) -> None:
    def kill_twice(broker: Broker) -> None:
        for _ in range(2):
            time.sleep(0.2)
            broker.kill()
            time.sleep(1.0)
            broker.restart()

    ride_out(fragile_broker, topic, kill_twice)


def test_broker_that_freezes(fragile_broker: Broker, topic: TopicFactory) -> None:
    def freeze(broker: Broker) -> None:
        time.sleep(0.2)
        broker.freeze()
        time.sleep(4.0)
        broker.thaw()

    ride_out(fragile_broker, topic, freeze)
