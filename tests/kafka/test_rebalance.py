"""Workers come and go while records flow: each record is copied exactly once, in order per partition."""

import threading
import time
import uuid
from collections import defaultdict
from typing import Any

import pytest

from streamrnn.broker import Broker
from streamrnn.sinks.kafka import produce
from tests.conftest import TopicFactory
from tests.kafka.helpers import SESSION_SECONDS, Copier, options_of, read_all, until

pytestmark = pytest.mark.kafka

PARTITIONS = 4


class Running:
    """A worker in a thread; its failure fails the test."""

    def __init__(self, *arguments: Any) -> None:
        self.worker = Copier(*arguments)
        self._leaving = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._leaving.is_set():
                self.worker.step()
            self.worker.close()
        except BaseException as failure:  # noqa: BLE001 - raised again by `leave`
            self._failure = failure

    def leave(self) -> None:
        self._leaving.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    @property
    def owned(self) -> int:
        return len(self.worker.starts)


class Stream:
    """Records that flow into a topic until they are stopped; a value is the record's number."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self.count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(broker, topic), daemon=True)
        self._thread.start()

    def _run(self, broker: Broker, topic: str) -> None:
        while not self._stop.is_set():
            batch = [(None, str(self.count + i).encode()) for i in range(200)]
            self.count += produce(options_of(broker), topic, batch, rate=2000)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)


def test_one_three_two_workers_copy_every_record_once(broker: Broker, topic: TopicFactory) -> None:
    name, out = topic(PARTITIONS), topic(PARTITIONS)
    group = f"group-{uuid.uuid4().hex[:8]}"

    def start(slot: str) -> Running:
        return Running(options_of(broker), name, out, group, slot)

    stream = Stream(broker, name)
    workers = [start("a")]
    until(lambda: workers[0].owned == PARTITIONS)
    workers += [start("b"), start("c")]
    until(lambda: sorted(w.owned for w in workers) == [1, 1, 2], 30)
    workers.pop(1).leave()
    until(lambda: sorted(w.owned for w in workers) == [2, 2], 30 + SESSION_SECONDS)
    stream.stop()

    def copied() -> dict[int, list[int]]:
        found = defaultdict(list)
        for partition, record in read_all(broker, out):
            found[partition].append(int(record.value))
        return found

    until(lambda: sum(map(len, copied().values())) >= stream.count)
    time.sleep(0.3)
    for worker in workers:
        worker.leave()
    inputs = defaultdict(list)
    for partition, record in read_all(broker, name):
        inputs[partition].append(int(record.value))
    assert copied() == inputs
    assert sum(map(len, inputs.values())) == stream.count
