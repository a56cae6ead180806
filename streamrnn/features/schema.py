"""Records to columns: one JSON object per record, checked field by field."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamrnn.features.clock import read_times
from streamrnn.features.fields import Field, Reason, Unfit, canonical, collect, cut, event_type, shown
from streamrnn.features.specs import Fields, Target
from streamrnn.types import Record

LONGEST_KEY = 65_536
"""Bytes of a key in UTF-8; it is published twice, beside a prediction and in it, and must fit there."""
DEEPEST = 100
"""Levels of nesting beyond which a value is refused, so that no call stack decides what is valid."""
_SUIT_ALWAYS = (None, 0, 1)
"""Of what the decoder lets pass; spares the slower check of most labels of classes."""
_TRUTH = {None: None, 0: "0", 1: "1"}


@dataclass(frozen=True, order=True)
class Reject:
    """A record set aside: its index in the sequence, a reason to count by, and what stood where."""

    index: int
    reason: Reason
    detail: str


class Block(msgspec.Struct, frozen=True):
    """The good records of a sequence as columns (n rows); NaN and None mean missing."""

    rows: NDArray[np.intp]
    """Index of each row's record in the sequence (n,)."""
    rejects: list[Reject]
    keys: list[str]
    """Canonical text of the key; empty texts where no key is configured."""
    time: NDArray[np.float64]
    """The event's time, UTC seconds since 1970 (n,); NaN where no time is configured."""
    numbers: NDArray[np.float64]
    """(number fields, n)"""
    categories: list[list[str | None]]
    """Canonical texts, one list of n for each category field."""
    times: NDArray[np.float64]
    """UTC seconds since 1970 (time fields, n)."""
    label: NDArray[np.float64]
    """(label fields, n) of numbers and counts; NaN: not known."""
    classes: list[str | None]
    """Canonical text of a class (n), empty for other tasks; None: not known."""
    ids: list[str | None]
    """Canonical text of the event's id (n), empty for labels that do not come by id; None: no event."""
    label_of: list[str | None]
    """The id of the event whose label this record brings, like `ids`; None: it brings none."""
    texts: list[str]
    """What tokens are made of (n), empty for other tasks."""

    def __len__(self) -> int:
        return len(self.rows)


class Schema:
    """How one JSON object becomes an event. Validity depends on the bytes and on this configuration only.

    Key, time and feature fields must be present; `null` in a feature or the label means missing; an absent
    label means not known; other fields are ignored. Texts that hold numbers are not numbers.

    Where labels come by id, a record with an id is an event, and one with the id of an earlier event brings
    that one's label; it may be both. A record that is no event needs no features, and what it has of them is
    left out; a label without the id of an earlier event is left out too.
    """

    def __init__(
        self,
        fields: Fields,
        target: Target,
        *,
        key: str | None = None,
        time: str | None = None,
        zone: str = "UTC",
        max_bytes: int = 1_000_000,
    ) -> None:
        """`zone` [IANA name] is that of texts without an offset; `max_bytes` bounds a record's value."""
        self._zone, self._max_bytes = zone, max_bytes
        self._fields = collect(fields, target, key, time)
        attribute = {f.name: f"f{i}" for i, f in enumerate(self._fields)}
        self._key = None if key is None else attrgetter(attribute[key])
        self._lax = tuple((attrgetter(attribute[f.name]), f) for f in self._fields if f.laxly_decoded)
        self._time = time
        self._time_names = tuple(dict.fromkeys((*((time,) if time is not None else ()), *fields.times)))
        self._times = tuple(attrgetter(attribute[name]) for name in self._time_names)
        self._time_columns = np.array([self._time_names.index(name) for name in fields.times], np.intp)
        labels = tuple(attribute[name] for name in target.labels)
        of_numbers = target.kind in ("number", "count")
        self._numbers = tuple(attrgetter(attribute[name]) for name in fields.numbers)
        self._labels = tuple(map(attrgetter, labels if of_numbers else ()))
        self._class = attrgetter(labels[0]) if target.kind == "classes" else None
        self._binary = target.binary
        self._text = attrgetter(labels[0]) if target.kind == "tokens" else None
        self._ids = _Ids(target, self._fields, attribute) if target.by_id else None
        self._categories = tuple(attrgetter(attribute[name]) for name in fields.categories)
        self._decoder = msgspec.json.Decoder(event_type(self._fields, attribute))

    def decode(self, records: Sequence[Record]) -> Block:
        """The good records as columns, the bad ones with their reasons; both in the order of `records`."""
        rejects: list[Reject] = []
        try:
            rows, events = list(range(len(records))), self._events(records)
        except (Unfit, msgspec.DecodeError):
            rows, events = self._one_by_one(records, rejects)
        times, faults = self._read_times(events)
        if faults:
            rejects = sorted([*rejects, *(Reject(rows[i], "bad_time", text) for i, text in faults.items())])
            good = [i not in faults for i in range(len(rows))]
            rows, events, *times = (list(compress(column, good)) for column in (rows, events, *times))
        return self._columns(rows, events, times, rejects)

    def _events(self, records: Sequence[Record]) -> list[Any]:
        """All of them; raises Unfit or DecodeError if one is bad, whichever."""
        values = [
            value if value and len(value) <= 2 * DEEPEST and value.isascii() else self._screen(value)
            for value in [record.value for record in records]
        ]
        events = list(map(self._decoder.decode, values))
        for answers, field in self._lax:
            for answer in map(answers, events):
                if answer not in _SUIT_ALWAYS:
                    field.check(answer)
        if self._ids is not None:
            for event in events:
                self._ids.separate(event)
        self._check_keys(events, records, values)
        return events

    def _one_by_one(self, records: Sequence[Record], rejects: list[Reject]) -> tuple[list[int], list[Any]]:
        """The good ones' places and events; what is wrong with the bad ones joins `rejects`."""
        rows: list[int] = []
        events: list[Any] = []
        for row, record in enumerate(records):
            try:
                events += self._events([record])
                rows.append(row)
            except Unfit as unfit:
                rejects.append(Reject(row, unfit.reason, unfit.detail))
            except msgspec.DecodeError as error:
                rejects.append(Reject(row, *self._diagnose(record.value or b"", error)))
        return rows, events

    def _screen(self, value: bytes | None) -> bytes:
        """`value` again, if it is one that the decoder may be handed."""
        if value is None:
            raise Unfit("null_value", "the record has no value")
        if len(value) > self._max_bytes:
            raise Unfit("too_large", f"{len(value)} bytes; at most {self._max_bytes} are decoded")
        if not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError as error:
                raise Unfit("bad_utf8", f"byte {error.start}: {error.reason}") from None
        if value.count(b"[") + value.count(b"{") > DEEPEST and _depth(value) > DEEPEST:
            raise Unfit("not_json", f"nested deeper than {DEEPEST} levels")
        return value

    def _check_keys(self, events: list[Any], records: Sequence[Record], values: list[bytes]) -> None:
        """Raise Unfit if there is a key that is too long; one in a value is shorter than that."""
        longest = 0
        if self._key is None:
            longest = max(map(len, filter(None, [record.key for record in records])), default=0)
        elif max(map(len, values), default=0) > LONGEST_KEY:
            longest = max(len(canonical(key).encode()) for key in map(self._key, events))
        if longest > LONGEST_KEY:
            raise Unfit("too_large", f"a key of {longest} bytes; at most {LONGEST_KEY} are published")

    def _read_times(self, events: list[Any]) -> tuple[list[list[float]], dict[int, str]]:
        """UTC seconds (time fields, n), and what is wrong with an event's first bad time by its index."""
        times: list[list[float]] = []
        wrong: dict[int, str] = {}
        for name, field in zip(self._time_names, self._times, strict=True):
            values = list(map(field, events))
            seconds, faults = read_times(values, self._zone)
            times.append(seconds)
            for i, fault in faults.items():
                wrong.setdefault(i, f"{name}: {shown(values[i])}: {cut(fault)}")
        return times, wrong

    def _diagnose(self, value: bytes, error: msgspec.DecodeError) -> tuple[Reason, str]:
        """Why the decoder refused `value`: slow, and exact about the field."""
        try:
            content = json.loads(value.decode(), parse_int=_parse_int)
        except ValueError as fault:
            return "not_json", cut(str(fault))
        if not isinstance(content, dict):
            return "not_an_object", f"expected an object, got {shown(content)}"
        try:
            for field in self._fields:
                if field.name in content:
                    field.check(content[field.name])
                elif field.required:
                    raise Unfit("missing_field", f"{field.name}: not there")
        except Unfit as unfit:
            return unfit.reason, unfit.detail
        return "not_json", cut(str(error))  # the lax reader takes it: NaN in a field that is not read

    def _columns(
        self, rows: list[int], events: list[Any], instants: list[list[float]], rejects: list[Reject]
    ) -> Block:
        n = len(rows)
        times = np.array(instants, np.float64).reshape(len(instants), n)
        return Block(
            rows=np.fromiter(rows, np.intp, n),
            rejects=rejects,
            keys=[""] * n if self._key is None else [canonical(value) for value in map(self._key, events)],
            time=times[0] if self._time is not None else np.full(n, np.nan),
            numbers=_floats(self._numbers, events),
            categories=[_texts(field, events) for field in self._categories],
            times=times[self._time_columns],
            label=_floats(self._labels, events),
            classes=self._classes(events),
            ids=_texts(self._ids.id, events) if self._ids is not None else [],
            label_of=_texts(self._ids.label_of, events) if self._ids is not None else [],
            texts=list(map(self._text, events)) if self._text is not None else [],
        )

    def _classes(self, events: list[Any]) -> list[str | None]:
        if self._class is None:
            return []
        if self._binary:
            return [_TRUTH[value] for value in map(self._class, events)]
        return _texts(self._class, events)


class _Ids:
    """What a record is whose task has labels by id: an event, a label of an earlier one, or both."""

    def __init__(self, target: Target, fields: tuple[Field, ...], attribute: Mapping[str, str]) -> None:
        assert target.id is not None and target.label_of is not None
        self._name = target.id
        self.id = attrgetter(attribute[target.id])
        self.label_of = attrgetter(attribute[target.label_of])
        self._labels = [attribute[name] for name in target.labels]
        self._label_names = ", ".join(target.labels)
        self._of_events = [(attribute[f.name], f.name) for f in fields if f.of_events]

    def separate(self, event: Any) -> None:
        """Leave in the record what it is there for. Raises Unfit if that is nothing, or not all of it."""
        if self.label_of(event) is None:
            for attribute in self._labels:
                setattr(event, attribute, None)
        if self.id(event) is not None:
            for attribute, name in self._of_events:
                if getattr(event, attribute) is msgspec.UNSET:
                    raise Unfit("missing_field", f"{name}: not there")
            return
        if (judged := self.label_of(event)) is None:
            raise Unfit("missing_field", f"{self._name}: not there, and no label of an earlier event")
        if all(getattr(event, attribute) is None for attribute in self._labels):
            what = f"null or not there; the label of event {shown(judged)} is needed"
            raise Unfit("missing_field", f"{self._label_names}: {what}")
        for attribute, _ in self._of_events:
            setattr(event, attribute, None)


def _floats(fields: tuple[Callable[[Any], Any], ...], events: list[Any]) -> NDArray[np.float64]:
    """(fields, n); NaN for None."""
    columns = np.empty((len(fields), len(events)))
    for column, field in zip(columns, fields, strict=True):
        values = list(map(field, events))
        try:
            column[:] = np.fromiter(values, np.float64, len(values))
        except TypeError:  # a None, which the slower conversion knows
            column[:] = np.array(values, np.float64)
    return columns


def _texts(field: Callable[[Any], Any], events: list[Any]) -> list[str | None]:
    return [None if value is None else canonical(value) for value in map(field, events)]


def _depth(value: bytes) -> int:
    """Deepest nesting of arrays and objects; brackets within strings do not count."""
    depth = deepest = 0
    inside = escaped = False
    for byte in value:
        if inside:
            inside = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _parse_int(digits: str) -> int | float:
    """Integers as they stand; endless ones as infinity, because Python refuses to turn those into text."""
    return int(digits) if len(digits) <= 400 else float(digits)
