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
VALUED = {"hour", "weekday", "month"}
"""Parts that have an input for each value, beside their waves."""


class Statistics:
    """Every value seen, in order; the last weighs 1, each one before it (1 − f) times its successor."""

    def __init__(self, half_life: float | None) -> None:
        self.keep = 1.0 if half_life is None else 0.5 ** (1.0 / half_life)
        self.values: list[float] = []

    def moments(self) -> tuple[float, float, float, float]:
        """Weight, mean, variance, mean square."""
        if not self.values:
            return 0.0, 0.0, 0.0, 0.0
        values = np.array(self.values)
        weights = self.keep ** np.arange(len(values) - 1, -1, -1)
        mean = np.average(values, weights=weights)
        variance = np.average((values - mean) ** 2, weights=weights)
        square = np.average(values**2, weights=weights)
        return weights.sum(), mean, variance if variance > 1e-15 * square else 0.0, square


Pair = tuple[Statistics, Statistics]
"""Of the key and of the stream."""


def size(own: Statistics, stream: Statistics) -> float:
    """How large the key's values are beside the stream's: a quotient of mean squares, at most 1."""
    square, whole = own.moments()[3], stream.moments()[3]
    return min(square / whole, 1.0) if square > 0 else 1.0


def leaning(pair: Pair, sized_by: Pair) -> tuple[float, float]:
    """Mean and variance; the stream's, at the key's size, count as 20 more values.

    Of the mean only if a deviation away: they count less the further away they are.
    """
    (weight, m1, v1, _), (_, m0, v0, _) = (statistics.moments() for statistics in pair)
    m0, v0 = m0 * np.sqrt(size(*sized_by)), v0 * size(*sized_by)
    variances = {v: count for v, count in ((v1, weight), (v0, 20.0)) if v > 0}
    logarithms = np.log([*variances])
    variance = float(np.exp(np.average(logarithms, weights=[*variances.values()]))) if variances else 0.0
    distance = weight * (m1 - m0) ** 2
    return (np.average([m1, m0], weights=[distance, 20 * variance]) if distance > 0 else m0), variance


def scaled(value: float | None, own: Statistics, stream: Statistics) -> float:
    mean, variance = leaning((own, stream), (own, stream))
    if value is None or variance == 0:
        return 0.0
    return float(np.clip((value - mean) / np.sqrt(variance), -10, 10))


class Key:
    def __init__(self) -> None:
        self.past: list[Event] = []
        self.labels: list[dict[str, float]] = []
        """By event of the key, as far as they are known by now."""
        self.last: dict[str, float] = {}
        """The label of each field that became known last."""
        self.predictions: list[Prediction] = []
        self.statistics: dict[str, Statistics] = {}


Prediction = dict[str, tuple[float, float, float]]
"""Reference, location, scale by label field."""
Outcome = tuple[list[float], list[float], list[float], list[float]]
"""Target, unit, location, scale, each by label field."""


class Naive:
    def __init__(self, specs: tuple[Spec, ...], target: Target, half_life: float | None) -> None:
        self.specs, self.target, self.half_life = specs, target, half_life
        self.keys: dict[str, Key] = {}
        self.stream: dict[str, Statistics] = {}
        self.texts: dict[str, list[str]] = {}
        self.classes = list(target.classes)
        self.waiting: dict[str, tuple[Key, int]] = {}
        """Key and place in its past of the events whose label has not come by id."""

    def feed(self, events: list[Event]) -> Inputs:
        rows = [self.answer(event) for event in events]
        return Inputs(*(np.array(column, float) for column in zip(*rows, strict=True)))

    def answer(self, event: Event) -> tuple[list[float], ...]:
        key = self.keys.setdefault(event["key"], Key())
        target = self.target
        w = len(target.labels)
        goal, unit = [np.nan] * w, [1.0] * w
        labels = {} if target.by_id and event["label_of"] is None else self.known_labels(event)
        if target.by_id:
            if (owner := self.waiting.pop(event["label_of"], None)) is not None:
                goal, unit = self.judge(labels, key, owner[0].predictions[owner[1]])
                self.arrive(labels, key, owner)
            if event["id"] is None:
                return [0.0] * self.inputs_of_specs(), goal, unit, [0.0] * w, [1.0] * w
            labels = {}
            self.waiting[event["id"]] = key, len(key.past)
        if target.ahead:
            self.note(labels, key)
            if len(key.past) >= target.horizon and labels:
                goal, unit = self.judge(labels, key, key.predictions[len(key.past) - target.horizon])
        x = [value for spec in self.specs for value in self.inputs(spec, event, key)]
        key.predictions.append({name: self.prediction(name, key) for name in target.labels})
        _, location, scale = map(list, zip(*key.predictions[-1].values(), strict=True))
        if not target.ahead and not target.by_id:
            goal, unit = self.judge(labels, key, key.predictions[-1])
        self.learn(event, labels, key)
        return x, goal, unit, location, scale

    def known_labels(self, event: Event) -> dict[str, float]:
        """As features see them: a class as −1 or 1, or as its index."""
        found = {name: event[name] for name in self.target.labels if event[name] is not None}
        if self.target.kind != "classes":
            return found
        for name, label in list(found.items()):
            text = text_of(int(label) if self.target.binary else label)
            if text not in self.classes and len(self.classes) < self.target.bound:
                self.classes.append(text)
            if text in self.classes:
                index = self.classes.index(text)
                found[name] = 2.0 * index - 1.0 if self.target.class_count == 2 else index
            else:
                del found[name]
        return found

    def note(self, labels: dict[str, float], key: Key) -> None:
        key.labels.append(labels)
        key.last |= labels

    def arrive(self, labels: dict[str, float], key: Key, owner: tuple[Key, int]) -> None:
        self.learn_labels(labels, key)
        key.last |= labels
        if owner[0] is key:
            key.labels[owner[1]] |= labels

    def prediction(self, name: str, key: Key) -> tuple[float, float, float]:
        if self.target.kind == "classes":
            return 0.0, 0.0, 1.0
        labels = self.pair(name, key)
        mean_of_labels, _ = leaning(labels, labels)
        if self.target.kind == "count":
            return 0.0, 0.0, max(mean_of_labels, 0.01) if self.stream[name].values else 1.0
        reference = self.reference(name, key, mean_of_labels)
        mean, variance = leaning(self.pair(f"change of {name}", key), labels)
        return reference, reference + mean, float(np.sqrt(variance)) if variance > 0 else 1.0

    def judge(
        self, labels: dict[str, float], key: Key, prediction: Prediction
    ) -> tuple[list[float], list[float]]:
        goal, unit = [], []
        for name in self.target.labels:
            reference, location, scale = prediction[name]
            label = labels.get(name)
            if label is None:
                goal.append(np.nan)
            elif self.target.kind == "classes":
                goal.append((label + 1) / 2 if self.target.class_count == 2 else label)
            else:
                goal.append(float(np.clip((label - location) / scale, -1e6, 1e6)))
                if self.target.kind == "number":
                    for statistics in self.pair(f"change of {name}", key):
                        statistics.values.append(label - reference)
            unit.append(1.0 if label is None else scale)
        return goal, unit

    def reference(self, name: str, key: Key, otherwise: float) -> float:
        if self.target.reference == "none":
            return 0.0
        if self.target.reference == "last":
            return key.last.get(name, otherwise)
        assert self.target.season is not None
        at = len(key.past) + self.target.horizon - self.target.season
        return key.labels[at].get(name, otherwise) if at >= 0 else otherwise

    def pair(self, name: str, key: Key) -> Pair:
        return (
            key.statistics.setdefault(name, Statistics(self.half_life)),
            self.stream.setdefault(name, Statistics(self.half_life)),
        )

    def learn_labels(self, labels: dict[str, float], key: Key) -> None:
        if self.target.kind != "classes":
            for name, value in labels.items():
                for statistics in self.pair(name, key):
                    statistics.values.append(value)

    def learn(self, event: Event, labels: dict[str, float], key: Key) -> None:
        fields = {s.field for s in self.specs if isinstance(s, Number | Lags)} - set(self.target.labels)
        seen = {name: event[name] for name in fields}
        seen |= {
            f"{s.field}.elapsed": self.elapsed(s, event, key) for s in self.specs if isinstance(s, Elapsed)
        }
        for spec in self.specs:
            for lag in spec.steps if isinstance(spec, Lags) else ():
                ago = lag - self.target.horizon
                if self.changes_from_last(spec.field, ago):
                    seen[f"{spec.field}, {ago} ago"] = self.change(spec.field, ago, event, key)
        for name, value in seen.items():
            if value is not None:
                for statistics in self.pair(name, key):
                    statistics.values.append(value)
        self.learn_labels(labels, key)
        if not self.target.ahead:
            self.note(labels, key)
        key.past.append(event)

    # --- inputs -----------------------------------------------------------------------------------

    def inputs(self, spec: Spec, event: Event, key: Key) -> list[float]:
        if isinstance(spec, Number):
            return self.masked(self.value(spec.field, 0, event, key), spec.field, key)
        if isinstance(spec, Lags):
            back = [lag - self.target.horizon for lag in spec.steps]
            return [x for ago in back for x in self.lag(spec.field, ago, event, key)]
        if isinstance(spec, Previous):
            names = self.target.labels
            return [x for name in names for x in self.masked(key.last.get(name), name, key)]
        if isinstance(spec, Elapsed):
            return [scaled(self.elapsed(spec, event, key), *self.pair(f"{spec.field}.elapsed", key))]
        return self.calendar(spec, event) if isinstance(spec, Calendar) else self.category(spec, event)

    def changes_from_last(self, field: str, ago: int) -> bool:
        newest = 0 if self.target.ahead else 1
        return field in self.target.labels and self.target.reference == "last" and ago > newest

    def lag(self, field: str, ago: int, event: Event, key: Key) -> list[float]:
        """An older label is told as its change from the last one, where the target is a change too."""
        if not self.changes_from_last(field, ago):
            return self.masked(self.value(field, ago, event, key), field, key)
        change = self.change(field, ago, event, key)
        if change is None:
            return [0.0, 1.0]
        mean, variance = leaning(self.pair(f"{field}, {ago} ago", key), self.pair(field, key))
        return [float(np.clip((change - mean) / np.sqrt(variance), -10, 10)) if variance > 0 else 0.0, 0.0]

    def change(self, field: str, ago: int, event: Event, key: Key) -> float | None:
        then, last = self.value(field, ago, event, key), key.last.get(field)
        return None if then is None or last is None else then - last

    def inputs_of_specs(self) -> int:
        event = {name: None for spec in self.specs if (name := getattr(spec, "field", None)) is not None}
        return sum(len(self.inputs(spec, event, Key())) for spec in self.specs)

    def masked(self, value: float | None, name: str, key: Key) -> list[float]:
        classes = self.target.class_count if name in self.target.labels else 0
        if classes > 2:
            return [float(value == index) for index in range(classes)] + [float(value is None)]
        if value is None:
            return [0.0, 1.0]
        return [value, 0.0] if classes else [scaled(value, *self.pair(name, key)), 0.0]

    def value(self, field: str, ago: int, event: Event, key: Key) -> float | None:
        """What a field was some events of the key ago."""
        at = len(key.past) - ago
        if at < 0:
            return None
        if field in self.target.labels:
            return key.labels[at].get(field)
        return [*key.past, event][at][field]

    def elapsed(self, spec: Elapsed, event: Event, key: Key) -> float | None:
        times = [past[spec.field] for past in key.past if past[spec.field] is not None]
        if not times or event[spec.field] is None:
            return None
        return float(np.log1p(max(0.0, event[spec.field] - times[-1])))

    def calendar(self, spec: Calendar, event: Event) -> list[float]:
        if event[spec.field] is None:
            return [0.0] * sum(2 + PERIODS[part] * (part in VALUED) for part in spec.parts)
        local = datetime.fromtimestamp(event[spec.field], UTC).astimezone(ZoneInfo(spec.zone))
        parts = {
            "minute": local.minute,
            "hour": local.hour,
            "weekday": local.weekday(),
            "day": local.day - 1,
            "month": local.month - 1,
            "yearday": local.timetuple().tm_yday - 1,
        }
        found = []
        for part in spec.parts:
            angle = 2 * np.pi * parts[part] / PERIODS[part]
            found += [np.sin(angle), np.cos(angle)]
            if part in VALUED:
                found += [float(value == parts[part]) for value in range(PERIODS[part])]
        return found

    def category(self, spec: Category, event: Event) -> list[float]:
        x = [0.0] * (spec.bound + spec.buckets)
        if (value := event[spec.field]) is None:
            return x
        text = text_of(value)
        seen = self.texts.setdefault(spec.field, [])
        if text not in seen and len(seen) < spec.bound:
            seen.append(text)
        x[seen.index(text) if text in seen else spec.bound + zlib.crc32(text.encode()) % spec.buckets] = 1.0
        return x


def text_of(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
