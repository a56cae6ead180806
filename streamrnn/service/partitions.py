"""The partitions of this worker: each one waits, is born or restored, lives, and leaves."""

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from streamrnn.errors import TransportError
from streamrnn.service import restore
from streamrnn.service.life import Life
from streamrnn.service.meter import Meter
from streamrnn.service.model import Models
from streamrnn.service.progress import Progress
from streamrnn.service.saver import Saver
from streamrnn.service.vault import Vault
from streamrnn.snapshots import cpu_name
from streamrnn.sources.base import Changes, Source
from streamrnn.types import Bounds, Commit, Output, Partition, Record
from streamrnn.worker.delivery import ANSWER_SECONDS, RETRY_SECONDS, Batch
from streamrnn.worker.watchdog import Pulse

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0

PROCESSED = "processed_at"
"""Header of everything published: milliseconds since 1970, when it was learned."""


class Partitions:
    """Who is held, and how far each is. Runs on the loop's thread, after a poll and never within one."""

    def __init__(
        self,
        source: Source,
        vault: Vault,
        models: Models,
        meter: Meter,
        pulse: Pulse,
        *,
        reset: bool = False,
        accept_inexact: bool = False,
        new_lineage: Callable[[], str] | None = None,
    ) -> None:
        self._source = source
        self._vault = vault
        self._models = models
        self._meter = meter
        self._pulse = pulse
        self._reset = reset
        self._to_end = frozenset(vault.every_life()) if reset else frozenset()
        """Lives that were there before this worker asked for new ones."""
        self._accept_inexact = accept_inexact
        self._new_lineage = new_lineage or _new_lineage
        self._reborn: set[Partition] = set()
        self._lives: dict[Partition, Life] = {}
        self.saver = Saver(vault, models.configuration, meter, self._lives)

    def __iter__(self) -> Iterator[Life]:
        return iter(tuple(self._lives.values()))

    def holds(self, partition: Partition) -> bool:
        return partition in self._lives

    @property
    def all_live(self) -> bool:
        """True if there is a partition and nothing is left to restore."""
        return bool(self._lives) and all(life.stage == "live" for life in self)

    # --- coming and going ---------------------------------------------------------------------------

    def follow(self, changes: Changes) -> None:
        """Let go of what is gone, take in what is new (it is paused and waits)."""
        self._meter.moved(changes)
        for partition in changes.lost:
            if self._lives.pop(partition, None):
                log.warning("%s was lost: another worker goes on from its committed position", partition)
        for partition in changes.revoked:
            if life := self._lives.pop(partition, None):
                log.info("%s leaves", partition)
                self.saver.offer(life)
        for partition in changes.assigned:
            log.info("%s is assigned", partition)
            self._lives[partition] = Life(partition)

    def lose_all(self) -> None:
        """This worker is no member of its group any more: somebody else may hold every partition."""
        self.follow(Changes(lost=tuple(self._lives)))

    def drop(self, partition: Partition) -> None:
        """Restore the learner from its snapshot, because it may be ahead of what is committed."""
        if partition in self._lives:
            self._source.pause([partition])
            self._lives[partition] = Life(partition)

    # --- coming to life -------------------------------------------------------------------------------

    def awaken(self) -> Batch:
        """Ask for the position of each that waits, and set off. Returns the genesis commits to deliver."""
        genesis = Batch()
        for life in self:
            if life.stage == "waiting" and time.monotonic() >= life.ask_after:
                self._set_off(life, genesis)
        return genesis

    def _set_off(self, life: Life, genesis: Batch) -> None:
        partition = life.partition
        try:
            with self._pulse.calling("committed"):
                commit = self._source.committed(partition, ANSWER_SECONDS)
            with self._pulse.calling("bounds"):
                bounds = life.bounds = self._source.bounds(partition, ANSWER_SECONDS)
        except TransportError as error:
            life.reason = f"the broker does not tell its position: {error}"
            life.ask_after = time.monotonic() + RETRY_SECONDS
            return
        if self._to_reset(partition, commit) or restore.begins(partition, commit, self._vault):
            self._begin(life, commit, bounds, genesis)
        elif commit is not None:
            self._restore(life, commit, bounds)

    def _to_reset(self, partition: Partition, commit: Commit | None) -> bool:
        """True once per partition, and not where another worker of the group began its new life since."""
        if not self._reset or partition in self._reborn:
            return False
        progress = Progress.of(commit) if commit else None
        lineage = progress.lineage if progress else ""
        return lineage in self._to_end or lineage not in self._vault.lives(partition)

    def _begin(self, life: Life, commit: Commit | None, bounds: Bounds, genesis: Batch) -> None:
        """A genesis: the snapshot first, so that no committed position is ever without one."""
        life.stage, life.reason = "beginning", "committing its first position"
        life.lineage, life.topic_id = self._new_lineage(), self._source.topic_id(life.partition)
        life.learner = self._models.make(life.lineage, self._models.configuration)
        life.learner.take_weights()
        life.position = bounds.begin
        self.saver.save_now(life)
        genesis.add(life.partition, commit, life.commit())

    def _begun(self, life: Life) -> None:
        """Its genesis is committed: records may flow."""
        partition = life.partition
        log.info("%s: lineage %s begins", partition, life.lineage)
        self._reborn.add(partition)
        self._vault.start(partition, life.lineage)
        self._flow(life, life.position)
        self._enliven(life)

    def _restore(self, life: Life, commit: Commit, bounds: Bounds) -> None:
        life.topic_id = self._source.topic_id(life.partition)
        restored = restore.restore(
            life.partition,
            commit,
            bounds,
            life.topic_id,
            self._vault,
            self._models,
            accept_inexact=self._accept_inexact,
        )
        self._meter.passed_over(life.partition, restored.saved.passed_over)
        self._compare_origins(life.partition, restored)
        life.stage = "restoring"
        life.lineage = restored.goal.progress.lineage
        life.learner, life.goal = restored.learner, restored.goal
        life.committed = commit
        life.position = restored.start
        life.saved, life.saved_at = restored.saved.offset, restored.saved.created
        log.info(
            "%s: lineage %s, snapshot at %d, replaying to %d",
            life.partition, life.lineage, life.saved, commit.offset,
        )  # fmt: skip
        self._flow(life, life.position)

    def _compare_origins(self, partition: Partition, restored: restore.Restored) -> None:
        """Bits are promised for the same code on the same type of CPU; the digest decides."""
        saved, here = restored.saved, cpu_name()
        if saved.cpu != here:
            log.warning("%s: the snapshot was taken on %s, this is %s", partition, saved.cpu, here)
        if saved.kernel_hash != restored.learner.kernel_hash:
            log.warning("%s: the snapshot was taken by another version of the learning code", partition)

    def _flow(self, life: Life, offset: int) -> None:
        self._source.seek(life.partition, offset)
        self._source.resume([life.partition])

    def watch_logs(self) -> None:
        """Every few seconds, see what the log holds. Raises RecoveryError if the position is not in it."""
        now = time.monotonic()
        for life in self:
            if life.flows and now >= life.look_after:
                life.look_after = now + LOOK_SECONDS
                try:
                    with self._pulse.calling("bounds"):
                        life.bounds = self._source.bounds(life.partition, LOOK_SECONDS)
                except TransportError as error:
                    life.away = f"the broker does not answer: {error}"
                else:
                    life.away = ""
                    life.read = max(life.position, self._source.position(life.partition))
                    life.lag = max(0, life.bounds.stable - life.read)
                    restore.within(life.partition, life.read, life.bounds)

    def restate(self) -> Batch:
        """Commits that tell the truth about a position although nothing new was learned.

        One is due beyond the control records that were read by the last look at the log: a position in front
        of them looks, once retention took them, as if records were missing. Another where an inexact recovery
        was accepted: the next start finds what was accepted.
        """
        batch = Batch()
        for life in self:
            if life.settled and (life.read > life.position or life.inexact):
                life.position = max(life.position, life.read)
                batch.add(life.partition, life.committed, life.commit())
        return batch

    def _enliven(self, life: Life) -> None:
        life.stage, life.reason = "live", ""
        life.goal = None
        life.save_after = time.monotonic()
        log.info("%s is live at offset %d", life.partition, life.position)
        self._meter.went_live(life.partition, time.monotonic() - life.since)

    # --- learning ---------------------------------------------------------------------------------------

    def learn(self, records: Mapping[Partition, Sequence[Record]]) -> Batch:
        """Replay what was committed before, learn what is new; the batch is what is new."""
        batch = Batch()
        for partition, block in records.items():
            life = self._lives.get(partition)
            if life and life.flows:
                restore.same_topic(partition, life.topic_id, self._source.topic_id(partition))
                new = self._replay(life, block)
                if new:
                    self._learn(life, new, batch)
        for life in self:
            self._arrive(life)
        return batch

    def _replay(self, life: Life, block: Sequence[Record]) -> Sequence[Record]:
        """Learn again what lies before the goal; what lies after it is returned."""
        if life.goal is None:
            return block
        old = [record for record in block if record.offset < life.goal.offset]
        if old:
            life.answering().learn(old, life.partition, accepted=True)
            life.position = old[-1].offset + 1
            self._meter.replayed(life.partition, len(old))
        if len(old) < len(block):
            self._reach(life, life.goal)
        return block[len(old) :]

    def _arrive(self, life: Life) -> None:
        """The goal is also reached when nothing but control records is left before it."""
        if life.goal and self._source.position(life.partition) >= life.goal.offset:
            self._reach(life, life.goal)

    def _reach(self, life: Life, goal: restore.Goal) -> None:
        exact = restore.check(life.partition, life.answering(), goal, accept_inexact=self._accept_inexact)
        life.position, life.inexact = goal.offset, not exact
        if goal.difference.taken_over:
            self._take_over(life, goal)
        if goal.difference.taken_over or not exact:
            self.saver.save_now(life)
        self._vault.start(life.partition, life.lineage)
        self._enliven(life)

    def _take_over(self, life: Life, goal: restore.Goal) -> None:
        log.info("%s: the configuration changes here: %s", life.partition, goal.difference.taken_over)
        old, life.learner = life.answering(), self._models.make(life.lineage, self._models.configuration)
        life.learner.load(old.state())
        life.learner.take_weights(goal.difference.restarted)

    def _learn(self, life: Life, block: Sequence[Record], batch: Batch) -> None:
        start = time.perf_counter()
        outputs = life.answering().learn(block, life.partition)
        self._meter.learned(life.partition, block, time.perf_counter() - start)
        _stamp(outputs)
        life.position = block[-1].offset + 1
        batch.add(life.partition, life.committed, life.commit(), outputs)

    def confirm(self, batch: Batch, done: Iterable[Partition]) -> None:
        """`done` of the batch is durable; learners of the others may be ahead of it, so they are restored."""
        for partition in batch.ends.keys() - set(done):
            self.drop(partition)
        for partition in done:
            if life := self._lives.get(partition):
                life.committed, life.inexact = batch.ends[partition], False
                if life.stage == "beginning":
                    self._begun(life)


def _stamp(outputs: Sequence[Output]) -> None:
    """Processing time is a header: it is no part of what is the same bit for bit."""
    header = (PROCESSED, str(time.time_ns() // 1_000_000).encode())
    for output in outputs:
        output.headers.append(header)


def _new_lineage() -> str:
    """Sorts by time, and is never given twice."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"
