"""The copier's loop: poll, take in order, deliver; one turn per poll."""

import logging
import time
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Protocol

from streamrnn.errors import Fenced, RecoveryError, TransportError
from streamrnn.merging import positions
from streamrnn.merging.order import Origin
from streamrnn.merging.origins import MergedBatch, Origins
from streamrnn.sinks.base import Sink
from streamrnn.sources.base import Source
from streamrnn.types import Partition
from streamrnn.worker.delivery import ANSWER_SECONDS, RETRY_SECONDS, Delivery
from streamrnn.worker.membership import OUTSIDE, Membership
from streamrnn.worker.signals import Stopping
from streamrnn.worker.watchdog import Pulse

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
REPORT_SECONDS = 60.0
REJOIN_SECONDS = 2.0
"""How long part of a number may be missing before the group is asked to share out anew."""
RESTATE_SECONDS = 5.0
"""How often positions beyond control records are committed."""


class MergeSource(Source, Protocol):
    """A source of several topics."""

    def stable_ends(self, partitions: Collection[Partition], seconds: float) -> Mapping[Partition, int]:
        """Last stable offsets now. Raises TransportError after `seconds`."""
        ...

    def rejoin(self) -> None:
        """The next poll joins the group anew."""
        ...


class Copier:
    """Runs until it is asked to stop, or idle for long enough. One thread, one per process."""

    def __init__(
        self,
        source: MergeSource,
        sink: Sink,
        origins: Origins,
        partitions: int,
        *,
        pulse: Pulse,
        stopping: Stopping,
        last_copy: positions.LastCopy,
        limit: int = 500,
        accept_inexact: bool = False,
        idle_exit: float | None = None,
    ) -> None:
        """`partitions`: how many every topic has; `limit`: most records of a poll, and of a transaction."""
        self.source = source
        self.sink = sink
        self._origins = origins
        self._partitions = partitions
        self._pulse = pulse
        self._stopping = stopping
        self._limit = limit
        self._last_copy = last_copy
        self._accept_inexact = accept_inexact
        self._idle_exit = idle_exit
        self._membership = Membership(source)
        self._delivery = Delivery(source, sink, self._attend, pulse, stopping)
        self._more = False
        """True if the last batch was full, so that more may be waiting."""
        self._reported: Counter[str] = Counter()
        self._trouble = ""
        now = time.monotonic()
        self._last_moved = now
        """When a record came, or a partition set off."""
        self._report_after, self._restate_after = now + REPORT_SECONDS, now + RESTATE_SECONDS
        self._rejoin_after = now + REJOIN_SECONDS

    def run(self) -> None:
        """Returns with everything committed that it copied. What raises commits nothing more."""
        while not self._finished():
            proof = self._poll(0.0 if self._more else POLL_SECONDS)
            self._mend()
            self._set_off()
            self._learn_ends()
            batch = self._origins.take(self._limit)
            self._more = sum(map(len, batch.outputs.values())) == self._limit
            self._deliver(batch or self._restated(), proof)
            self._hold_back()
            self._report()

    # --- reading --------------------------------------------------------------------------------------

    def _poll(self, seconds: float) -> object | None:
        """The proof of who held what was polled: taken right after the poll, so that a zombie is fenced."""
        with self._pulse.calling("poll"):
            records = self.source.poll(seconds, self._limit)
        proof = self._membership.proof()
        self._origins.follow(self.source.changes())
        if proof is OUTSIDE:
            self._origins.lose_all()
            return None
        if records:
            self._last_moved = time.monotonic()
        self._origins.receive(records)
        for origin in self._origins:
            if origin.flows:
                self._look_at(origin)
        return proof

    def _mend(self) -> None:
        """A group gives a static member that was away for a moment what it had before its topics changed."""
        now = time.monotonic()
        if not self._origins.torn:
            self._rejoin_after = now + REJOIN_SECONDS
        elif now >= self._rejoin_after:
            log.info("part of what flows together is missing: joining the group anew")
            self._rejoin_after = now + REJOIN_SECONDS
            self.source.rejoin()

    def _look_at(self, origin: Origin) -> None:
        origin.read = self.source.position(origin.partition)
        now = self.source.topic_id(origin.partition)
        if origin.topic_id and now and origin.topic_id != now:
            log.warning("%s: the topic was made anew", origin.partition)
            self._restart(origin)

    def _restart(self, origin: Origin) -> None:
        self.source.pause([origin.partition])
        self._origins.restart(origin)

    def _set_off(self) -> None:
        """Ask for the position of each that has none yet, and go on from there."""
        for origin in self._origins:
            if not origin.flows and time.monotonic() >= origin.ask_after:
                try:
                    self._begin(origin)
                except Fenced:
                    raise
                except TransportError as error:
                    self._complain(f"the broker does not tell a position: {error}")
                    origin.ask_after = time.monotonic() + RETRY_SECONDS

    def _begin(self, origin: Origin) -> None:
        partition = origin.partition
        if partition.number >= self._partitions:
            raise RecoveryError(
                f"{partition}: every topic had {self._partitions} partitions at the start; give all of them "
                "the same number again, and start again"
            )
        with self._pulse.calling("committed"):
            origin.committed = self.source.committed(partition, ANSWER_SECONDS)
        with self._pulse.calling("bounds"):
            bounds = self.source.bounds(partition, ANSWER_SECONDS)
        origin.topic_id = self.source.topic_id(partition)
        origin.read = positions.first(origin, bounds, self._find_copy, accept_inexact=self._accept_inexact)
        origin.flows, self._last_moved = True, time.monotonic()
        self.source.seek(partition, origin.read)
        self.source.resume([partition])

    def _find_copy(self, partition: Partition) -> int | None:
        with self._pulse.calling("last_copy"):
            return self._last_copy(partition)

    def _learn_ends(self) -> None:
        """Where the logs end now, as far as the order depends on it."""
        if asked := self._origins.to_ask():
            try:
                with self._pulse.calling("stable_ends"):
                    self._origins.told(self.source.stable_ends(asked, ANSWER_SECONDS))
            except TransportError as error:
                self._complain(f"the broker does not tell where partitions end: {error}")
            else:
                self._trouble = ""

    def _hold_back(self) -> None:
        """No more is read of a partition of which enough is waiting for its turn."""
        for origin in self._origins:
            if origin.flows and origin.full != (len(origin.waiting) >= self._limit):
                origin.full = not origin.full
                (self.source.pause if origin.full else self.source.resume)([origin.partition])

    # --- delivering -----------------------------------------------------------------------------------

    def _deliver(self, batch: MergedBatch, proof: object | None) -> None:
        if batch:
            done = self._delivery.deliver(batch, proof)
            for origin in self._origins.confirm(batch, done):
                self._restart(origin)

    def _attend(self) -> tuple[set[Partition], object | None]:
        """Keep the place in the group while a batch waits: poll with everything paused."""
        self.source.pause(origin.partition for origin in self._origins if origin.flows)
        proof = self._poll(0.0)
        self.source.resume(origin.partition for origin in self._origins if origin.flows and not origin.full)
        return {origin.partition for origin in self._origins if origin.flows}, proof

    def _restated(self) -> MergedBatch:
        if time.monotonic() < self._restate_after:
            return MergedBatch()
        self._restate_after = time.monotonic() + RESTATE_SECONDS
        return self._origins.restated()

    # --- how it stands --------------------------------------------------------------------------------

    def _report(self) -> None:
        """Once a minute, whether there is anything to copy or not."""
        now = time.monotonic()
        if now < self._report_after:
            return
        self._report_after = now + REPORT_SECONDS
        copied = self._origins.copied - self._reported
        self._reported = self._origins.copied.copy()
        counts = ", ".join(f"{topic}: {count}" for topic, count in copied.items()) or "nothing new"
        log.info("copied in the last minute: %s; %s", counts, self._origins.standing())

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning(trouble)
        self._trouble = trouble

    def _finished(self) -> bool:
        if self._stopping.asked:
            return True
        if not self._origins.idle:
            return False
        idle = time.monotonic() - self._last_moved
        return self.source.exhausted or (self._idle_exit is not None and idle >= self._idle_exit)
