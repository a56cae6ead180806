"""The streams that quality is measured on, and how their columns become features: one rule for all of them.

The rule, so that nothing is tuned to a set:

1. A column of measurements is a number, a column of integer codes is a category; what gives the label or the
   row's place in the file away is left out.
2. A time becomes a calendar: hour, weekday and day of the year where rows are less than a day apart, month
   where they are months apart. Where rows come at irregular times, the time since the key's last row is
   a feature too.
3. Where past labels are known at prediction time, the last six of them are features and, for each season
   that the clock or the sky gives, the two of a season before: a day and a week where rows are at most an
   hour apart, a year for months, the sun's rotation of 27 days.

`../docs/quality.md` is made from them by `quality.py`.
"""

import csv
import gzip
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

RECENT = 6
"""How many of the last labels are features."""

Kind = Literal["forecast", "regression", "binary", "multiclass"]
Measure = Literal["accuracy", "mae", "rmse", "skill"]
Row = dict[str, str]


@dataclass(frozen=True)
class Set:
    """One stream and one question to it."""

    name: str
    file: str
    kind: Kind
    targets: tuple[str, ...]
    """Each is predicted; figures of several are means over them."""
    measure: Measure
    """What decides; `skill` is 1 − the mean over keys of error / error of repeating the shortest season, or
    the last value where there is none."""
    horizon: int = 0
    seasons: tuple[int, ...] = ()
    """Rows of a key, the shortest first."""
    key: str | None = None
    time: str | None = None
    parts: tuple[str, ...] = ("hour", "weekday", "yearday")
    irregular: bool = False
    numbers: tuple[str, ...] = ()
    categories: Mapping[str, int] | None = None
    """By column, how many values it has."""
    past_labels: bool = True
    """False: no label is known when others are predicted, as if all came late."""
    note: str = ""

    @property
    def classes(self) -> bool:
        return self.kind in ("binary", "multiclass")

    @property
    def season(self) -> int | None:
        """The longest one: naive rules repeat it."""
        return self.seasons[-1] if self.seasons else None

    @cached_property
    def path(self) -> Path:
        return data() / self.file

    def lags(self) -> tuple[int, ...]:
        """Rows back from the target whose labels are features, none of them unknown at prediction time."""
        if not self.past_labels or self.classes:
            return ()
        first = max(self.horizon, 1)
        seasonal = (lag for season in self.seasons for lag in (season, season + 1))
        steps = (*range(first, first + RECENT), *(lag for lag in seasonal if lag >= first))
        return tuple(sorted(set(steps)))

    def rows(self) -> Iterator[Row]:
        with gzip.open(self.path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def data() -> Path:
    """The folder of the data sets."""
    return Path(os.environ["STREAMRNN_DATA"])


_BIKE = {
    "file": "bike_sharing/bike_sharing.csv.gz",
    "kind": "regression",
    "targets": ("cnt",),
    "measure": "mae",
    "time": "timestamp",
    "numbers": ("temp", "atemp", "hum", "windspeed"),
    "categories": {
        "season": 4,
        "yr": 2,
        "mnth": 12,
        "hr": 24,
        "holiday": 2,
        "weekday": 7,
        "workingday": 2,
        "weathersit": 4,
    },
}
_ETTH = {
    "file": "etth1/etth1.csv.gz",
    "kind": "forecast",
    "targets": ("OT",),
    "measure": "mae",
    "time": "timestamp",
    "numbers": ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"),
}
_CURRENCIES = ("australia", "britain", "canada", "switzerland", "china", "japan", "new_zealand", "singapore")

SETS = (
    Set(
        "elec2",
        "elec2/elec2.csv.gz",
        "binary",
        ("target",),
        "accuracy",
        numbers=("period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"),
        categories={"day": 7},
    ),
    Set(
        "outdoor",
        "outdoor/outdoor.csv.gz",
        "multiclass",
        ("target",),
        "accuracy",
        numbers=tuple(f"x{i}" for i in range(21)),
    ),
    Set(
        "powersupply",
        "powersupply/powersupply.csv.gz",
        "multiclass",
        ("target",),
        "accuracy",
        numbers=("main_grid", "transformed_grid"),
        past_labels=False,
        note="the labels count the hours, so none may be known",
    ),
    Set("bike_sharing", seasons=(24, 168), **_BIKE),  # type: ignore[arg-type]
    Set(
        "bike_sharing, no past labels",
        past_labels=False,
        **_BIKE,  # type: ignore[arg-type]
    ),
    Set("etth1, 1 ahead", horizon=1, seasons=(24, 168), **_ETTH),  # type: ignore[arg-type]
    Set("etth1, 24 ahead", horizon=24, seasons=(24, 168), **_ETTH),  # type: ignore[arg-type]
    Set(
        "exchange_rate",
        "exchange_rate/exchange_rate.csv.gz",
        "forecast",
        _CURRENCIES,
        "skill",
        horizon=1,
        numbers=_CURRENCIES,
    ),
    Set(
        "sunspots, daily",
        "sunspots/sunspots_daily.csv.gz",
        "forecast",
        ("sunspots",),
        "mae",
        horizon=1,
        seasons=(27,),
        numbers=("sunspots", "sd", "n_obs"),
    ),
    Set(
        "sunspots, monthly",
        "sunspots/sunspots_monthly.csv.gz",
        "forecast",
        ("sunspots",),
        "mae",
        horizon=1,
        seasons=(12,),
        time="timestamp",
        parts=("month",),
        numbers=("sunspots", "sd", "n_obs"),
    ),
    Set(
        "toulouse_bikes",
        "toulouse_bikes/toulouse_bikes.csv.gz",
        "regression",
        ("bikes",),
        "rmse",
        key="station",
        time="timestamp",
        irregular=True,
        numbers=("clouds", "humidity", "pressure", "temperature", "wind"),
        categories={"weather": 18},
    ),
    Set(
        "m4_hourly",
        "m4_hourly/m4_hourly.csv.gz",
        "forecast",
        ("value",),
        "skill",
        horizon=1,
        seasons=(24, 168),
        key="series",
        numbers=("value",),
    ),
    Set(
        "metro_traffic",
        "metro_traffic/metro_traffic.csv.gz",
        "regression",
        ("traffic_volume",),
        "mae",
        seasons=(24, 168),
        time="timestamp",
        irregular=True,
        numbers=("temp", "rain_1h", "snow_1h", "clouds_all"),
        categories={"holiday": 12, "weather_main": 11},
    ),
    Set(
        "web_traffic",
        "web_traffic/web_traffic.csv.gz",
        "forecast",
        ("sessions_a", "sessions_b"),
        "skill",
        horizon=1,
        seasons=(96, 672),
        key="region",
        time="timestamp",
        numbers=("sessions_a", "sessions_b"),
    ),
)
