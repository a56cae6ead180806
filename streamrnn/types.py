"""The values that cross a module's edge: partitions, records, outputs, commits.

All are immutable. `msgspec.Struct` rather than a dataclass, because one of each is made per event.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

Headers = list[tuple[str, bytes]]
Kind = Literal["prediction", "dead_letter", "copy"]


class Partition(NamedTuple):
    """One partition of one topic; the unit that a learner belongs to."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.number}"


class Record(msgspec.Struct, frozen=True, gc=False):
    """What a source hands over, undecoded. `offset` is its own position in its partition."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    """Milliseconds since 1970 by the transport's clock; never seen by a learner."""
    headers: Sequence[tuple[str, bytes | None]] = ()
    """Never seen by a learner."""


class Output(msgspec.Struct, frozen=True, gc=False):
    """What is published for one record, encoded: a learner's prediction or dead letter, or a copy of it."""

    kind: Kind
    key: bytes | None
    value: bytes | None
    headers: Headers


class Commit(NamedTuple):
    """A position of the input, as it stands beside a consumer group: `offset` is the next to read."""

    offset: int
    metadata: str = ""


class Bounds(NamedTuple):
    """What a partition holds now: `begin` is its first offset, `stable` and `end` are one past its last."""

    begin: int
    stable: int
    """Last stable offset: where a reader of committed records must stop."""
    end: int
    """High watermark."""
