"""A dictionary of features as inputs, each of which is claimed when its feature is first learned from.

A number has one input, its scaled value; once it has been missing, a second one is 1 where it is there. A
string or a boolean has an input for each of its values.
"""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.features.fields import GREATEST

Numbers = dict[Hashable, float]
Values = list[tuple[Hashable, str | bool]]
"""Name and value of each feature that is a string or a boolean."""

_NUMBER, _VALUE, _MISSING = range(3)
_KINDS: dict[type, int] = {
    float: _NUMBER,
    int: _NUMBER,
    str: _VALUE,
    bool: _VALUE,
    type(None): _MISSING,
}


def read(x: Mapping[Hashable, Any], but: Hashable | None) -> tuple[Numbers, Values]:
    """What is known of the features, the field `but` left out.

    None, NaN, and numbers beyond ± 1e30 are as good as missing. Raises TypeError for what is neither a
    number, a string nor a boolean.
    """
    numbers: Numbers = {}
    values: Values = []
    for name, value in x.items():
        if name == but:
            continue
        kind = _KINDS.get(type(value))
        if kind is None:
            kind = _kind(name, value)
        if kind == _NUMBER:
            if -GREATEST <= value <= GREATEST:
                numbers[name] = float(value)
        elif kind == _VALUE:
            values.append((name, str(value) if isinstance(value, str) else bool(value)))
    return numbers, values


def _kind(name: Hashable, value: Any) -> int:
    """That of a type which is none of Python's own; a NumPy scalar, for example."""
    if isinstance(value, np.integer | np.floating | int | float):
        return _NUMBER
    if isinstance(value, np.bool_ | str):
        return _VALUE
    raise TypeError(
        f"feature {name!r} is of type {type(value).__name__}: expected a number, a string or a boolean"
    )


def _by_text(name: Hashable) -> tuple[str, str]:
    """An order of names, whatever they are."""
    return str(name), type(name).__name__


class Columns:
    """Inputs from `first` on, at most `bound` of them; those claimed by one event in the order of names."""

    def __init__(self, first: int, bound: int) -> None:
        self.used = first
        """Inputs so far, those before the first one included."""
        self.ignored = 0
        """How often a feature was learned from that found no place."""
        self._end = first + bound
        self._places: dict[Hashable, int] = {}
        """Of each number, by order of appearance."""
        self._columns: list[int] = []
        """The input of each number."""
        self._always: set[Hashable] = set()
        """Numbers that have never been missing."""
        self._there: dict[Hashable, int] = {}
        """The input that is 1 where a number is there."""
        self._values: dict[tuple[Hashable, str | bool], int] = {}

    @property
    def of_numbers(self) -> list[int]:
        """The input of each number, by order of appearance."""
        return self._columns

    def claim(self, numbers: Numbers, values: Values) -> bool:
        """Make room for what is new in an event; True if something was."""
        used = self.used
        if new := numbers.keys() - self._places.keys():
            for name in sorted(new, key=_by_text):
                self._claim_number(name)
        if not self._always.issubset(numbers):
            for name in sorted(self._always.difference(numbers), key=_by_text):
                self._always.remove(name)
                if (column := self._next()) is not None:
                    self._there[name] = column
        if new_values := [value for value in values if value not in self._values]:
            for value in sorted(new_values, key=lambda value: (*_by_text(value[0]), *_by_text(value[1]))):
                if (column := self._next()) is not None:
                    self._values[value] = column
        return self.used > used

    def _claim_number(self, name: Hashable) -> None:
        if (column := self._next()) is not None:
            self._places[name] = len(self._columns)
            self._columns.append(column)
            self._always.add(name)

    def _next(self) -> int | None:
        if self.used == self._end:
            self.ignored += 1
            return None
        self.used += 1
        return self.used - 1

    def fill(self, numbers: Numbers, values: Values, series: NDArray[np.float64]) -> NDArray[np.int64]:
        """Put numbers into `series` (S, 1) after its first row; returns the inputs that are 1, (h, 1)."""
        row = [math.nan] * (len(series) - 1)
        hot = []
        for name, number in numbers.items():
            place = self._places.get(name)
            if place is not None:
                row[place] = number
                if name in self._there:
                    hot.append(self._there[name])
        hot += [self._values[value] for value in values if value in self._values]
        series[1:, 0] = row
        return np.array(hot, np.int64)[:, np.newaxis]
