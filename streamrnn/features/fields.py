"""The fields of a record: which uses each has, and which values suit them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Union

import msgspec

from streamrnn.features.specs import Fields, Target

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
LONGEST_NAME = 256
"""Characters of a class or an id: many of them are held in memory, and classes are published."""

_ALLOWED: dict[str, frozenset[type]] = {
    "key": frozenset({str, int, bool}),
    "time": frozenset({str, int, float}),
    "number": frozenset({int, float}),
    "count": frozenset({int, float}),
    "category": frozenset({str, int, bool}),
    "class": frozenset({str, int, bool}),
    "binary": frozenset({int, float, bool}),
    "text": frozenset({str}),
    "id": frozenset({str, int, bool}),
}
"""The JSON types that each use of a field can read; a field of several uses must suit all of them."""
_NAMES = {str: "a string", int: "an integer", float: "a number", bool: "true or false", type(None): "null"}
_Number = Annotated[float, msgspec.Meta(ge=-GREATEST, le=GREATEST)]
_Count = Annotated[float, msgspec.Meta(ge=0.0, le=GREATEST)]
_Name = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
_Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Unfit(Exception):
    """A record that cannot be used."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Field:
    """One field of the JSON object, with all its uses."""

    name: str
    uses: tuple[str, ...]
    required: bool
    """It is there in every record that can be used."""
    nullable: bool
    of_events: bool = False
    """It need not be there in a record that only brings the label of an earlier event."""

    @cached_property
    def types(self) -> frozenset[type]:
        return frozenset.intersection(*(_ALLOWED[use] for use in self.uses))

    @property
    def annotation(self) -> Any:
        """The type that msgspec decodes into: whole numbers become floats where a fraction may stand."""
        kinds: set[Any] = set(self.types)
        if float in kinds:
            kinds = (kinds - {int, float}) | {self._number}
        if self._named:
            bounded = {str: _Name, int: _Whole}
            kinds = {bounded.get(kind, kind) for kind in kinds}
        return Union[tuple(kinds | ({type(None)} if self.nullable else set()))]  # noqa: UP007

    @property
    def _number(self) -> Any:
        if "count" in self.uses:
            return _Count
        return _Number if "number" in self.uses else float

    @property
    def _named(self) -> bool:
        """True if texts are bounded, and whole numbers by 64 bits."""
        return "class" in self.uses or "id" in self.uses

    @property
    def laxly_decoded(self) -> bool:
        """True if a value may pass the decoder although it does not suit: these are checked once more."""
        bounded = "number" in self.uses or "count" in self.uses
        return "binary" in self.uses or (bounded and float not in self.types)

    def check(self, value: Any) -> None:
        """Raise Unfit unless `value` suits every use."""
        if value is None and self.nullable:
            return
        if type(value) not in self.types:
            named = self.types - {int} if float in self.types else self.types
            expected = " or ".join(sorted(_NAMES[t] for t in named))
            raise Unfit("wrong_type", f"{self.name}: expected {expected}, got {shown(value)}")
        if "binary" in self.uses and value not in (0, 1):
            raise Unfit("wrong_type", f"{self.name}: expected 0, 1, false or true, got {shown(value)}")
        if "count" in self.uses and value < 0:
            raise Unfit("wrong_type", f"{self.name}: expected a count, got {shown(value)}")
        if ("number" in self.uses or "count" in self.uses) and not abs(value) <= GREATEST:
            raise Unfit("not_finite", f"{self.name}: {shown(value)} is beyond ±{GREATEST:g}")
        if "time" in self.uses and isinstance(value, float) and not math.isfinite(value):
            raise Unfit("bad_time", f"{self.name}: {shown(value)} is no time")
        if self._named and isinstance(value, str) and len(value) > LONGEST_NAME:
            raise Unfit("too_large", f"{self.name}: {len(value)} characters; at most {LONGEST_NAME}")
        if self._named and type(value) is int and not -(2**63) <= value < 2**63:
            raise Unfit("too_large", f"{self.name}: {shown(value)} is beyond 64 bits")


def collect(fields: Fields, target: Target, key: str | None, time: str | None) -> tuple[Field, ...]:
    """Every field once, with all its uses, in the order in which faults are looked for."""
    uses: dict[str, list[str]] = {}
    for use, names in (
        ("key", (key,)),
        ("time", (time, *fields.times)),
        ("number", fields.numbers),
        ("category", fields.categories),
        (label_use(target), target.labels),
        ("id", (target.id, target.label_of)),
    ):
        for name in names:
            if name is not None:
                uses.setdefault(name, []).append(use)
    strict = {name for name in (key, time) if name is not None}
    if target.kind == "tokens":
        strict.update(target.labels)
    features = {*fields.times, *fields.numbers, *fields.categories} - strict
    required = strict if target.by_id else strict | features
    return tuple(
        Field(name, tuple(used), name in required, name not in strict, target.by_id and name in features)
        for name, used in uses.items()
    )


def label_use(target: Target) -> str:
    if target.kind == "classes":
        return "binary" if target.binary else "class"
    return "text" if target.kind == "tokens" else target.kind


def event_type(fields: tuple[Field, ...], attribute: Mapping[str, str]) -> type[msgspec.Struct]:
    """A struct with one typed attribute for each field; required ones first, as signatures want it."""
    columns: list[Any] = [(attribute[f.name], f.annotation) for f in fields if f.required]
    for f in fields:
        if f.of_events:
            columns.append((attribute[f.name], f.annotation, msgspec.UNSET))
        elif not f.required:
            columns.append((attribute[f.name], f.annotation, None))
    rename = {attribute[f.name]: f.name for f in fields}
    return msgspec.defstruct("Event", columns, rename=rename, gc=False)


def canonical(value: str | int) -> str:
    """The text that stands for a key, category, class or id: 7 and "7" are the same, true is "true"."""
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown(value: Any) -> str:
    return cut(json.dumps(value))


def cut(text: str) -> str:
    """At most 60 characters."""
    return text if len(text) <= 60 else text[:57] + "..."
