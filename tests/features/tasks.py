"""One stream for every kind of feature, and the tasks that are tried on it."""

import numpy as np
import pytest

from streamrnn.features import Calendar, Category, Elapsed, Lags, Number, Previous, Target
from tests.features.streams import Event

CALENDAR = Calendar("time", ("minute", "hour", "weekday", "day", "month", "yearday"), "Australia/Melbourne")
CATEGORY = Category("kind", bound=2, buckets=3)
COMMON = (Number("a"), CALENDAR, CATEGORY, Elapsed("time"), Elapsed("seen"), Previous())
LAGS_OF_A = Lags("a", (3, 5))

FORECAST_LAST = (
    (*COMMON, LAGS_OF_A, Number("y"), Lags("y", (2, 3, 7))),
    Target(("y",), "number", horizon=2, season=5, reference="last"),
)
FORECAST_SEASON = (
    (*COMMON, Lags("y", (3,))),
    Target(("y",), "number", horizon=3, season=3, reference="season"),
)
FORECAST_PLAIN = ((CALENDAR,), Target(("y",), "number", horizon=1))
REGRESSION = ((*COMMON, LAGS_OF_A, Lags("y", (1, 4))), Target(("y",), "number"))
REGRESSION_LAST = (
    (Number("a"), Number("b"), Lags("y", (1, 2, 4))),
    Target(("y",), "number", reference="last"),
)
REGRESSION_SEASON = ((Number("a"),), Target(("y",), "number", season=4, reference="season"))
BINARY = ((*COMMON, LAGS_OF_A, Lags("y", (1, 4))), Target(("y",), "classes", classes=("0", "1")))
SEVERAL = ((*COMMON, Lags("z", (1, 4))), Target(("y", "z"), "number"))
SEVERAL_AHEAD = (
    (Number("z"), Previous(), Number("a"), Lags("y", (2, 3, 7))),
    Target(("y", "z", "b"), "number", horizon=2, season=5, reference="season"),
)
COUNT = ((*COMMON, Lags("n", (1, 2))), Target(("n",), "count"))
COUNT_AHEAD = ((Number("n"), Lags("n", (5,))), Target(("n",), "count", horizon=2))
DECLARED = ((Number("a"), Previous(), CATEGORY), Target(("c",), "classes", classes=("7", "red", "true")))
DISCOVERED = ((Number("a"), Previous()), Target(("c",), "classes", bound=3))
CLASSES_AHEAD = ((CATEGORY, Previous(), Number("a")), Target(("c",), "classes", horizon=3, bound=5))
LATER = (
    (*COMMON, LAGS_OF_A, Lags("y", (1, 4))),
    Target(("y", "z"), "number", season=6, reference="season", id="id", label_of="label_of"),
)
LATER_LAST = (
    (Number("a"), Lags("y", (1, 3))),
    Target(("y",), reference="last", id="id", label_of="label_of"),
)
LATER_COUNT = ((Number("a"), Previous()), Target(("n",), "count", id="id", label_of="label_of"))
LATER_CLASS = (
    (Number("a"), Previous()),
    Target(("c",), "classes", bound=4, id="id", label_of="label_of"),
)
LATER_BINARY = (
    (Previous(), Lags("y", (1, 2, 5))),
    Target(("y",), "classes", classes=("0", "1"), id="id", label_of="label_of"),
)
TASKS = {
    "forecast from the last value": FORECAST_LAST,
    "forecast from the last season": FORECAST_SEASON,
    "forecast of a field that is no feature": FORECAST_PLAIN,
    "forecast of several fields": SEVERAL_AHEAD,
    "regression": REGRESSION,
    "regression from the last label": REGRESSION_LAST,
    "regression from the last season": REGRESSION_SEASON,
    "regression of several fields": SEVERAL,
    "count": COUNT,
    "forecast of a count": COUNT_AHEAD,
    "binary": BINARY,
    "declared classes": DECLARED,
    "discovered classes": DISCOVERED,
    "forecast of a class": CLASSES_AHEAD,
    "labels by id": LATER,
    "labels by id from the last one": LATER_LAST,
    "counts by id": LATER_COUNT,
    "classes by id": LATER_CLASS,
    "binary labels by id": LATER_BINARY,
}
each_task = pytest.mark.parametrize(("specs", "target"), TASKS.values(), ids=TASKS)


def stream(n: int, seed: int, target: Target, keys: int = 4) -> list[Event]:
    """Random events with gaps in everything that may have gaps."""
    rng = np.random.default_rng(seed)

    def sometimes(value: object) -> object:
        return None if rng.random() < 0.15 else value

    times = 1.6e9 + np.cumsum(rng.exponential(4000.0, n)) - 5000 * (rng.random(n) < 0.1)
    labels = rng.integers(0, 2, n).tolist() if target.binary else np.round(rng.normal(50, 9, n), 3).tolist()
    events = [
        {
            "key": f"k{rng.integers(keys)}",
            "time": float(np.round(time, 3)),
            "seen": sometimes(float(np.round(time - 10, 3))),
            "a": sometimes(float(np.round(rng.lognormal(), 4))),
            "b": float(rng.integers(3)),
            "kind": sometimes([True, 7, "red", "Grün", "blue", "x"][rng.integers(6)]),
            "y": sometimes(label),
            "z": sometimes(float(np.round(rng.lognormal(), 4))),
            "n": sometimes(int(rng.poisson(0.7))),
            "c": sometimes([True, "true", 7, "red", "Grün", "blue"][rng.integers(6)]),
        }
        for time, label in zip(times, labels, strict=True)
    ]
    return [delayed(event, i, rng) for i, event in enumerate(events)] if target.by_id else events


def delayed(event: Event, i: int, rng: np.random.Generator) -> Event:
    """An event, or the label of an earlier one, or both; the id may be unknown, or have its label already."""
    name = f"e{i}" if rng.random() < 0.6 else None
    label_of = f"e{rng.integers(max(i - 12, 0), i + 1)}" if name is None or rng.random() < 0.4 else None
    brings = {label: 1 for label in ("y", "z", "n", "c") if name is None and event[label] is None}
    return {**event, **brings, "id": name, "label_of": label_of}
