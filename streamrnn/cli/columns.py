"""What stands in each field of a sample of rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamrnn.features.clock import to_seconds

Kind = Literal["number", "whole", "boolean", "text", "time", "mixed", "empty"]

_TIME_NAMES = re.compile(r"time|date|^(ts|day|at|when)$|_(at|ts|on)$", re.IGNORECASE)
_EPOCH_RANGE = (1e8, 1e10)
"""Seconds since 1970 between 1973 and 2286: what a plain number must lie in to pass for a time."""


@dataclass(frozen=True)
class Column:
    """One field over the sampled rows; a row that lacks it holds None there."""

    name: str
    kind: Kind
    values: list[Any]
    absent: int
    """Rows that do not have the field at all."""
    distinct: int

    @property
    def known(self) -> list[Any]:
        return [value for value in self.values if value is not None]

    @property
    def gaps(self) -> int:
        """Rows without a value."""
        return len(self.values) - len(self.known)

    @property
    def numeric(self) -> bool:
        return self.kind in ("number", "whole")

    @property
    def two_classes(self) -> bool:
        """True if the field can be read as a class 0 or 1."""
        return self.kind in ("whole", "number", "boolean") and set(self.known) == {0, 1}

    def floats(self) -> NDArray[np.float64]:
        """Values as numbers (rows,); NaN where there is none."""
        return np.array([np.nan if value is None else value for value in self.values], np.float64)

    def codes(self) -> NDArray[np.float64]:
        """Values as numbers in order of appearance (rows,); NaN where there is none."""
        code = {value: float(i) for i, value in enumerate(dict.fromkeys(self.known))}
        return np.array([np.nan if value is None else code[value] for value in self.values], np.float64)

    def seconds(self, zone: str) -> NDArray[np.float64]:
        """Values as UTC seconds since 1970 (rows,); NaN where there is none."""
        return np.array(
            [np.nan if value is None else to_seconds(value, zone) for value in self.values], np.float64
        )


def survey(rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Every field of the rows, in order of appearance."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _column(name, rows) for name in names}


def describe(columns: Mapping[str, Column]) -> str:
    """The fields and their kinds, for a message."""
    return ", ".join(f"{column.name} ({column.kind})" for column in columns.values())


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> Column:
    values = [row.get(name) for row in rows]
    known = [value for value in values if value is not None]
    kind = _kind(name, known)
    distinct = len(set(known)) if kind not in ("mixed", "empty") else len(known)
    return Column(name, kind, values, sum(name not in row for row in rows), distinct)


def _kind(name: str, known: list[Any]) -> Kind:
    types = {type(value) for value in known}
    if not types:
        return "empty"
    if types == {bool}:
        return "boolean"
    if types == {str}:
        return "time" if all(map(_is_time, known)) else "text"
    if types <= {int, float}:
        if _TIME_NAMES.search(name) and all(_EPOCH_RANGE[0] <= value <= _EPOCH_RANGE[1] for value in known):
            return "time"
        return "whole" if types == {int} else "number"
    return "mixed"


def _is_time(text: str) -> bool:
    try:
        to_seconds(text, "UTC")
    except (ValueError, OverflowError):
        return False
    return True
