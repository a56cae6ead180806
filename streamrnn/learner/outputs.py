"""What a learner publishes: prediction records, dead letters, and the digest that chains them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from itertools import count, repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np

from streamrnn.features import Block
from streamrnn.learner.prepass import Floats, Slots
from streamrnn.mixing import Scored
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


class Answers(NamedTuple):
    """What the passes found for the n good records of a block."""

    label: Floats
    back: Slots
    scored: Scored


class Encoder:
    """Turns the answers to a block into prediction records.

    Every field is made for the whole block at once: the interpreter's time per event goes into little else.
    """

    def __init__(
        self,
        lineage: str,
        members: Sequence[str],
        *,
        classes: bool,
        keyed: bool,
        timed: bool,
        with_members: bool,
    ) -> None:
        self._lineage = lineage
        self._losses = _numbers_named(("mix", *members))
        self._probabilities = _numbers_named(("0", "1")) if classes else None
        self._members = _numbers_named(members) if with_members else None
        self._keyed = keyed
        self._timed = timed

    def values(
        self, block: Block, answers: Answers, offsets: Sequence[int], partition: Partition, first: int
    ) -> list[bytes]:
        """The records' values (n,); `first` is the count of events with the block's first one."""
        published = answers.scored.published
        classes, members = self._probabilities, self._members
        predictions = map(
            Prediction,
            repeat(self._lineage),
            count(first),
            map(Position, repeat(partition.topic), repeat(partition.number), offsets),
            ((published >= 0.5).astype(np.int64) if classes else published).tolist(),
            block.keys if self._keyed else _NOTHING,
            map(_event_time, block.time.tolist()) if self._timed else _NOTHING,
            map(classes, (1.0 - published).tolist(), published.tolist()) if classes else _NOTHING,
            map(members, *answers.scored.members.T.tolist()) if members else _NOTHING,
            self._judgements(answers),
        )
        lines: bytes = _encoder.encode_lines(list(predictions))
        return lines.splitlines()

    def _judgements(self, answers: Answers) -> list[Judgement | None]:
        scored = answers.scored
        losses = map(self._losses, *scored.losses.T.tolist())
        judgements = map(Judgement, answers.label.tolist(), scored.judged_published.tolist(), losses)
        return [
            judgement if back >= 0 else None
            for judgement, back in zip(judgements, answers.back.tolist(), strict=True)
        ]


_encoder = msgspec.json.Encoder()
_NOTHING = repeat(None)


def _numbers_named(names: Sequence[str]) -> Any:
    """A type that is written like a dictionary of these names, and made several times as fast."""
    attributes = {f"n{i}": name for i, name in enumerate(names)}
    return msgspec.defstruct("Numbers", [(a, float) for a in attributes], rename=attributes, gc=False)


def _event_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class Digest:
    """A running BLAKE2b over everything published, one link per record: two logs are compared by it."""

    def __init__(self, value: bytes = bytes(16)) -> None:
        self.value = value

    def add(self, outputs: Sequence[Output]) -> None:
        value = self.value
        for output in outputs:
            kind = b"p" if output.kind == "prediction" else b"d"
            key, body = output.key or b"", output.value or b""
            link = b"%b%b%d:%b%b" % (value, kind, len(key), key, body)
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


def json_schema() -> str:
    """JSON Schema (2020-12) of a prediction record, the text of `docs/prediction.schema.json`."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Prediction"}
    schema = msgspec.json.encode(head | msgspec.json.schema(Prediction))
    return msgspec.json.format(schema, indent=2).decode() + "\n"
