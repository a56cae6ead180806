"""A broker in memory, with the habits of a real one that matter to recovery.

Crashes, outages, rebalances and retention are rehearsed here without a process or a socket: transactions
that may or may not have happened, fenced producers and members, control records that use up offsets, logs
that were trimmed, compacted or made anew.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from streamrnn.errors import DeliveryUncertain, Fenced, TransportError
from streamrnn.types import Bounds, Commit, Headers, Output, Partition, Record


class Membership(NamedTuple):
    """Proof that a slot of a group was held in a certain epoch."""

    group: str
    slot: str
    epoch: int


class Stored(NamedTuple):
    record: Record
    headers: Headers


class _Transaction(NamedTuple):
    outputs: Sequence[tuple[Partition, Output]]
    commits: Mapping[Partition, Commit]
    membership: Membership | None
    decided: bool = False
    """The coordinator has decided to commit, but nothing is visible yet."""


class _Log:
    """One partition's records; `end` runs on over control records, which are never stored."""

    def __init__(self) -> None:
        self.begin = 0
        self.end = 0
        self.held: int | None = None
        self.stored: list[Stored] = []

    @property
    def stable(self) -> int:
        return self.end if self.held is None else min(self.held, self.end)

    def append(self, output: Output, timestamp: int) -> int:
        offset = self.end
        self.stored.append(Stored(Record(offset, output.key, output.value, timestamp), output.headers))
        self.end += 1
        return offset

    def index(self, offset: int) -> int:
        return bisect_left(self.stored, offset, key=lambda stored: stored.record.offset)

    def read(self, offset: int, limit: int) -> list[Stored]:
        first = self.index(offset)
        return self.stored[first : min(first + limit, self.index(self.stable))]


class MemoryLog:
    """Topics, groups and transactions of one broker. Thread-safe.

    `append`, `mark`, `hold`, `trim`, `compact`, `recreate` and `away` say what happens to the log from
    outside; `read`, `bounds` and `committed` say what stands in it.
    """

    def __init__(self, topics: Mapping[str, int] | None = None) -> None:
        """`topics` gives the number of partitions by name."""
        self._condition = threading.Condition()
        self._logs: dict[Partition, _Log] = {}
        self._made: Counter[str] = Counter()
        """How often each topic was made."""
        self._commits: dict[tuple[str, Partition], Commit] = {}
        self._members: dict[tuple[str, str], int] = {}
        self._producers: dict[str, int] = {}
        self._open: dict[str, _Transaction] = {}
        self._finished = False
        self._away = False
        for topic, partitions in (topics or {}).items():
            self.create(topic, partitions)

    # --- what happens to the log ---------------------------------------------------------------

    def create(self, topic: str, partitions: int) -> None:
        with self._condition:
            self._made[topic] += 1
            for number in range(partitions):
                self._logs.setdefault(Partition(topic, number), _Log())

    def append(
        self, partition: Partition, value: bytes | None, key: bytes | None = None, timestamp: int = 0
    ) -> int:
        """The offset of the new record."""
        with self._condition:
            offset = self._log(partition).append(Output("prediction", key, value, []), timestamp)
            self._condition.notify_all()
            return offset

    def mark(self, partition: Partition, count: int = 1) -> None:
        """Use up offsets as control records and aborted records do: readers pass over them."""
        with self._condition:
            self._log(partition).end += count
            self._condition.notify_all()

    def hold(self, partition: Partition, offset: int | None) -> None:
        """An open transaction of somebody else keeps readers before `offset`; None: it ended."""
        with self._condition:
            self._log(partition).held = offset
            self._condition.notify_all()

    def trim(self, partition: Partition, begin: int) -> None:
        """Retention: what stood before `begin` is gone."""
        with self._condition:
            log = self._log(partition)
            del log.stored[: log.index(begin)]
            log.begin = begin

    def compact(self, partition: Partition, offsets: Collection[int]) -> None:
        """Compaction: the records at `offsets` are gone, their offsets stay used up."""
        with self._condition:
            log = self._log(partition)
            log.stored = [stored for stored in log.stored if stored.record.offset not in offsets]

    def recreate(self, topic: str, partitions: int) -> None:
        """Delete the topic, and with it every group's position in it, and make it anew, empty."""
        with self._condition:
            self._logs = {at: log for at, log in self._logs.items() if at.topic != topic}
            self._commits = {at: commit for at, commit in self._commits.items() if at[1].topic != topic}
            self.create(topic, partitions)

    def finish(self) -> None:
        """Nothing will be appended any more: sources come to an end instead of waiting."""
        with self._condition:
            self._finished = True
            self._condition.notify_all()

    @property
    def finished(self) -> bool:
        return self._finished

    @property
    def away(self) -> bool:
        """True during an outage: polls come back empty, every other call fails."""
        return self._away

    @away.setter
    def away(self, away: bool) -> None:
        with self._condition:
            self._away = away
            self._condition.notify_all()

    # --- what stands in the log ----------------------------------------------------------------

    def partitions(self, topic: str) -> list[Partition]:
        """In order of their numbers. Raises TransportError for an unknown topic."""
        found = sorted(partition for partition in self._logs if partition.topic == topic)
        if not found:
            raise TransportError(f"topic {topic} does not exist; create it first")
        return found

    def read(self, partition: Partition, offset: int = 0, limit: int = 1 << 62) -> list[Stored]:
        """Committed records from `offset` on, with their headers."""
        with self._condition:
            return self._log(partition).read(offset, limit)

    def extent(self, partition: Partition) -> Bounds:
        """What the partition holds, outage or not."""
        with self._condition:
            log = self._log(partition)
            return Bounds(log.begin, log.stable, log.end)

    def bounds(self, partition: Partition) -> Bounds:
        """The same, asked of the broker."""
        with self._condition:
            self._reach()
            return self.extent(partition)

    def topic_id(self, partition: Partition) -> str:
        with self._condition:
            return str(self._made[partition.topic])

    def committed(self, group: str, partition: Partition) -> Commit | None:
        """Raises TransportError while a transaction that commits for `group` is open, as a real broker keeps
        a reader of committed positions waiting then."""
        with self._condition:
            self._reach()
            for name, transaction in self._open.items():
                member = transaction.membership
                if member is not None and member.group == group and partition in transaction.commits:
                    raise TransportError(
                        f"transaction of {name} is open: the position of {partition} is unstable"
                    )
            return self._commits.get((group, partition))

    # --- groups: only the newest epoch of a slot may commit -------------------------------------

    def join(self, group: str, slot: str) -> int:
        """A new epoch for the slot; whoever held it before is fenced from now on."""
        with self._condition:
            epoch = self._members.get((group, slot), 0) + 1
            self._members[group, slot] = epoch
            return epoch

    def check_member(self, member: Membership) -> None:
        """Raises Fenced if the slot has a newer epoch."""
        if self._members.get((member.group, member.slot)) != member.epoch:
            raise Fenced(f"slot {member.slot} of group {member.group} was taken over")

    def commit(self, commits: Mapping[Partition, Commit], membership: Membership) -> None:
        """Store positions outside any transaction."""
        with self._condition:
            self._reach()
            self.check_member(membership)
            self._store(commits, membership)

    # --- transactions: stage, then complete; the newest epoch of a producer ends what was left ---

    def take_over(self, producer: str) -> int:
        """A new epoch for `producer`. What an earlier epoch left open is completed if the commit was already
        decided, otherwise aborted."""
        with self._condition:
            self._reach()
            left = self._open.pop(producer, None)
            if left is not None and left.decided:
                self._show(left)
            epoch = self._producers.get(producer, 0) + 1
            self._producers[producer] = epoch
            return epoch

    def stage(
        self,
        producer: str,
        epoch: int,
        outputs: Sequence[tuple[Partition, Output]],
        commits: Mapping[Partition, Commit],
        membership: object | None,
    ) -> None:
        """Open a transaction with everything in it; nothing is visible yet.

        Raises Fenced for an older producer, DeliveryUncertain for an old membership and during an outage.
        """
        with self._condition:
            if self._away:
                raise DeliveryUncertain("the broker does not answer")
            self._check_producer(producer, epoch)
            if commits and not isinstance(membership, Membership):
                raise TransportError("positions cannot be committed without a membership")
            member = membership if isinstance(membership, Membership) else None
            if member is not None:
                self._check_proof(member)
            self._open[producer] = _Transaction(list(outputs), dict(commits), member)

    def decide(self, producer: str) -> None:
        """The staged transaction will become visible, though only when the producer is next taken over."""
        with self._condition:
            self._open[producer] = self._open[producer]._replace(decided=True)

    def complete(self, producer: str, epoch: int) -> None:
        """Make the staged transaction visible, all of it at once."""
        with self._condition:
            self._check_producer(producer, epoch)
            self._show(self._open.pop(producer))

    def write(self, outputs: Iterable[tuple[Partition, Output]]) -> None:
        """Append outside any transaction. Raises DeliveryUncertain during an outage."""
        with self._condition:
            if self._away:
                raise DeliveryUncertain("the broker does not answer")
            for partition, output in outputs:
                self._log(partition).append(output, 0)
            self._condition.notify_all()

    def wait(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return once `ready()` holds after a change of the log, or after `seconds`."""
        with self._condition:
            self._condition.wait_for(ready, seconds)

    def wake(self) -> None:
        """Let waiting sources look again."""
        with self._condition:
            self._condition.notify_all()

    def _log(self, partition: Partition) -> _Log:
        if partition not in self._logs:
            raise TransportError(f"partition {partition} does not exist; create the topic first")
        return self._logs[partition]

    def _reach(self) -> None:
        if self._away:
            raise TransportError("the broker does not answer")

    def _check_proof(self, member: Membership) -> None:
        """A refused proof is no fence: the member may join again and ask what became of its transaction."""
        try:
            self.check_member(member)
        except Fenced as error:
            raise DeliveryUncertain(f"the group refused the positions: {error}") from error

    def _check_producer(self, producer: str, epoch: int) -> None:
        if self._producers.get(producer) != epoch:
            raise Fenced(f"another producer took over {producer}")

    def _show(self, transaction: _Transaction) -> None:
        touched = {partition for partition, _ in transaction.outputs}
        for partition, output in transaction.outputs:
            self._log(partition).append(output, 0)
        for partition in touched:
            self._log(partition).end += 1  # the transaction's commit marker
        if transaction.membership is not None:
            self._store(transaction.commits, transaction.membership)
        self._condition.notify_all()

    def _store(self, commits: Mapping[Partition, Commit], member: Membership) -> None:
        for partition, commit in commits.items():
            self._log(partition)
            self._commits[member.group, partition] = commit
