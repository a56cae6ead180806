"""A source that reads a broker in memory, as a member of a group whose assignment moves on demand."""

from collections.abc import Iterable, Mapping

from streamrnn.errors import Fenced, TransportError
from streamrnn.sources.base import Changes
from streamrnn.sources.memory_log import Membership as Membership
from streamrnn.sources.memory_log import MemoryLog as MemoryLog
from streamrnn.sources.memory_log import Stored as Stored
from streamrnn.types import Bounds, Commit, Partition, Record


class _Cursor:
    """Where one assigned partition is read: no position until it was sought, paused until resumed."""

    def __init__(self) -> None:
        self.position: int | None = None
        self.paused = True


class MemorySource:
    """Reads one topic of a MemoryLog as a member of a group.

    All partitions are assigned at the first poll, unless `assigned` names their numbers. `assign`, `revoke`
    and `lose` move partitions afterwards; as in every group, a move takes effect within the next poll.
    """

    def __init__(
        self,
        log: MemoryLog,
        topic: str,
        group: str = "group",
        slot: str = "slot",
        assigned: Iterable[int] | None = None,
    ) -> None:
        self._log = log
        self._topic = topic
        self._group = group
        self._slot = slot
        self._member = Membership(group, slot, log.join(group, slot))
        self._polled_as: Membership | None = None
        self._cursors: dict[Partition, _Cursor] = {}
        self._turn = 0
        self._moves: list[Changes] = []
        self._unread: list[Changes] = []
        numbers = range(len(log.partitions(topic))) if assigned is None else assigned
        self.assign(numbers)

    # --- what the group does -------------------------------------------------------------------

    def assign(self, numbers: Iterable[int]) -> None:
        self._move(Changes(assigned=self._named(numbers)))

    def revoke(self, numbers: Iterable[int]) -> None:
        self._move(Changes(revoked=self._named(numbers)))

    def lose(self, numbers: Iterable[int]) -> None:
        """The group gave up on this member: it is fenced at once, and a member again after its next poll."""
        self._member = Membership(self._group, self._slot, self._log.join(self._group, self._slot))
        self._move(Changes(lost=self._named(numbers)))

    # --- the source ----------------------------------------------------------------------------

    def poll(self, seconds: float, limit: int) -> Mapping[Partition, list[Record]]:
        moved = self._settle()
        found = self._take(limit)
        if not found and not moved:
            self._log.wait(self._worth_looking, seconds)
            self._settle()
            found = self._take(limit)
        self._polled_as = self._member
        return found

    def changes(self) -> Changes:
        unread, self._unread = self._unread, []
        return Changes(
            assigned=tuple(at for change in unread for at in change.assigned),
            revoked=tuple(at for change in unread for at in change.revoked),
            lost=tuple(at for change in unread for at in change.lost),
        )

    def membership(self) -> Membership:
        """Like a static member, it does not notice another source in its slot: only a commit finds out."""
        if self._polled_as != self._member:
            raise Fenced(f"slot {self._slot} is not a member of group {self._group}; poll to join")
        return self._member

    def committed(self, partition: Partition, seconds: float) -> Commit | None:
        return self._log.committed(self._group, partition)

    def bounds(self, partition: Partition, seconds: float) -> Bounds:
        return self._log.bounds(partition)

    def topic_id(self, partition: Partition) -> str:
        return self._log.topic_id(partition)

    def position(self, partition: Partition) -> int:
        position = self._cursor(partition).position
        if position is None:
            raise TransportError(f"{partition} has no position; seek first")
        return position

    def seek(self, partition: Partition, offset: int) -> None:
        self._cursor(partition).position = offset

    def pause(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._cursor(partition).paused = True

    def resume(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._cursor(partition).paused = False

    def commit(self, commits: Mapping[Partition, Commit]) -> None:
        self._log.commit(commits, self.membership())

    @property
    def exhausted(self) -> bool:
        return self._log.finished and not self._moves and not self._unread and self._all_read()

    def close(self) -> None:
        """The slot stays this member's until another source joins with it, as a static member's does."""
        self._cursors.clear()

    def _named(self, numbers: Iterable[int]) -> tuple[Partition, ...]:
        return tuple(Partition(self._topic, number) for number in numbers)

    def _move(self, change: Changes) -> None:
        self._moves.append(change)
        self._log.wake()

    def _settle(self) -> bool:
        moves, self._moves = self._moves, []
        for change in moves:
            for partition in (*change.revoked, *change.lost):
                del self._cursors[partition]
            for partition in change.assigned:
                self._cursors[partition] = _Cursor()
        self._unread.extend(moves)
        return bool(moves)

    def _cursor(self, partition: Partition) -> _Cursor:
        if partition not in self._cursors:
            raise TransportError(f"{partition} is not assigned to this source")
        return self._cursors[partition]

    def _take(self, limit: int) -> dict[Partition, list[Record]]:
        """Up to `limit` records; partitions take turns to come first, so that none starves."""
        found: dict[Partition, list[Record]] = {}
        if self._log.away:
            return found
        flowing = [partition for partition, cursor in self._cursors.items() if not cursor.paused]
        self._turn += 1
        for index in range(len(flowing)):
            partition = flowing[(self._turn + index) % len(flowing)]
            records = self._read(partition, limit)
            if records:
                found[partition] = records
                limit -= len(records)
        return found

    def _read(self, partition: Partition, limit: int) -> list[Record]:
        position = self.position(partition)
        bounds = self._log.extent(partition)
        if not bounds.begin <= position <= bounds.end:
            raise TransportError(
                f"{partition}: position {position} is outside the log, "
                f"which holds {bounds.begin} to {bounds.end}"
            )
        if limit == 0:
            return []
        records = [stored.record for stored in self._log.read(partition, position, limit)]
        self._cursors[partition].position = (
            records[-1].offset + 1 if records else max(position, bounds.stable)
        )
        return records

    def _worth_looking(self) -> bool:
        if self._moves or self._log.finished:
            return True
        flowing = [partition for partition, cursor in self._cursors.items() if not cursor.paused]
        return not self._log.away and any(
            self.position(partition) < self._log.extent(partition).stable for partition in flowing
        )

    def _all_read(self) -> bool:
        return all(
            cursor.position is not None and cursor.position >= self._log.extent(partition).stable
            for partition, cursor in self._cursors.items()
        )
