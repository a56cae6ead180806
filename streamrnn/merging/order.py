"""The order in which records are copied, and what a copy says of where it came from.

Within a partition the log's order is kept. Between partitions of one number the oldest record goes first, by
the transport's timestamps, and at the same millisecond that of the topic that is named first. Nothing is
copied as long as a partition may still bring an older record: its next one has to be here, or its log must
have been at its end after the others' records had come. So a label that was produced once its event stood
in its topic is copied after the event, however far the one or the other is behind.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from streamrnn.types import Commit, Output, Partition, Record


@dataclass(eq=False)
class Origin:
    """One partition that is copied, while this worker holds it."""

    partition: Partition
    rank: int
    """The place of its topic among those that are merged."""
    flows: bool = False
    """False until its committed position is known."""
    ask_after: float = 0.0
    """When to ask for the committed position (again), by the monotonic clock."""
    topic_id: str = ""
    """Of the topic that the position is one in; empty where nothing tells it."""
    committed: Commit | None = None
    """The position that is confirmed."""
    read: int = -1
    """The next offset that a poll brings, or passes over."""
    stable: int | None = None
    """Where its log ended when last asked; None: that was before the last record came, so it says nothing."""
    waiting: deque[Record] = field(default_factory=deque)
    """Read and not copied yet."""
    taken: int = 0
    """Records in the batch that is under way."""
    full: bool = False
    """True while no more is read, because enough is waiting."""

    @property
    def next(self) -> int:
        """The next offset to copy."""
        return self.waiting[0].offset if self.waiting else self.read

    @property
    def behind(self) -> bool:
        """True if its next record may stand in its log and is not here."""
        return not self.waiting and (self.stable is None or self.read < self.stable)

    def end(self) -> Commit:
        return Commit(self.next, self.topic_id)


def take_in_order(origins: Sequence[Origin], limit: int) -> list[Output]:
    """Copies of what goes next, at most `limit`; `origins` are all partitions of one number."""
    outputs: list[Output] = []
    while len(outputs) < limit and (origin := _oldest(origins)) is not None:
        outputs.append(copy_of(origin.partition, origin.waiting.popleft()))
        origin.taken += 1
    return outputs


def _oldest(origins: Sequence[Origin]) -> Origin | None:
    """Whose record goes next; None if there is none, or an older one may still come."""
    if len(origins) > 1 and any(origin.behind for origin in origins):
        return None
    waiting = [origin for origin in origins if origin.waiting]
    return min(waiting, key=lambda origin: (origin.waiting[0].timestamp, origin.rank), default=None)


def copy_of(partition: Partition, record: Record) -> Output:
    """The record, and where it stood; a header's null, which the client cannot send, is an empty one."""
    headers = [(name, value or b"") for name, value in record.headers]
    headers += [
        ("origin_topic", partition.topic.encode()),
        ("origin_partition", b"%d" % partition.number),
        ("origin_offset", b"%d" % record.offset),
        ("origin_timestamp", b"%d" % record.timestamp),
    ]
    return Output("copy", record.key, record.value, headers)
