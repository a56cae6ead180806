"""What featurise must give, said slowly: from the whole past of the stream at every event.

Statistics are weighted sums over everything seen, dates come from zoneinfo, histories are lists. Keys are
never forgotten here.
"""

import zlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from streamrnn.features import Calendar, Category, Elapsed, Inputs, Lags, Number, Previous, Spec, Target
from tests.features.streams import Event

PERIODS = {"minute": 60, "hour": 24, "weekday": 7, "day": 31, "month": 12, "yearday": 366}


class Statistics:
    """Every value seen, in order; the last weighs 1, each one before it (1 − f) times its successor."""

    def __init__(self, half_life: float | None) -> None:
        self.keep = 1.0 if half_life is None else 0.5 ** (1.0 / half_life)
        self.values: list[float] = []

    def moments(self) -> tuple[float, float, float]:
        if not self.values:
            return 0.0, 0.0, 0.0
        values = np.array(self.values)
        weights = self.keep ** np.arange(len(values) - 1, -1, -1)
        mean = np.average(values, weights=weights)
        return weights.sum(), mean, np.average((values - mean) ** 2, weights=weights)


def mixture(own: Statistics, stream: Statistics) -> tuple[float, float]:
    """Mean and variance of drawing from the key with probability W/(W + 20) and from the stream otherwise."""
    (weight, m1, v1), (_, m0, v0) = own.moments(), stream.moments()
    share = weight / (weight + 20.0)
    mean = share * m1 + (1 - share) * m0
    square = share * (v1 + m1**2) + (1 - share) * (v0 + m0**2)
    return mean, square - mean**2


def scaled(value: float | None, own: Statistics, stream: Statistics) -> float:
    mean, variance = mixture(own, stream)
    if value is None or variance < 1e-15 * max(1.0, mean * mean):
        return 0.0
    return float(np.clip((value - mean) / np.sqrt(variance), -10, 10))


class Key:
    def __init__(self) -> None:
        self.past: list[Event] = []
        self.labels: list[float | None] = []
        """Labels by event of the key, as far as they are known."""
        self.predictions: list[tuple[float, float, float]] = []
        """Reference, location, scale of each event's own prediction."""
        self.statistics: dict[str, Statistics] = {}


class Naive:
    def __init__(self, specs: tuple[Spec, ...], target: Target, half_life: float | None) -> None:
        self.specs, self.target, self.half_life = specs, target, half_life
        self.keys: dict[str, Key] = {}
        self.stream: dict[str, Statistics] = {}
        self.texts: dict[str, list[str]] = {}

    def feed(self, events: list[Event]) -> Inputs:
        rows = [self.answer(event) for event in events]
        return Inputs(*(np.array(column, float) for column in zip(*rows, strict=True)))

    def answer(self, event: Event) -> tuple[list[float], float, float, float, float]:
        key = self.keys.setdefault(event["key"], Key())
        label = event.get(self.target.label)
        if self.target.kind == "binary" and label is not None:
            label = 1.0 if label else -1.0
        if not self.target.inline:
            key.labels.append(label)
        x = [value for spec in self.specs for value in self.inputs(spec, event, key)]
        outcome = self.outcome(event, label, key)
        self.learn(event, label, key)
        return (x, *outcome)

    def outcome(self, event: Event, label: float | None, key: Key) -> tuple[float, float, float, float]:
        target = self.target
        if target.kind == "binary":
            return (np.nan if label is None else float(event[target.label])), 1.0, 0.0, 1.0
        judged = len(key.past) - target.horizon
        goal, unit = np.nan, 1.0
        if not target.inline and label is not None and judged >= 0:
            goal, unit = self.judge(label, key, judged)
        reference = self.reference(key)
        mean, variance = mixture(*self.pair("change", key))
        location = reference + mean
        scale = float(np.sqrt(variance)) if variance > 1e-15 * max(1.0, mean * mean) else 1.0
        key.predictions.append((reference, location, scale))
        if target.inline and label is not None:
            goal, unit = self.judge(label, key, judged)
        return goal, unit, location, scale

    def judge(self, label: float, key: Key, judged: int) -> tuple[float, float]:
        reference, location, scale = key.predictions[judged]
        for statistics in self.pair("change", key):
            statistics.values.append(label - reference)
        return float(np.clip((label - location) / scale, -1e6, 1e6)), scale

    def reference(self, key: Key) -> float:
        if self.target.reference == "none":
            return 0.0
        if self.target.reference == "last":
            known = [label for label in key.labels if label is not None]
            value = known[-1] if known else None
        else:
            assert self.target.season is not None
            at = len(key.past) + self.target.horizon - self.target.season
            value = key.labels[at] if at >= 0 else None
        return mixture(*self.pair(self.target.label, key))[0] if value is None else value

    def pair(self, name: str, key: Key) -> tuple[Statistics, Statistics]:
        return (
            key.statistics.setdefault(name, Statistics(self.half_life)),
            self.stream.setdefault(name, Statistics(self.half_life)),
        )

    def learn(self, event: Event, label: float | None, key: Key) -> None:
        target = self.target
        fields = {s.field for s in self.specs if isinstance(s, Number | Lags)} - {target.label}
        seen = {name: event[name] for name in fields}
        seen |= {
            f"{s.field}.elapsed": self.elapsed(s, event, key) for s in self.specs if isinstance(s, Elapsed)
        }
        if target.kind == "number":
            seen[target.label] = label
        for name, value in seen.items():
            if value is not None:
                for statistics in self.pair(name, key):
                    statistics.values.append(value)
        if target.inline:
            key.labels.append(label)
        key.past.append(event)

    # --- inputs -----------------------------------------------------------------------------------

    def inputs(self, spec: Spec, event: Event, key: Key) -> list[float]:
        if isinstance(spec, Number):
            return self.masked(event[spec.field], spec.field, key)
        if isinstance(spec, Lags):
            return [
                x
                for lag in spec.steps
                for x in self.masked(self.lag(spec.field, lag, event, key), spec.field, key)
            ]
        if isinstance(spec, Previous):
            known = [label for label in key.labels if label is not None]
            return self.masked(known[-1] if known else None, self.target.label, key)
        if isinstance(spec, Elapsed):
            return [scaled(self.elapsed(spec, event, key), *self.pair(f"{spec.field}.elapsed", key))]
        return self.calendar(spec, event) if isinstance(spec, Calendar) else self.category(spec, event)

    def masked(self, value: float | None, name: str, key: Key) -> list[float]:
        if value is None:
            return [0.0, 1.0]
        if name == self.target.label and self.target.kind == "binary":
            return [value, 0.0]
        return [scaled(value, *self.pair(name, key)), 0.0]

    def lag(self, field: str, lag: int, event: Event, key: Key) -> float | None:
        """The value `lag` events of the key before the target, which is `horizon` events after this one."""
        at = len(key.past) + self.target.horizon - lag
        if at < 0:
            return None
        if field == self.target.label:
            return key.labels[at]
        return [*key.past, event][at][field]

    def elapsed(self, spec: Elapsed, event: Event, key: Key) -> float | None:
        times = [past[spec.field] for past in key.past if past[spec.field] is not None]
        if not times or event[spec.field] is None:
            return None
        return float(np.log1p(max(0.0, event[spec.field] - times[-1])))

    def calendar(self, spec: Calendar, event: Event) -> list[float]:
        if event[spec.field] is None:
            return [0.0] * (2 * len(spec.parts))
        local = datetime.fromtimestamp(event[spec.field], UTC).astimezone(ZoneInfo(spec.zone))
        parts = {
            "minute": local.minute,
            "hour": local.hour,
            "weekday": local.weekday(),
            "day": local.day - 1,
            "month": local.month - 1,
            "yearday": local.timetuple().tm_yday - 1,
        }
        angles = [2 * np.pi * parts[part] / PERIODS[part] for part in spec.parts]
        return [wave for angle in angles for wave in (np.sin(angle), np.cos(angle))]

    def category(self, spec: Category, event: Event) -> list[float]:
        x = [0.0] * (spec.bound + spec.buckets)
        if (value := event[spec.field]) is None:
            return x
        text = str(value).lower() if isinstance(value, bool) else str(value)
        seen = self.texts.setdefault(spec.field, [])
        if text not in seen and len(seen) < spec.bound:
            seen.append(text)
        x[seen.index(text) if text in seen else spec.bound + zlib.crc32(text.encode()) % spec.buckets] = 1.0
        return x
