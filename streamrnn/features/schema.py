"""Records to columns: one JSON object per record, checked field by field."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from operator import attrgetter
from typing import Annotated, Any, Literal, Union

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamrnn.features.clock import read_times
from streamrnn.features.specs import Fields, Target
from streamrnn.types import Record

Reason = Literal[
    "null_value",
    "too_large",
    "bad_utf8",
    "not_json",
    "not_an_object",
    "missing_field",
    "wrong_type",
    "not_finite",
    "bad_time",
]
"""Why a record cannot be used."""

GREATEST = 1e30
"""Numbers beyond ± this are refused: their squares must stay finite in sums."""
LONGEST_KEY = 65_536
"""Bytes of a key in UTF-8; it is published twice, beside a prediction and in it, and must fit there."""
DEEPEST = 100
"""Levels of nesting beyond which a value is refused, so that no call stack decides what is valid."""

_ALLOWED: dict[str, frozenset[type]] = {
    "key": frozenset({str, int, bool}),
    "time": frozenset({str, int, float}),
    "number": frozenset({int, float}),
    "category": frozenset({str, int, bool}),
    "binary": frozenset({int, float, bool}),
}
"""The JSON types that each use of a field can read; a field of several uses must suit all of them."""
_NAMES = {str: "a string", int: "an integer", float: "a number", bool: "true or false", type(None): "null"}
_SUIT_ALWAYS = (None, 0, 1)
"""Of what the decoder lets pass; spares the slower check of most labels of classes."""
_Number = Annotated[float, msgspec.Meta(ge=-GREATEST, le=GREATEST)]


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
    """(n,); NaN: not known."""

    def __len__(self) -> int:
        return len(self.rows)


class _Unfit(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class _Field:
    """One field of the JSON object, with all its uses."""

    name: str
    uses: tuple[str, ...]
    required: bool
    nullable: bool

    @cached_property
    def types(self) -> frozenset[type]:
        return frozenset.intersection(*(_ALLOWED[use] for use in self.uses))

    @property
    def annotation(self) -> Any:
        """The type that msgspec decodes into: whole numbers become floats where a fraction may stand."""
        kinds: set[Any] = set(self.types)
        if float in kinds:
            kinds = (kinds - {int, float}) | {_Number if "number" in self.uses else float}
        return Union[tuple(kinds | ({type(None)} if self.nullable else set()))]  # noqa: UP007

    @property
    def laxly_decoded(self) -> bool:
        """True if a value may pass the decoder although it does not suit: these are checked once more."""
        return "binary" in self.uses or ("number" in self.uses and float not in self.types)

    def check(self, value: Any) -> None:
        """Raise _Unfit unless `value` suits every use."""
        if value is None and self.nullable:
            return
        if type(value) not in self.types:
            named = self.types - {int} if float in self.types else self.types
            expected = " or ".join(sorted(_NAMES[t] for t in named))
            raise _Unfit("wrong_type", f"{self.name}: expected {expected}, got {_shown(value)}")
        if "binary" in self.uses and value not in (0, 1):
            raise _Unfit("wrong_type", f"{self.name}: expected 0, 1, false or true, got {_shown(value)}")
        if "number" in self.uses and not abs(value) <= GREATEST:
            raise _Unfit("not_finite", f"{self.name}: {_shown(value)} is beyond ±{GREATEST:g}")
        if "time" in self.uses and isinstance(value, float) and not math.isfinite(value):
            raise _Unfit("bad_time", f"{self.name}: {_shown(value)} is no time")


class Schema:
    """How one JSON object becomes an event. Validity depends on the bytes and on this configuration only.

    Key, time and feature fields must be present; `null` in a feature or the label means missing; an absent
    label means not known; other fields are ignored. Texts that hold numbers are not numbers.
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
        self._fields = _collect(fields, target, key, time)
        attribute = {f.name: f"f{i}" for i, f in enumerate(self._fields)}
        self._key = None if key is None else attrgetter(attribute[key])
        self._lax = tuple((attribute[f.name], f) for f in self._fields if f.laxly_decoded)
        self._time = time
        self._time_names = tuple(dict.fromkeys((*((time,) if time is not None else ()), *fields.times)))
        self._times = tuple(attrgetter(attribute[name]) for name in self._time_names)
        self._time_columns = np.array([self._time_names.index(name) for name in fields.times], np.intp)
        self._numbers_and_label = tuple(attrgetter(attribute[n]) for n in (*fields.numbers, target.label))
        self._categories = tuple(attrgetter(attribute[name]) for name in fields.categories)
        self._decoder = msgspec.json.Decoder(_event_type(self._fields, attribute))

    def decode(self, records: Sequence[Record]) -> Block:
        """The good records as columns, the bad ones with their reasons; both in the order of `records`."""
        rows: list[int] = []
        events: list[Any] = []
        rejects: list[Reject] = []
        decode, lax = self._decoder.decode, self._lax
        for row, record in enumerate(records):
            value = record.value
            try:
                if value is None or len(value) > 2 * DEEPEST or not value.isascii():
                    value = self._screen(value)
                event = decode(value)
                for attribute, field in lax:
                    answer = getattr(event, attribute)
                    if answer not in _SUIT_ALWAYS:
                        field.check(answer)
                if len(value) > LONGEST_KEY or (record.key is not None and len(record.key) > LONGEST_KEY):
                    self._check_key(event, record.key)
            except _Unfit as unfit:
                rejects.append(Reject(row, unfit.reason, unfit.detail))
                continue
            except msgspec.DecodeError as error:
                rejects.append(Reject(row, *self._diagnose(record.value or b"", error)))
                continue
            rows.append(row)
            events.append(event)
        times, faults = self._read_times(events)
        if faults:
            rejects = sorted([*rejects, *(Reject(rows[i], "bad_time", text) for i, text in faults.items())])
            good = [i not in faults for i in range(len(rows))]
            rows, events, *times = (list(compress(column, good)) for column in (rows, events, *times))
        return self._columns(rows, events, times, rejects)

    def _screen(self, value: bytes | None) -> bytes:
        """`value` again, if it is one that the decoder may be handed."""
        if value is None:
            raise _Unfit("null_value", "the record has no value")
        if len(value) > self._max_bytes:
            raise _Unfit("too_large", f"{len(value)} bytes; at most {self._max_bytes} are decoded")
        if not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError as error:
                raise _Unfit("bad_utf8", f"byte {error.start}: {error.reason}") from None
        if value.count(b"[") + value.count(b"{") > DEEPEST and _depth(value) > DEEPEST:
            raise _Unfit("not_json", f"nested deeper than {DEEPEST} levels")
        return value

    def _check_key(self, event: Any, given: bytes | None) -> None:
        key = given or b"" if self._key is None else canonical(self._key(event)).encode()
        if len(key) > LONGEST_KEY:
            raise _Unfit("too_large", f"a key of {len(key)} bytes; at most {LONGEST_KEY} are published")

    def _read_times(self, events: list[Any]) -> tuple[list[list[float]], dict[int, str]]:
        """UTC seconds (time fields, n), and what is wrong with an event's first bad time by its index."""
        times: list[list[float]] = []
        wrong: dict[int, str] = {}
        for name, field in zip(self._time_names, self._times, strict=True):
            values = list(map(field, events))
            seconds, faults = read_times(values, self._zone)
            times.append(seconds)
            for i, fault in faults.items():
                wrong.setdefault(i, f"{name}: {_shown(values[i])}: {_cut(fault)}")
        return times, wrong

    def _diagnose(self, value: bytes, error: msgspec.DecodeError) -> tuple[Reason, str]:
        """Why the decoder refused `value`: slow, and exact about the field."""
        try:
            content = json.loads(value.decode(), parse_int=_parse_int)
        except ValueError as fault:
            return "not_json", _cut(str(fault))
        if not isinstance(content, dict):
            return "not_an_object", f"expected an object, got {_shown(content)}"
        try:
            for field in self._fields:
                if field.name in content:
                    field.check(content[field.name])
                elif field.required:
                    raise _Unfit("missing_field", f"{field.name}: not there")
        except _Unfit as unfit:
            return unfit.reason, unfit.detail
        return "not_json", _cut(str(error))  # the lax reader takes it: NaN in a field that is not read

    def _columns(
        self, rows: list[int], events: list[Any], instants: list[list[float]], rejects: list[Reject]
    ) -> Block:
        n = len(rows)
        times = np.array(instants, np.float64).reshape(len(instants), n)
        # of None, the conversion makes NaN
        numbers = np.array([list(map(field, events)) for field in self._numbers_and_label], np.float64)
        return Block(
            rows=np.array(rows, np.intp),
            rejects=rejects,
            keys=[""] * n if self._key is None else [canonical(value) for value in map(self._key, events)],
            time=times[0] if self._time is not None else np.full(n, np.nan),
            numbers=numbers[:-1],
            categories=[
                [None if value is None else canonical(value) for value in map(field, events)]
                for field in self._categories
            ],
            times=times[self._time_columns],
            label=numbers[-1],
        )


def canonical(value: str | int) -> str:
    """The text that stands for a key or a category: 7 and "7" are the same, true is "true"."""
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _collect(fields: Fields, target: Target, key: str | None, time: str | None) -> tuple[_Field, ...]:
    """Every field once, with all its uses, in the order in which faults are looked for."""
    uses: dict[str, list[str]] = {}
    strict: set[str] = set()
    for use, names in (("key", [key]), ("time", [time])):
        for name in names:
            if name is not None:
                uses.setdefault(name, []).append(use)
                strict.add(name)
    for use, columns in (("time", fields.times), ("number", fields.numbers), ("category", fields.categories)):
        for column in columns:
            uses.setdefault(column, []).append(use)
    optional = {target.label} - set(uses)
    uses.setdefault(target.label, []).append(target.kind)
    return tuple(
        _Field(name, tuple(used), name not in optional, name not in strict) for name, used in uses.items()
    )


def _event_type(fields: tuple[_Field, ...], attribute: dict[str, str]) -> type[msgspec.Struct]:
    """A struct with one typed attribute for each field; required ones first, as signatures want it."""
    columns: list[Any] = [(attribute[f.name], f.annotation) for f in fields if f.required]
    columns += [(attribute[f.name], f.annotation, None) for f in fields if not f.required]
    rename = {attribute[f.name]: f.name for f in fields}
    return msgspec.defstruct("Event", columns, rename=rename, gc=False)


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


def _shown(value: Any) -> str:
    return _cut(json.dumps(value))


def _cut(text: str) -> str:
    """At most 60 characters."""
    return text if len(text) <= 60 else text[:57] + "..."
