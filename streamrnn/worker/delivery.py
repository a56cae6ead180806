"""Making a batch durable exactly once: publish; if that fails, the committed position says what happened."""

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from streamrnn.errors import DeliveryUncertain, Fenced, TransportError
from streamrnn.sinks.base import Sink
from streamrnn.sources.base import Source
from streamrnn.types import Commit, Output, Partition
from streamrnn.worker.signals import Stopping
from streamrnn.worker.watchdog import Pulse

log = logging.getLogger(__name__)

Verdict = Literal["done", "sent_again", "dropped"]

Answer = TypeVar("Answer")

MOST_ATTEMPTS = 30
"""How often one batch is sent, its position read in between, before a restart has to do better."""
RETRY_SECONDS = 0.5
ANSWER_SECONDS = 5.0
"""How long one question for a committed position may take; it is asked again until it is answered."""
LEAVE_SECONDS = 10.0
"""How long a worker that was asked to stop still waits for a broker that is away."""


@dataclass
class Batch:
    """What one poll led to. It stays in memory until `committed` confirms it."""

    starts: dict[Partition, Commit | None] = field(default_factory=dict)
    """The committed positions that it follows; None: there was none."""
    ends: dict[Partition, Commit] = field(default_factory=dict)
    """The committed positions once it is done."""
    outputs: dict[Partition, Sequence[Output]] = field(default_factory=dict)

    def add(
        self, partition: Partition, start: Commit | None, end: Commit, outputs: Sequence[Output] = ()
    ) -> None:
        self.starts[partition] = start
        self.ends[partition] = end
        if outputs:
            self.outputs[partition] = outputs

    def only(self, partitions: Iterable[Partition]) -> "Batch":
        kept = set(partitions)
        return Batch(
            {at: start for at, start in self.starts.items() if at in kept},
            {at: end for at, end in self.ends.items() if at in kept},
            {at: outputs for at, outputs in self.outputs.items() if at in kept},
        )

    def __bool__(self) -> bool:
        return bool(self.ends)


class Delivery:
    """Delivers batches, one at a time.

    `attend` keeps the worker's place in its group while a batch waits: it polls with everything paused, lets
    partitions come and go, and returns those that are still held and the proof of it.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        attend: Callable[[], tuple[set[Partition], object | None]],
        pulse: Pulse,
        stopping: Stopping,
        doubted: Callable[[Iterable[Verdict]], None] = lambda verdicts: None,
    ) -> None:
        """`doubted`: told, after a publish that failed, what the positions said of each partition."""
        self._source = source
        self._sink = sink
        self._attend = attend
        self._pulse = pulse
        self._stopping = stopping
        self._doubted = doubted
        self.trouble = ""
        """Why the batch under way is not through yet; empty while all is well."""

    def deliver(self, batch: Batch, membership: object | None) -> set[Partition]:
        """The partitions whose part of the batch is durable; the others' learners must be restored.

        The exception of a failed publish never decides. After it, what was open is aborted and the committed
        position says what happened: at the batch's end, done; at its start and still held here, the same
        bytes are sent again; anything else, somebody else went on from there.
        """
        done: set[Partition] = set()
        for attempt in itertools.count(1):
            try:
                self._publish(batch, membership)
            except DeliveryUncertain as error:
                self._complain(f"a batch is uncertain, the committed position decides: {error}")
                if attempt == MOST_ATTEMPTS:
                    raise
            else:
                self.trouble = ""
                return done | batch.ends.keys()
            self._stopping.wait(min(0.05 * attempt, 2.0))
            verdicts, membership = self._settle(batch)
            done |= {at for at, verdict in verdicts.items() if verdict == "done"}
            batch = batch.only(at for at, verdict in verdicts.items() if verdict == "sent_again")
            if not batch:
                break
        self.trouble = ""
        return done

    def _publish(self, batch: Batch, membership: object | None) -> None:
        with self._pulse.calling("publish"):
            self._sink.publish(batch.outputs, batch.ends, membership)
        if self._sink.transactional:
            return
        batch.outputs.clear()  # they are out: a commit that fails does not publish them twice
        try:
            with self._pulse.calling("commit"):
                self._source.commit(batch.ends)
        except Fenced:
            raise
        except TransportError as error:
            raise DeliveryUncertain(f"the commit failed: {error}") from error

    def _settle(self, batch: Batch) -> tuple[Mapping[Partition, Verdict], object | None]:
        self._until_it_answers("recover", self._sink.recover)
        now = {at: self._until_it_answers("committed", self._ask(at)) for at in batch.ends}
        held, membership = self._attend()
        verdicts = {at: self._verdict(at, batch, commit, held) for at, commit in now.items()}
        self._doubted(verdicts.values())
        return verdicts, membership

    def _verdict(self, at: Partition, batch: Batch, now: Commit | None, held: set[Partition]) -> Verdict:
        if now == batch.ends[at]:
            return "done"
        if now == batch.starts[at] and at in held:
            return "sent_again"
        why = "moved by somebody else" if at in held else "not held here any more"
        log.warning("%s: its batch is dropped: committed at %s, %s", at, now and now.offset, why)
        return "dropped"

    def _ask(self, partition: Partition) -> Callable[[], Commit | None]:
        return lambda: self._source.committed(partition, ANSWER_SECONDS)

    def _until_it_answers(self, name: str, ask: Callable[[], Answer]) -> Answer:
        leave = math.inf
        while True:
            try:
                with self._pulse.calling(name):
                    return ask()
            except Fenced:
                raise
            except TransportError as error:
                self._complain(f"waiting for the broker: {error}")
                if self._stopping.asked:
                    leave = min(leave, time.monotonic() + LEAVE_SECONDS)
                if time.monotonic() >= leave:
                    raise
            time.sleep(RETRY_SECONDS)
            self._attend()

    def _complain(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning(trouble)
        self.trouble = trouble
