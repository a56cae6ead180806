"""A whole service over a broker in memory, its crashes, and the verifier: an undisturbed twin."""

import itertools
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from streamrnn.config.models import Keep
from streamrnn.service.loop import Limits, Loop
from streamrnn.service.meter import Meter
from streamrnn.service.partitions import Partitions
from streamrnn.service.progress import Progress
from streamrnn.service.vault import Vault
from streamrnn.service.view import View
from streamrnn.sinks.memory import MemorySink
from streamrnn.snapshots.store import Store
from streamrnn.sources.memory import MemoryLog, MemorySource
from streamrnn.telemetry import Telemetry
from streamrnn.types import Output, Partition
from streamrnn.worker.signals import Stopping
from streamrnn.worker.watchdog import Pulse

from .standin import PLAIN, StandIn, StandIns

GROUP = "group"


class Crash(BaseException):
    """The process is gone: nothing of it catches this, nothing of it runs after it."""


class Calls:
    """Counts the calls that cross the loop's edge, and crashes just before or just after the chosen one."""

    def __init__(self, crash_at: int | None = None, after: bool = False) -> None:
        self.made: list[str] = []
        self._crash_at = crash_at
        self._after = after

    def around(self, target: Any, names: str) -> Any:
        for name in names.split():
            setattr(target, name, self._wrapped(getattr(target, name), name))
        return target

    def _wrapped(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            number = len(self.made)
            self.made.append(name)
            if number == self._crash_at and not self._after:
                raise Crash(f"before {name}")
            answer = call(*args, **kwargs)
            if number == self._crash_at:
                raise Crash(f"after {name}")
            return answer

        return wrapped


class Learned:
    """How many records all learners of a loop were given."""

    records = 0


class World:
    """One topic `in`, predictions in `out`, dead letters in `dead`, snapshots in a folder."""

    def __init__(self, folder: Path, partitions: int = 1, transactional: bool = True) -> None:
        self.log = MemoryLog({"in": partitions, "out": partitions, "dead": 1})
        self.partitions = [Partition("in", number) for number in range(partitions)]
        self.store = Store(folder, GROUP)
        self.transactional = transactional
        self._vaults: list[Vault] = []
        self._names = (f"life-{number}" for number in itertools.count(1))

    def append(self, values: list[Any], partition: int = 0, mark_every: int = 3) -> None:
        """Every few records a control record, as transactions leave them."""
        for number, value in enumerate(values):
            self.log.append(self.partitions[partition], str(value).encode(), b"key%d" % (number % 2))
            if number % mark_every == mark_every - 1:
                self.log.mark(self.partitions[partition])

    def worker(
        self,
        *,
        slot: str = "slot",
        assigned: list[int] | None = None,
        configuration: Mapping[str, Any] = PLAIN,
        batch: int = 4,
        every: float = 0.0,
        reset: bool = False,
        accept_inexact: bool = False,
        max_records: int | None = None,
        calls: Calls | None = None,
    ) -> Loop:
        """A service that leaves once the log is finished and read; a snapshot is due after every batch."""
        self.wait_for_writers()
        calls = calls or Calls()
        source = MemorySource(self.log, "in", GROUP, slot, assigned)
        sink = MemorySink(self.log, "out", "dead", f"{GROUP}-{slot}", transactional=self.transactional)
        vault = Vault(self.store, Keep(latest=2, hourly=0, daily=0))
        self._write_within_a_turn(vault)
        self._vaults.append(vault)
        models, pulse = StandIns(configuration), Pulse()
        self.registry = CollectorRegistry()
        meter = Meter(Telemetry(self.registry, {"streamrnn": "test"}), models.names)
        self.view = View(pulse, models, meter, {"slot": slot})
        partitions = Partitions(
            calls.around(source, "poll membership changes committed bounds seek resume commit"),
            calls.around(vault, "lives start newest save offer written"),
            models,
            meter,
            pulse,
            reset=reset,
            accept_inexact=accept_inexact,
            new_lineage=lambda: next(self._names),
        )
        limits = Limits(batch=batch, snapshot_every=every, max_records=max_records)
        sink = calls.around(sink, "publish recover")
        return Loop(source, sink, partitions, limits, meter, self.view, pulse=pulse, stopping=Stopping())

    def _write_within_a_turn(self, vault: Vault) -> None:
        """What is being written is done before the vault is asked again: every run makes the same calls.

        The thread is the real one, and a crash after an offer still finds it writing.
        """
        for name in ("offer", "written"):
            setattr(vault, name, self._after_writers(getattr(vault, name)))

    def _after_writers(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def waited(*args: Any) -> Any:
            self.wait_for_writers()
            return call(*args)

        return waited

    def wait_for_writers(self) -> None:
        """A crash ends the writing thread, too; here it lives on, so what it was writing is let finish."""
        for vault in self._vaults:
            if vault._writer._flight is not None:
                wait([vault._writer._flight])

    # --- what goes wrong --------------------------------------------------------------------------------

    def meanwhile(self, loop: Loop, at: int, act: Callable[[], None]) -> None:
        """Just before the publish number `at` of this loop, counted from 1, something happens elsewhere."""
        publish, numbers = loop.sink.publish, itertools.count(1)

        def wrapped(*args: Any) -> None:
            if next(numbers) == at:
                act()
            publish(*args)

        loop.sink.publish = wrapped  # type: ignore[method-assign]

    def fail(self, loop: Loop, happened: str, at: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """The publish number `at` raises DeliveryUncertain, whatever `happened`; `meanwhile` follows it."""
        publish, numbers = loop.sink.publish, itertools.count(1)

        def wrapped(*args: Any) -> None:
            if next(numbers) != at:
                return publish(*args)
            loop.sink.fail(happened)  # type: ignore[attr-defined]
            try:
                return publish(*args)
            finally:
                meanwhile()

        loop.sink.publish = wrapped  # type: ignore[method-assign]

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        threading.Timer(seconds, act).start()

    def count_learn_calls(self, loop: Loop) -> "Learned":
        learned, make = Learned(), loop.partitions._models.make

        def counting(*args: Any) -> Any:
            learner = make(*args)
            learn = learner.learn

            def wrapped(records: Any, partition: Partition, **options: Any) -> Any:
                learned.records += len(records)
                return learn(records, partition, **options)

            learner.learn = wrapped
            return learner

        loop.partitions._models.make = counting  # type: ignore[method-assign]
        return learned

    # --- the verifier: reads the topics and the snapshots, nothing of a worker --------------------------

    def outputs(self, topic: str, partition: Partition) -> list[tuple[bytes | None, bytes | None]]:
        number = partition.number % len(self.log.partitions(topic))
        stored = self.log.read(Partition(topic, number))
        return [(item.record.key, item.record.value) for item in stored]

    def lineage(self, partition: Partition) -> str:
        commit = self.log.committed(GROUP, partition)
        assert commit is not None
        progress = Progress.of(commit)
        assert progress is not None
        return progress.lineage

    def twin(self, partition: Partition, before: int | None = None) -> tuple[StandIn, list[Output]]:
        """A learner that was never disturbed, given the whole log at once."""
        records = [
            item.record for item in self.log.read(partition) if before is None or item.record.offset < before
        ]
        twin = StandIn(self.lineage(partition))
        return twin, twin.learn(records, partition)

    def assert_undisturbed(self) -> None:
        """Predictions, dead letters, positions and snapshots are those of a run without any disturbance."""
        dead: list[tuple[bytes | None, bytes | None]] = []
        for partition in self.partitions:
            twin, outputs = self.twin(partition)
            said = [(output.key, output.value) for output in outputs if output.kind == "prediction"]
            dead += [(output.key, output.value) for output in outputs if output.kind == "dead_letter"]
            assert self.outputs("out", partition) == said
            commit = self.log.committed(GROUP, partition)
            assert commit is not None
            assert Progress.of(commit) == Progress(twin.lineage, twin.events, twin.digest, "1")
            self._assert_snapshots(partition, commit.offset)
        assert sorted(self.outputs("dead", self.partitions[0]), key=repr) == sorted(dead, key=repr)

    def assert_learned_undisturbed(self, repeated: bool) -> None:
        """Like `assert_undisturbed`, but stretches of predictions may stand twice."""
        for partition in self.partitions:
            twin, outputs = self.twin(partition)
            said = [(output.key, output.value) for output in outputs if output.kind == "prediction"]
            published = self.outputs("out", partition)
            assert list(dict.fromkeys(published)) == said, "in order of first appearance"
            assert (len(published) > len(said)) == repeated
            commit = self.log.committed(GROUP, partition)
            assert commit is not None
            assert Progress.of(commit) == Progress(twin.lineage, twin.events, twin.digest, "1")
            self._assert_snapshots(partition, commit.offset)

    def _assert_snapshots(self, partition: Partition, committed: int) -> None:
        self.wait_for_writers()
        lineage = self.lineage(partition)
        offsets = self.store.offsets(lineage, partition)
        assert offsets[-1] == committed, "the last snapshot is at the committed position"
        for offset in offsets:
            snapshot = self.store.newest(lineage, partition, offset).snapshot
            assert snapshot is not None and snapshot.manifest.offset == offset
            twin, _ = self.twin(partition, before=offset)
            for name, array in twin.state().items():
                assert array.dtype == snapshot.arrays[name].dtype
                assert np.array_equal(array, snapshot.arrays[name]), name
