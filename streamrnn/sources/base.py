"""What a source of records promises to the service's loop."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from streamrnn.types import Bounds, Commit, Partition, Record


class Changes(NamedTuple):
    """How the assignment moved since it was last asked for."""

    assigned: tuple[Partition, ...] = ()
    """New here, and paused: seek and resume each once its learner is restored."""
    revoked: tuple[Partition, ...] = ()
    """Given up in order; another worker reads them from the committed position."""
    lost: tuple[Partition, ...] = ()
    """Taken away while this worker was not looking; nothing may be published for them any more."""


class Source(Protocol):
    """A log in partitions. Not thread-safe: one loop owns it.

    No call blocks past the seconds it is given, except where a `tick` handed to the constructor is called
    at least once a second meanwhile.
    """

    def poll(self, seconds: float, limit: int) -> Mapping[Partition, list[Record]]:
        """Records ready now, at most `limit`, oldest first within a partition; empty if none came in time.

        Never returns records of a paused partition. Transport faults that pass are ridden out here (an
        empty answer); the others raise TransportError, and Fenced when another process uses this
        worker's slot. Keeps the worker's place in its group: with everything paused it is called for
        that alone.
        """
        ...

    def changes(self) -> Changes:
        """What happened to the assignment since the last call; ask after every poll."""
        ...

    def membership(self) -> object | None:
        """Proof of who owned the partitions at the last poll, for `Sink.publish`; None without a group.

        Raises Fenced while this worker is not a member of its group. The caller then drops every partition,
        and goes on polling: poll joins again, and `changes` reports as lost what was held and as assigned
        what comes.
        """
        ...

    def committed(self, partition: Partition, seconds: float) -> Commit | None:
        """The group's committed position; None if there never was one.

        Raises TransportError after `seconds`.
        """
        ...

    def bounds(self, partition: Partition, seconds: float) -> Bounds:
        """What the partition holds now. Raises TransportError after `seconds`."""
        ...

    def topic_id(self, partition: Partition) -> str:
        """Tells a topic from a later one of its name; empty where nothing does. Never blocks."""
        ...

    def position(self, partition: Partition) -> int:
        """The next offset that poll will return or pass over (control records use up offsets)."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Poll goes on from `offset`; records fetched before are forgotten. Allowed while paused."""
        ...

    def pause(self, partitions: Iterable[Partition]) -> None: ...

    def resume(self, partitions: Iterable[Partition]) -> None: ...

    def commit(self, commits: Mapping[Partition, Commit]) -> None:
        """Store positions beside the group, outside any transaction (at-least-once delivery).

        Raises TransportError when it cannot tell whether that happened; only `committed` knows.
        """
        ...

    @property
    def exhausted(self) -> bool:
        """True once a finite source has handed out its last record."""
        ...

    def close(self) -> None: ...
