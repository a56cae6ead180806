"""Which input stands in which column, and what the compiled pass has to do for it."""

import math
from itertools import accumulate

import numpy as np

from streamrnn.features.calendar import CalendarEncoder
from streamrnn.features.category import CategoryEncoder
from streamrnn.features.sequence import (
    CLASSES,
    COUNT,
    LAST,
    LAST_KNOWN,
    NO_REFERENCE,
    NUMBER,
    SEASON,
    Memory,
    Plan,
    Scratch,
    Waiting,
    scratch,
)
from streamrnn.features.specs import (
    Calendar,
    Category,
    Elapsed,
    Lags,
    Number,
    Previous,
    Spec,
    Target,
    fields_of,
)

_KINDS = {"number": NUMBER, "count": COUNT, "classes": CLASSES}
_REFERENCES = {"none": NO_REFERENCE, "last": LAST, "season": SEASON}


class Layout:
    """Columns in the order of the features; series: the labels, then number fields, then elapsed times."""

    def __init__(self, specs: tuple[Spec, ...], target: Target, half_life: float | None) -> None:
        if target.kind == "tokens":
            raise ValueError("tokens are their own inputs")
        self._target, self._half_life = target, half_life
        self.fields = fields_of(specs, target)
        self.series = {
            name: i for i, name in enumerate(dict.fromkeys((*target.labels, *self.fields.numbers)))
        }
        elapsed = dict.fromkeys(spec.field for spec in specs if isinstance(spec, Elapsed))
        self.elapsed = {name: len(self.series) + i for i, name in enumerate(elapsed)}
        self.names: list[str] = []
        self.categories: list[tuple[int, int, CategoryEncoder]] = []
        """First column, index among the category fields, encoder."""
        self.calendars: list[tuple[int, int, CalendarEncoder]] = []
        """First column, index among the time fields, encoder."""
        self._operations: list[tuple[int, int, int, int, int]] = []
        self._changes = 0
        """Lags that are inputs as changes from the last known label."""
        self._history = [0] * self.n_series
        """Steps of each series that must be remembered, the present one included."""
        for spec in specs:
            self._place(spec)

    @property
    def n_series(self) -> int:
        return len(self.series) + len(self.elapsed)

    def _place(self, spec: Spec) -> None:
        column = len(self.names)
        if not isinstance(spec, Previous) and spec.field in self._target.labels:
            self._check_label(spec)
        if isinstance(spec, Category):
            category = CategoryEncoder(spec)
            self.categories.append((column, self.fields.categories.index(spec.field), category))
            self.names += category.names
        elif isinstance(spec, Calendar):
            calendar = CalendarEncoder(spec)
            self.calendars.append((column, self.fields.times.index(spec.field), calendar))
            self.names += calendar.names
        elif isinstance(spec, Elapsed):
            self._recall(f"{spec.field}.elapsed", self.elapsed[spec.field], 0, masked=False)
        elif isinstance(spec, Number):
            self._recall(spec.field, self.series[spec.field], 0)
        elif isinstance(spec, Lags):
            for lag in spec.steps:
                self._lag(spec.field, lag)
        else:
            for series, label in enumerate(self._target.labels):
                self._previous(f"{label}.previous", series)

    def _check_label(self, spec: Number | Category | Calendar | Elapsed | Lags) -> None:
        if isinstance(spec, Number | Lags) and self._one_hot:
            raise ValueError(f"{spec.field} is one of {self._target.class_count} classes, not a number")
        if not isinstance(spec, Lags) and not self._target.ahead:
            raise ValueError(f"{spec.field} is the label of the same event; only its past can be a feature")

    def _lag(self, field: str, lag: int) -> None:
        least = max(self._target.horizon, 1)
        if lag < least:
            raise ValueError(
                f"lag {lag} of {field} is not known {self._target.horizon} ahead; at least {least}"
            )
        back = lag - self._target.horizon
        change = -1
        if self._counts_from_last(field) and back > lag_of_last(self._target):
            change = self.n_series + self._scaled_fields + self._changes
            self._changes += 1
        self._recall(f"{field}.lag{lag}", self.series[field], back, change=change)

    def _counts_from_last(self, field: str) -> bool:
        """A target that is learned as a change from the last label has its older labels given alike."""
        return field in self._target.labels and self._target.reference == "last"

    def _recall(self, name: str, series: int, back: int, masked: bool = True, change: int = -1) -> None:
        column = len(self.names)
        self._operations.append((column, series, back, column + 1 if masked else -1, change))
        self.names += [name, f"{name}.missing"] if masked else [name]
        if back > 0:
            self._remember(series, back)

    def _previous(self, name: str, series: int) -> None:
        if not self._one_hot:
            self._recall(name, series, LAST_KNOWN)
            return
        count = self._target.class_count
        column = len(self.names)
        self._operations.append((column, series, LAST_KNOWN, column + count, -1))
        self.names += [f"{name}.{text}" for text in self._target.classes or range(count)]
        self.names.append(f"{name}.missing")

    @property
    def _one_hot(self) -> bool:
        """True if the label is one of more than two classes, and its series an index."""
        return self._target.kind == "classes" and not self.binary

    @property
    def binary(self) -> bool:
        """True if the label's series is −1 or 1."""
        return self._target.kind == "classes" and self._target.class_count == 2

    def _remember(self, series: int, back: int) -> None:
        self._history[series] = max(self._history[series], back + 1)

    def plan(self) -> Plan:
        target = self._target
        fields = len(target.labels)
        season_back = 0 if target.season is None else target.season - target.horizon
        if target.reference == "season":
            for series in range(fields):
                self._remember(series, season_back)
        return Plan(
            fields=fields,
            kind=_KINDS[target.kind],
            by_id=target.by_id,
            label_known_first=target.ahead,
            fading=0.0 if self._half_life is None else -math.expm1(-math.log(2.0) / self._half_life),
            reference=_REFERENCES[target.reference],
            season_back=season_back,
            reach=max(self._history),
            scaled=np.array([target.kind != "classes"] * fields + [True] * (self.n_series - fields)),
            one_hot=np.array([self._one_hot] * fields + [False] * (self.n_series - fields)),
            offset=np.array([0, *accumulate(self._history)][:-1], np.int64),
            length=np.array(self._history, np.int64),
            elapsed=np.array(list(self.elapsed.values()), np.int64),
            operations=np.array(self._operations, np.int64).reshape(-1, 5),
        )

    @property
    def _scaled_fields(self) -> int:
        """Label fields that are predicted in units of a scale."""
        return 0 if self._target.kind == "classes" else len(self._target.labels)

    @property
    def statistics(self) -> int:
        """How many there are: of each series, of each scaled field's change, and of each lag's."""
        return self.n_series + self._scaled_fields + self._changes

    def memory(self, slots: int) -> Memory:
        """Room for this number of keys, nothing remembered."""
        history = sum(self._history)
        recent = len(self._target.labels) + len(self.elapsed)
        return Memory(
            steps=np.zeros(slots, np.int64),
            own=np.zeros((slots, self.statistics, 3)),
            recent=np.zeros((slots, recent)),
            recent_known=np.zeros((slots, recent), np.bool_),
            history=np.zeros((slots, history)),
            history_known=np.zeros((slots, history), np.bool_),
        )

    def waiting(self, rows: int) -> Waiting:
        """Room for this number of answers that wait for their labels."""
        return Waiting(
            answers=np.zeros((rows, self._scaled_fields, 3)),
            owner=np.zeros((rows, 2 if self._target.by_id else 0), np.int64),
        )

    def scratch(self) -> Scratch:
        return scratch(len(self._target.labels), self.n_series, self.statistics)


def lag_of_last(target: Target) -> int:
    """Events back of the newest label: it stays an input as it is."""
    return 0 if target.ahead else 1
