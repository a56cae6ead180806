"""The real service in processes of its own over a real Kafka, and the verifier.

The verifier reads topics, committed positions and snapshots, and nothing else; it compares them with a twin:
the learner that the configuration describes, given each partition's records at once and never disturbed.
"""

import contextlib
import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from kafka import KafkaConsumer, TopicPartition

from streamrnn.broker import Broker, create_topics
from streamrnn.config import Config
from streamrnn.learner import Learner
from streamrnn.service.progress import Progress
from streamrnn.sinks.kafka import produce
from streamrnn.snapshots import Store, digest
from streamrnn.types import Commit, Output, Partition, Record
from tests.kafka.helpers import options_of, read_all

KEYS = tuple("abcdefgh")


def events(start: int, count: int) -> Iterator[tuple[bytes, bytes]]:
    """A few keys, each a noisy wave, and now and then a record that is no event."""
    for number in range(start, start + count):
        key = KEYS[number % len(KEYS)]
        wave = math.sin(number / 40 + ord(key)) + random.Random(number).gauss(0, 0.1)
        record = {"key": key, "time": number * 60, "level": round(wave, 6)}
        value = json.dumps(record).encode()
        yield key.encode(), value[:-5] if number % 97 == 13 else value


class Worker:
    """`streamrnn run`, or another command, in a process."""

    def __init__(self, config: Path, log: Path, *arguments: str, command: str = "run", seed: int = 0) -> None:
        self.log = log
        self._before = len(log.read_text()) if log.exists() else 0
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamrnn", command, str(config), *arguments],
                stdout=out,
                stderr=out,
                env={**os.environ, "PYTHONHASHSEED": str(seed)},
            )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self, seconds: float = 60.0) -> int:
        self.process.terminate()
        return self.process.wait(seconds)

    def told(self, words: str) -> int:
        """How often its log says so."""
        return self.log.read_text()[self._before :].count(words)


class KafkaWorld:
    only_records = True
    """False if there are control records in the topic, too."""

    def __init__(self, broker: Broker, folder: Path, name: str, partitions: int = 1, **more: Any) -> None:
        self.broker = broker
        self.folder = folder
        self.group = name
        self.topic, self.out, self.dead = f"{name}.in", f"{name}.out", f"{name}.dead"
        self.partitions = [Partition(self.topic, number) for number in range(partitions)]
        counts = {self.topic: partitions, self.out: partitions, self.dead: 1}
        create_topics(options_of(broker), counts, {"retention.ms": "-1"})
        self.settings: dict[str, Any] = {
            "task": {"forecast": "level", "horizon": 1},
            "key": "key",
            "time": "time",
            "features": [{"number": "level"}, {"calendar": "time", "parts": ["hour"]}],
            "networks": [
                {"name": "one-step", "hidden": 8},
                {"name": "growing", "hidden": 8, "window": {"grow": [1, 4], "by": "count", "every": 300}},
            ],
            "max_keys": 100,
            "snapshots": {
                "store": str(folder / "snapshots"),
                "every": "300ms",
                "keep": {"hourly": 0, "daily": 0},
            },
            "http": {"port": 0},
            "source": {
                "kafka": {
                    "bootstrap_servers": broker.bootstrap_servers,
                    "topic": self.topic,
                    "group": self.group,
                    "session_timeout": "2s",
                }
            },
            "sink": {"kafka": {"topic": self.out, "dead_letters": self.dead}},
        } | more
        self.produced = 0
        self._workers: list[Worker] = []
        self._logs: list[Path] = []

    # --- what happens ---------------------------------------------------------------------------------

    def produce(self, count: int, rate: float | None = None) -> None:
        produce(options_of(self.broker), self.topic, events(self.produced, count), rate=rate)
        self.produced += count

    @contextlib.contextmanager
    def flowing(self, rate: float) -> Iterator[None]:
        """Events flow beside the test as long as the block runs."""
        over = threading.Event()

        def flow() -> None:
            endless = events(self.produced, 1_000_000)
            until_it_is_over = itertools.takewhile(lambda _: not over.is_set(), endless)
            self.produced += produce(options_of(self.broker), self.topic, until_it_is_over, rate=rate)

        with ThreadPoolExecutor(1) as pool:
            events_flow = pool.submit(flow)
            try:
                yield
                ended = events_flow.done()
            finally:
                over.set()
            events_flow.result()
            assert not ended, "they flowed all the while"

    def config(self, slot: str = "slot", **more: Any) -> Config:
        settings = json.loads(json.dumps(self.settings | more))
        settings["source"]["kafka"]["slot"] = slot
        return Config.model_validate(settings)

    def start(self, *arguments: str, slot: str = "slot", command: str = "run", seed: int = 0) -> Worker:
        path = self.folder / f"{slot}.yaml"
        settings = json.loads(json.dumps(self.settings))
        settings["source"]["kafka"]["slot"] = slot
        path.write_text(yaml.safe_dump(settings))
        worker = Worker(path, self.folder / f"{slot}.log", *arguments, command=command, seed=seed)
        self._workers.append(worker)
        return worker

    def wait_live(self, worker: Worker, partitions: int | None = None, seconds: float = 60.0) -> None:
        """Until it has restored as many partitions since it was started (default: all there are)."""
        count = len(self.partitions) if partitions is None else partitions
        self.wait(lambda: worker.told("is live") >= count, seconds)

    def finish(self, *workers: Worker) -> None:
        """Let them learn everything there is, and leave in order."""
        self.wait(self.caught_up)
        assert [worker.terminate() for worker in workers] == [0] * len(workers)

    def end(self) -> None:
        """No process stays, whatever the test's outcome."""
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.signal(signal.SIGCONT)
                worker.kill()

    # --- what is seen ---------------------------------------------------------------------------------

    def committed(self) -> dict[Partition, Commit | None]:
        reader = KafkaConsumer(**options_of(self.broker), group_id=self.group, enable_auto_commit=False)
        try:
            found = {}
            for partition in self.partitions:
                answer = reader.committed(TopicPartition(*partition), metadata=True, timeout_ms=20_000)
                found[partition] = None if answer is None else Commit(answer.offset, answer.metadata)
            return found
        finally:
            reader.close()

    def inputs(self) -> dict[Partition, list[Record]]:
        found: dict[Partition, list[Record]] = {partition: [] for partition in self.partitions}
        for number, record in read_all(self.broker, self.topic):
            found[Partition(self.topic, number)].append(Record(record.offset, record.key, record.value))
        return found

    def caught_up(self) -> bool:
        """True if nothing of what there is now is left to learn; asked often, so it reads no record."""
        places = [TopicPartition(*partition) for partition in self.partitions]
        with contextlib.closing(KafkaConsumer(**options_of(self.broker), group_id=None)) as reader:
            ends = reader.end_offsets(places, timeout_ms=20_000)
        committed = self.committed()
        return all(
            (commit := committed[Partition(*place)]) is not None and commit.offset >= ends[place]
            for place in places
        )

    def wait(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            for worker in self._workers:
                code = worker.process.poll()
                assert code in (None, 0, -signal.SIGKILL, 5), f"{code}: {worker.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, "".join(
                f"\n{path}:\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.log")
            )
            time.sleep(0.1)

    # --- the verifier ---------------------------------------------------------------------------------

    def published(self, topic: str) -> dict[int, list[tuple[bytes | None, bytes | None]]]:
        found: dict[int, list[tuple[bytes | None, bytes | None]]] = {}
        for number, record in read_all(self.broker, topic):
            found.setdefault(number, []).append((record.key, record.value))
        return found

    def assert_undisturbed(self, repeated: bool = False) -> None:
        """Every input has its one answer; positions and last snapshots are an undisturbed run's."""
        predictions = self.published(self.out)
        letters: list[tuple[bytes | None, bytes | None]] = []
        committed = self.committed()
        for partition, records in self.inputs().items():
            commit = committed[partition]
            assert commit is not None
            progress = Progress.of(commit)
            assert progress is not None
            twin = Learner(self.config(), progress.lineage)
            outputs = twin.learn(records, partition)
            seen = predictions.get(partition.number, [])
            assert (list(dict.fromkeys(seen)) if repeated else seen) == _said(outputs, "prediction")
            letters += _said(outputs, "dead_letter")
            assert progress.topic_id, "a real Kafka tells it"
            assert progress == Progress(twin.lineage, twin.events, twin.digest, progress.topic_id)
            end = records[-1].offset + 1 if records else 0
            assert commit.offset == end if self.only_records else commit.offset >= end
            self._assert_snapshot(partition, commit, twin)
        if not repeated:
            assert sorted(self.published(self.dead).get(0, []), key=repr) == sorted(letters, key=repr)

    def _assert_snapshot(self, partition: Partition, commit: Commit, twin: Learner) -> None:
        """Weights, states, optimiser, scalers and quality, bit for bit."""
        store = Store(self.folder / "snapshots", self.group)
        snapshot = store.newest(twin.lineage, partition, commit.offset).snapshot
        assert snapshot is not None
        assert snapshot.manifest.offset == commit.offset, "it left in order, so its last snapshot is here"
        assert snapshot.manifest.state.digest == digest(twin.state()) == digest(snapshot.arrays)


def _said(outputs: list[Output], kind: str) -> list[tuple[bytes | None, bytes | None]]:
    return [(output.key, output.value) for output in outputs if output.kind == kind]
