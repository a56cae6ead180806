"""Which input stands in which column, and what the compiled pass has to do for it."""

import math
from itertools import accumulate

import numpy as np

from streamrnn.features.calendar import CalendarEncoder
from streamrnn.features.category import CategoryEncoder
from streamrnn.features.sequence import LAST, LAST_KNOWN, NO_REFERENCE, SEASON, Memory, Plan
from streamrnn.features.specs import Calendar, Category, Elapsed, Lags, Number, Spec, Target, fields_of

_REFERENCES = {"none": NO_REFERENCE, "last": LAST, "season": SEASON}


class Layout:
    """Columns in the order of the features; series: the label, then number fields, then elapsed times."""

    def __init__(self, specs: tuple[Spec, ...], target: Target, half_life: float | None) -> None:
        self._target, self._half_life = target, half_life
        self.fields = fields_of(specs, target)
        self.series = {name: i for i, name in enumerate(dict.fromkeys((target.label, *self.fields.numbers)))}
        elapsed = dict.fromkeys(spec.field for spec in specs if isinstance(spec, Elapsed))
        self.elapsed = {name: len(self.series) + i for i, name in enumerate(elapsed)}
        self.names: list[str] = []
        self.categories: list[tuple[int, int, CategoryEncoder]] = []
        """First column, index among the category fields, encoder."""
        self.calendars: list[tuple[int, int, CalendarEncoder]] = []
        """First column, index among the time fields, encoder."""
        self._operations: list[tuple[int, int, int, bool]] = []
        self._history = [0] * self.n_series
        """Events of each series that must be remembered, the present one included."""
        for spec in specs:
            self._place(spec)

    @property
    def n_series(self) -> int:
        return len(self.series) + len(self.elapsed)

    def _place(self, spec: Spec) -> None:
        column = len(self.names)
        label = self._target.label
        of_now = isinstance(spec, Number | Category | Calendar | Elapsed) and spec.field == label
        if of_now and self._target.inline:
            raise ValueError(f"{label} is the label of the same event; only its past can be a feature")
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
            self._recall(f"{self._target.label}.previous", 0, LAST_KNOWN)

    def _lag(self, field: str, lag: int) -> None:
        least = max(self._target.horizon, 1)
        if lag < least:
            raise ValueError(
                f"lag {lag} of {field} is not known {self._target.horizon} ahead; at least {least}"
            )
        self._recall(f"{field}.lag{lag}", self.series[field], lag - self._target.horizon)

    def _recall(self, name: str, series: int, back: int, masked: bool = True) -> None:
        self._operations.append((len(self.names), series, back, masked))
        self.names += [name, f"{name}.missing"] if masked else [name]
        if back > 0:
            self._remember(series, back)

    def _remember(self, series: int, back: int) -> None:
        self._history[series] = max(self._history[series], back + 1)

    def plan(self) -> Plan:
        target = self._target
        season_back = 0 if target.season is None else target.season - target.horizon
        if target.reference == "season":
            self._remember(0, season_back)
        return Plan(
            horizon=target.horizon,
            fading=0.0 if self._half_life is None else -math.expm1(-math.log(2.0) / self._half_life),
            binary=target.kind == "binary",
            label_known_first=not target.inline,
            reference=_REFERENCES[target.reference],
            season_back=season_back,
            scaled=np.array([target.kind == "number"] + [True] * (self.n_series - 1)),
            offset=np.array([0, *accumulate(self._history)][:-1], np.int64),
            length=np.array(self._history, np.int64),
            elapsed=np.array(list(self.elapsed.values()), np.int64),
            operations=np.array(self._operations, np.int64).reshape(-1, 4),
        )

    def memory(self, slots: int) -> Memory:
        """Room for so many keys, nothing remembered."""
        history = sum(self._history)
        recent = 1 + len(self.elapsed)
        judged = self._target.horizon + 1 if self._target.kind == "number" else 0
        return Memory(
            steps=np.zeros(slots, np.int64),
            own=np.zeros((slots, self.n_series + 1, 3)),
            recent=np.zeros((slots, recent)),
            recent_known=np.zeros((slots, recent), np.bool_),
            history=np.zeros((slots, history)),
            history_known=np.zeros((slots, history), np.bool_),
            judged=np.zeros((slots, judged, 3)),
        )
