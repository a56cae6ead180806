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
    Target("y", "number", horizon=2, season=5, reference="last"),
)
FORECAST_SEASON = ((*COMMON, Lags("y", (3,))), Target("y", "number", horizon=3, season=3, reference="season"))
FORECAST_PLAIN = ((CALENDAR,), Target("y", "number", horizon=1))
REGRESSION = ((*COMMON, LAGS_OF_A, Lags("y", (1, 4))), Target("y", "number"))
REGRESSION_LAST = ((Number("a"), Number("b")), Target("y", "number", reference="last"))
REGRESSION_SEASON = ((Number("a"),), Target("y", "number", season=4, reference="season"))
BINARY = ((*COMMON, LAGS_OF_A, Lags("y", (1, 4))), Target("y", "binary"))
TASKS = {
    "forecast from the last value": FORECAST_LAST,
    "forecast from the last season": FORECAST_SEASON,
    "forecast of a field that is no feature": FORECAST_PLAIN,
    "regression": REGRESSION,
    "regression from the last label": REGRESSION_LAST,
    "regression from the last season": REGRESSION_SEASON,
    "binary": BINARY,
}
each_task = pytest.mark.parametrize(("specs", "target"), TASKS.values(), ids=TASKS)


def stream(n: int, seed: int, kind: str = "number", keys: int = 4) -> list[Event]:
    """Random events with gaps in everything that may have gaps."""
    rng = np.random.default_rng(seed)

    def sometimes(value: object) -> object:
        return None if rng.random() < 0.15 else value

    times = 1.6e9 + np.cumsum(rng.exponential(4000.0, n)) - 5000 * (rng.random(n) < 0.1)
    labels = (
        rng.integers(0, 2, n).tolist() if kind == "binary" else np.round(rng.normal(50, 9, n), 3).tolist()
    )
    return [
        {
            "key": f"k{rng.integers(keys)}",
            "time": float(np.round(time, 3)),
            "seen": sometimes(float(np.round(time - 10, 3))),
            "a": sometimes(float(np.round(rng.lognormal(), 4))),
            "b": float(rng.integers(3)),
            "kind": sometimes([True, 7, "red", "Grün", "blue", "x"][rng.integers(6)]),
            "y": sometimes(label),
        }
        for time, label in zip(times, labels, strict=True)
    ]
