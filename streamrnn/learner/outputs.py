"""What a learner publishes: prediction records, dead letters, and the digest that chains them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count, repeat
from typing import Any

import msgspec
import numpy as np

from streamrnn.features import Block
from streamrnn.learner.forms import NOTHING, Answers, Form, TextAnswers, named
from streamrnn.learner.prepass import Flags
from streamrnn.types import Headers, Output, Partition, Record

LONGEST_DEAD_LETTER = 65_536
"""Bytes of a bad value that are kept; a longer one is cut and described by its length and SHA-256."""


class Position(msgspec.Struct, frozen=True, gc=False):
    topic: str
    partition: int
    offset: int


Value = float | int | str | None
"""A number, or the name of a class."""
ByField = dict[str, float | None]
"""Of a forecast of several fields."""


class Judgement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The prediction that this record's label has just judged."""

    label: Value | ByField
    prediction: Value | ByField
    """For classes 0 and 1, the probability of 1."""
    losses: dict[str, float | ByField]
    """Of the mix and each member: absolute error, or log loss of classes; by field if there are several."""
    id: str | None = None
    """Of the event, where labels come by id."""


class Prediction(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One record of the predictions topic; `docs/prediction.schema.json` is its schema."""

    lineage: str
    event: int
    """Records of the partition learned so far, this one included."""
    position: Position
    """Of the record in the input."""
    prediction: Value | ByField
    """In the label's unit, for classes the likeliest one; null for a record that only brought a label."""
    key: str | None = None
    time: datetime | None = None
    """Event time."""
    id: str | None = None
    """The event's own, where labels come by id."""
    interval: list[float | None] | dict[str, list[float | None]] | None = None
    """Lowest and highest value, where an interval is asked for."""
    quantiles: dict[str, float | ByField] | None = None
    """By level, where the loss is a quantile's."""
    probabilities: dict[str, float] | None = None
    """Of each class that is known by now."""
    members: dict[str, Any] | None = None
    """Each member's own prediction."""
    surprise: float | None = None
    """Between 0 and 1, how unusual the label was that has just judged: a share of s or so lies below s."""
    judged: Judgement | None = None


class TextJudgement(msgspec.Struct, frozen=True, gc=False):
    """How well the text of this record was foreseen."""

    characters: int
    """That were predicted before they were seen; bytes, if the vocabulary is bytes."""
    bits_per_character: dict[str, float]
    """Of the mix and of each member."""


class TextPrediction(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One record of the predictions topic of a text, about the character that comes after it."""

    lineage: str
    event: int
    position: Position
    prediction: str | None
    """The likeliest next character; null after an empty text."""
    key: str | None = None
    time: datetime | None = None
    probabilities: dict[str, float] | None = None
    """Of the five likeliest."""
    surprise: float | None = None
    """Between 0 and 1, how unusual the text was, by its mean bits per character."""
    judged: TextJudgement | None = None


class Encoder:
    """Turns the answers to a block into prediction records.

    Every field is made for the whole block at once: the interpreter's time per event goes into little else.
    """

    def __init__(
        self,
        lineage: str,
        form: Form,
        fields: Sequence[str],
        levels: Sequence[float] = (),
        *,
        keyed: bool,
        timed: bool,
        by_id: bool,
        with_members: bool,
    ) -> None:
        """`fields`: those predicted; `levels`: of quantiles."""
        self._lineage = lineage
        self._form = form
        self._by_field = named(fields) if len(fields) > 1 else None
        self._levels = named([f"{level:g}" for level in levels])
        self._keyed, self._timed, self._by_id = keyed, timed, by_id
        self._with_members = with_members

    def values(
        self, block: Block, answers: Answers, offsets: Sequence[int], partition: Partition, first: int
    ) -> list[bytes]:
        """The records' values (n,); `first` is the count of records with the block's first one."""
        form = self._form
        predictions = map(
            Prediction,
            repeat(self._lineage),
            count(first),
            map(Position, repeat(partition.topic), repeat(partition.number), offsets),
            _where(answers.moves, form.predictions(answers)),
            block.keys if self._keyed else NOTHING,
            map(event_time, block.time.tolist()) if self._timed else NOTHING,
            block.ids if self._by_id else NOTHING,
            _where(answers.moves, self._intervals(answers)),
            _where(answers.moves, self._quantiles(answers)),
            _where(answers.moves, form.probabilities(answers)),
            _where(answers.moves, form.members(answers)) if self._with_members else NOTHING,
            NOTHING if answers.surprise is None else map(_number, answers.surprise.tolist()),
            self._judgements(block, answers),
        )
        return encode_lines(list(predictions))

    def _intervals(self, answers: Answers) -> Iterable[Any]:
        if not answers.bounds:
            return NOTHING
        return self._of_fields(np.stack(bounds, axis=1).tolist() for bounds in answers.bounds)

    def _quantiles(self, answers: Answers) -> Iterable[Any]:
        if answers.quantiles is None:
            return NOTHING
        fields = answers.quantiles.swapaxes(0, 1)
        return self._of_fields(map(self._levels, *values.T.tolist()) for values in fields)

    def _of_fields(self, columns: Iterable[Iterable[Any]]) -> Iterable[Any]:
        return next(iter(columns)) if self._by_field is None else map(self._by_field, *columns)

    def _judgements(self, block: Block, answers: Answers) -> Iterable[Judgement | None]:
        form = self._form
        judged = np.logical_or.reduce([scored.judged for scored in answers.scored])
        if not judged.any():
            return NOTHING
        ids = block.label_of if self._by_id else NOTHING
        judgements = map(Judgement, form.labels(answers), form.judged(answers), form.losses(answers), ids)
        return _where(judged, judgements)


LIKELIEST = 5
"""Characters whose probabilities are published."""


class TextEncoder:
    """Turns the answers to a block of texts into prediction records."""

    def __init__(
        self, lineage: str, characters: Sequence[str], members: Sequence[str], *, keyed: bool, timed: bool
    ) -> None:
        self._lineage = lineage
        self._characters = characters
        self._bits = named(("mix", *members))
        self._keyed, self._timed = keyed, timed

    def values(
        self, block: Block, answers: TextAnswers, offsets: Sequence[int], partition: Partition, first: int
    ) -> list[bytes]:
        """The records' values (n,); `first` is the count of records with the block's first one."""
        likeliest = np.argsort(-answers.published, axis=1, kind="stable")[:, :LIKELIEST]
        chances = np.take_along_axis(answers.published, likeliest, axis=1)
        known = ~np.isnan(chances[:, 0])
        tops = [self._named(*pair) for pair in zip(likeliest.tolist(), chances.tolist(), strict=True)]
        predictions = map(
            TextPrediction,
            repeat(self._lineage),
            count(first),
            map(Position, repeat(partition.topic), repeat(partition.number), offsets),
            _where(known, [next(iter(top)) for top in tops]),
            block.keys if self._keyed else NOTHING,
            map(event_time, block.time.tolist()) if self._timed else NOTHING,
            _where(known, tops),
            map(_number, answers.surprise.tolist()),
            self._judgements(answers),
        )
        return encode_lines(list(predictions))

    def _named(self, tokens: Sequence[int], chances: Sequence[float]) -> dict[str, float]:
        return {self._characters[token]: chance for token, chance in zip(tokens, chances, strict=True)}

    def _judgements(self, answers: TextAnswers) -> Iterable[TextJudgement | None]:
        judged = answers.judged > 0
        bits = answers.losses / (np.maximum(answers.judged, 1) * np.log(2.0))[:, np.newaxis]
        return _where(judged, map(TextJudgement, answers.judged.tolist(), map(self._bits, *bits.T.tolist())))


def _where(wanted: Flags, column: Iterable[Any]) -> Iterable[Any]:
    """The column, with None where it is not wanted."""
    if column is NOTHING or wanted.all():
        return column
    return [value if keep else None for keep, value in zip(wanted.tolist(), column, strict=True)]


def _number(value: float) -> float | None:
    return None if value != value else value


_encoder = msgspec.json.Encoder()


def encode_lines(records: Sequence[msgspec.Struct]) -> list[bytes]:
    lines: bytes = _encoder.encode_lines(records)
    return lines.splitlines()


def event_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class Digest:
    """Half a SHA-256 chained over everything published, a link per record: two logs are compared by it."""

    def __init__(self, value: bytes = bytes(16)) -> None:
        self.value = value

    def add(self, outputs: Sequence[Output]) -> None:
        value = self.value
        for output in outputs:
            kind = b"p" if output.kind == "prediction" else b"d"
            key, body = output.key or b"", output.value or b""
            value = sha256(value + kind + b"%d:" % len(key) + key + body).digest()[:16]
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
    kinds, parts = msgspec.json.schema_components([Prediction, TextPrediction], ref_template="#/$defs/{name}")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Prediction"}
    schema = msgspec.json.encode(head | {"anyOf": list(kinds), "$defs": parts})
    return msgspec.json.format(schema, indent=2).decode() + "\n"
