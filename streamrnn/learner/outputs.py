"""What a learner publishes: prediction records, dead letters, and the digest that chains them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from typing import Any

import msgspec

from streamrnn.types import Headers, Output, Partition, Record

LONGEST_DEAD_LETTER = 65_536
"""Bytes of a bad value that are kept; a longer one is cut and described by its length and SHA-256."""


class Position(msgspec.Struct, frozen=True, gc=False):
    topic: str
    partition: int
    offset: int


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """The prediction that this event's label has just judged."""

    label: float
    prediction: float
    """For classes, the probability of class 1."""
    losses: dict[str, float]
    """Of the mix and of each member: absolute error, or log loss for classes."""


class Prediction(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One record of the predictions topic; `docs/prediction.schema.json` is its schema."""

    lineage: str
    event: int
    """Events of the partition learned so far, this one included."""
    position: Position
    """Of the event in the input."""
    prediction: float | int
    """In the label's unit; for classes the likelier one."""
    key: str | None = None
    time: datetime | None = None
    """Event time."""
    probabilities: dict[str, float] | None = None
    members: dict[str, float | None] | None = None
    judged: Judgement | None = None


class Digest:
    """A running BLAKE2b over everything published, one link per record: two logs are compared by it."""

    def __init__(self, value: bytes = bytes(16)) -> None:
        self.value = value

    def add(self, outputs: Sequence[Output]) -> None:
        value = self.value
        for output in outputs:
            key, body = output.key or b"", output.value or b""
            link = b"%b%b%d:%b%b" % (value, output.kind[0].encode(), len(key), key, body)
            value = blake2b(link, digest_size=16).digest()
        self.value = value

    def __str__(self) -> str:
        return self.value.hex()


def dead_letter(record: Record, partition: Partition, reason: str, detail: str) -> Output:
    """A record that could not be used, with headers that say why and where it came from."""
    value = record.value or b""
    headers: Headers = [
        ("reason", reason.encode()),
        ("detail", detail.encode("utf-8", "replace")),
        ("topic", partition.topic.encode()),
        ("partition", b"%d" % partition.number),
        ("offset", b"%d" % record.offset),
    ]
    if len(value) > LONGEST_DEAD_LETTER:
        headers += [("length", b"%d" % len(value)), ("sha256", sha256(value).hexdigest().encode())]
        value = value[:LONGEST_DEAD_LETTER]
    key = record.key if record.key is None else record.key[:LONGEST_DEAD_LETTER]
    return Output("dead_letter", key, value, headers)


def event_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


encode: Any = msgspec.json.Encoder().encode


def json_schema() -> str:
    """JSON Schema (2020-12) of a prediction record, the text of `docs/prediction.schema.json`."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Prediction"}
    schema = msgspec.json.encode(head | msgspec.json.schema(Prediction))
    return msgspec.json.format(schema, indent=2).decode() + "\n"
