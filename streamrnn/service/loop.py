"""The service's loop: poll, learn, deliver, snapshot, report; a straight line of verbs, one turn per poll."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamrnn.service.meter import Meter
from streamrnn.service.partitions import Partitions
from streamrnn.service.view import View
from streamrnn.sinks.base import Sink
from streamrnn.sources.base import Source
from streamrnn.types import Partition, Record
from streamrnn.worker.delivery import Batch, Delivery
from streamrnn.worker.membership import OUTSIDE, Membership
from streamrnn.worker.signals import Stopping
from streamrnn.worker.watchdog import Pulse

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Limits:
    """How much and how long."""

    batch: int = 500
    """Most records per poll, hence per transaction."""
    snapshot_every: float = 30.0
    """Seconds between two snapshots of a partition."""
    max_records: int | None = None
    """Leave after this many new records; None: never."""
    idle_exit: float | None = None
    """Leave after this long without a record [s]; None: never."""


class Loop:
    """Runs until it is asked to stop, its source ends, or a limit is reached. One thread, one per process."""

    def __init__(
        self,
        source: Source,
        sink: Sink,
        partitions: Partitions,
        limits: Limits,
        meter: Meter,
        view: View,
        *,
        pulse: Pulse,
        stopping: Stopping,
    ) -> None:
        self.source = source
        self.sink = sink
        self.partitions = partitions
        self.stopping = stopping
        self.pulse = pulse
        self.delivery = Delivery(source, sink, self._attend, pulse, stopping, meter.doubted)
        self.learned = 0
        """New records that were learned, published and committed."""
        self._limits = limits
        self._meter = meter
        self._view = view
        self._last_record = time.monotonic()
        self._membership = Membership(source)

    def run(self) -> None:
        """Returns with everything committed and snapshotted. What raises commits nothing more."""
        while not self._finished():
            records, membership = self._poll(POLL_SECONDS)
            self._deliver(self.partitions.learn(records), membership)
            self._deliver(self.partitions.awaken(), membership)
            self.partitions.watch_logs()
            self._deliver(self.partitions.restate(), membership)
            self.partitions.saver.save_due(self._limits.snapshot_every)
            self._view.renew(self)
        self.partitions.saver.save_all()

    def _poll(self, seconds: float) -> tuple[Mapping[Partition, Sequence[Record]], object | None]:
        """What came, and the proof of who held it: taken right after the poll, so that a zombie is fenced."""
        start = time.monotonic()
        with self.pulse.calling("poll"):
            records = self.source.poll(seconds, self._limit())
        proof = self._membership.proof()
        now = time.monotonic()
        self._meter.polled(now - start, records)
        if records:
            self._last_record = now
        self.partitions.follow(self.source.changes())
        if proof is OUTSIDE:
            self.partitions.lose_all()
            return {}, None
        return records, proof

    def _attend(self) -> tuple[set[Partition], object | None]:
        """Keep the place in the group while a batch waits: poll with everything paused."""
        flowing = [life.partition for life in self.partitions if life.flows]
        self.source.pause(flowing)
        _, membership = self._poll(0.0)
        self.source.resume(life.partition for life in self.partitions if life.flows)
        return {life.partition for life in self.partitions if life.learner is not None}, membership

    def _deliver(self, batch: Batch, membership: object | None) -> None:
        if not batch:
            return
        start, outputs = time.monotonic(), dict(batch.outputs)
        done = self.delivery.deliver(batch, membership)
        self.partitions.confirm(batch, done)
        if outputs := {at: answers for at, answers in outputs.items() if at in done}:
            self.learned += sum(map(len, outputs.values()))
            self._meter.delivered(
                {at: answers for at, answers in outputs.items() if self.partitions.holds(at)},
                time.monotonic() - start,
            )

    def _limit(self) -> int:
        most = self._limits.max_records
        if most is None or not self.partitions.all_live:
            return self._limits.batch
        return max(1, min(self._limits.batch, most - self.learned))

    def _finished(self) -> bool:
        limits = self._limits
        if self.stopping.asked or (limits.max_records is not None and self.learned >= limits.max_records):
            return True
        if not self.partitions.all_live:
            return False
        idle = time.monotonic() - self._last_record
        return self.source.exhausted or (limits.idle_exit is not None and idle >= limits.idle_exit)
