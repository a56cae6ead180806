"""What a learner publishes: prediction records, dead letters, and the digest that chains them."""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import count, repeat
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, expect
from streamrnn.errors import SnapshotError
from streamrnn.features import Block
from streamrnn.learner.forms import NOTHING, Answers, Form, TextAnswers, named
from streamrnn.learner.prepass import Flags
from streamrnn.types import Headers, Kind, Output, Partition, Record

LONGEST_DEAD_LETTER = 65_536
"""Bytes of a bad value that are kept; a longer one is cut and described by its length and SHA-256."""

LINK = 64
"""Outputs in a link of the digest's chain."""


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
        form, foreseen = self._form, _only(answers.moves)
        columns = {
            "lineage": repeat(self._lineage),
            "event": count(first),
            "position": map(Position, repeat(partition.topic), repeat(partition.number), offsets),
            "prediction": foreseen(form.predictions(answers)),
            "key": block.keys if self._keyed else NOTHING,
            "time": map(event_time, block.time.tolist()) if self._timed else NOTHING,
            "id": block.ids if self._by_id else NOTHING,
            "interval": foreseen(self._intervals(answers)),
            "quantiles": foreseen(self._quantiles(answers)),
            "probabilities": foreseen(form.probabilities(answers)),
            "members": foreseen(form.members(answers)) if self._with_members else NOTHING,
            "surprise": NOTHING if answers.surprise is None else _numbers(answers.surprise),
            "judged": self._judgements(block, answers),
        }
        return encode_lines(list(_made(Prediction, columns)))

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

    def _judgements(self, block: Block, answers: Answers) -> Iterable[Any]:
        form = self._form
        judged = np.logical_or.reduce([scored.judged for scored in answers.scored])
        if not judged.any():
            return NOTHING
        columns = {
            "label": form.labels(answers),
            "prediction": form.judged(answers),
            "losses": form.losses(answers),
            "id": block.label_of if self._by_id else NOTHING,
        }
        return _only(judged)(_made(Judgement, columns))


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
        known = _only(~np.isnan(chances[:, 0]))
        tops = [self._named(*pair) for pair in zip(likeliest.tolist(), chances.tolist(), strict=True)]
        predictions = map(
            TextPrediction,
            repeat(self._lineage),
            count(first),
            map(Position, repeat(partition.topic), repeat(partition.number), offsets),
            known([next(iter(top)) for top in tops]),
            block.keys if self._keyed else NOTHING,
            map(event_time, block.time.tolist()) if self._timed else NOTHING,
            known(tops),
            _numbers(answers.surprise),
            self._judgements(answers),
        )
        return encode_lines(list(predictions))

    def _named(self, tokens: Sequence[int], chances: Sequence[float]) -> dict[str, float]:
        return {self._characters[token]: chance for token, chance in zip(tokens, chances, strict=True)}

    def _judgements(self, answers: TextAnswers) -> Iterable[TextJudgement | None]:
        judged = answers.judged > 0
        bits = answers.losses / (np.maximum(answers.judged, 1) * np.log(2.0))[:, np.newaxis]
        named_bits = map(self._bits, *bits.T.tolist())
        return _only(judged)(map(TextJudgement, answers.judged.tolist(), named_bits))


def _only(wanted: Flags) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """What puts None into a column where it is not wanted."""
    if wanted.all():
        return lambda column: column
    flags = wanted.tolist()

    def keep(column: Iterable[Any]) -> Iterable[Any]:
        if column is NOTHING:
            return column
        return [value if want else None for want, value in zip(flags, column, strict=True)]

    return keep


def _made(kind: type[msgspec.Struct], columns: Mapping[str, Iterable[Any]]) -> Iterable[Any]:
    """A record of each row; of a lighter type, without the columns that say nothing."""
    there = {name: column for name, column in columns.items() if column is not NOTHING}
    return map(_light(kind, tuple(there)), *there.values())


@cache
def _light(kind: type[msgspec.Struct], names: tuple[str, ...]) -> Any:
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    columns = [(name, Any) if fields[name].required else (name, Any, None) for name in names]
    return msgspec.defstruct(kind.__name__, columns, omit_defaults=True, gc=False)


def _numbers(column: NDArray[np.float64]) -> Iterable[float | None]:
    """None where there is none."""
    return _only(~np.isnan(column))(column.tolist())


_encoder = msgspec.json.Encoder()


def encode_lines(records: Sequence[msgspec.Struct]) -> list[bytes]:
    lines: bytes = _encoder.encode_lines(records)
    return lines.split(b"\n")[:-1]


def event_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class Digest:
    """Half a SHA-256 over everything published, in order: two logs are compared by it.

    A chain whose links hash LINK outputs each, wherever calls cut the stream; the last link is open.
    """

    def __init__(self) -> None:
        self._value = bytes(16)
        """Of the closed links."""
        self._open: list[Output] = []

    def add(self, outputs: Sequence[Output]) -> None:
        waiting = [*self._open, *outputs]
        closed = len(waiting) - len(waiting) % LINK
        for begin in range(0, closed, LINK):
            self._value = _link(self._value, waiting[begin : begin + LINK])
        self._open = waiting[closed:]

    def __str__(self) -> str:
        return (_link(self._value, self._open) if self._open else self._value).hex()

    def state(self) -> State:
        contents = [(output.kind, output.key, output.value) for output in self._open]
        return {
            "closed": np.frombuffer(self._value, np.uint8).copy(),
            "open": np.frombuffer(msgspec.msgpack.encode(contents), np.uint8).copy(),
        }

    def load(self, state: State) -> None:
        """Raises SnapshotError naming the array that does not fit."""
        expect(state, {"closed": (np.uint8, (16,)), "open": (np.uint8, (None,))})
        try:
            contents = msgspec.msgpack.decode(
                state["open"].tobytes(), type=list[tuple[Kind, bytes | None, bytes | None]]
            )
        except msgspec.DecodeError as error:
            raise SnapshotError(f"array open does not hold outputs: {error}") from None
        self._value = state["closed"].tobytes()
        self._open = [Output(kind, key, value, []) for kind, key, value in contents]


def _link(value: bytes, outputs: Sequence[Output]) -> bytes:
    keys = [output.key or b"" for output in outputs]
    values = [output.value or b"" for output in outputs]
    dead = [output.kind == "dead_letter" for output in outputs]
    lengths = struct.pack(f"<{3 * len(outputs)}q", *dead, *map(len, keys), *map(len, values))
    return sha256(b"".join([value, lengths, *keys, *values])).digest()[:16]


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
