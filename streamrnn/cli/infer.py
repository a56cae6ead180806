"""A configuration for a file that nobody has described: from a sample of its rows and a wish or two.

Every guess is written down in words, so that people can overrule it.
"""

import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.cli.columns import Column, describe, survey
from streamrnn.errors import InputError

_DAY = 86_400.0
_MOST_CATEGORIES = 1000
"""Distinct texts beyond which a field is an identifier rather than a category."""
_CODES = range(3, 13)
"""Distinct whole numbers that pass for codes (weekday, month, kind of weather) rather than for amounts."""
_FEW = 16
_MOST_NUMBERS = 200
_REGULAR = 0.9
"""Share of equal steps from which a clock counts as regular."""
_SERIES = 0.5
"""Autocorrelation from which a field is a series to be forecast rather than a quantity to be looked up."""
_SEASON_GAIN = 0.8
"""A season must leave at most this share of the deviation from the median to be worth its name."""
_AS_GOOD = 1.05
_KEY_NAMES = re.compile(
    r"(^|_)(id|key|name|sensor|station|device|host|machine|series|ticker|symbol|region|site|store|shop|item|"
    r"product|user|customer|account|city|country|location|vehicle|meter|unit|entity|chick|group)s?$",
    re.IGNORECASE,
)
_SAID_NONE = ""


@dataclass(frozen=True)
class Wishes:
    """What the user said; None: decide for me."""

    predict: str | None = None
    key: str | None = None
    time: str | None = None
    horizon: int | None = None
    season: int | None = None
    zone: str = "UTC"
    ignore: tuple[str, ...] = ()


@dataclass
class Inference:
    """A configuration as plain values, and how each part of it was decided."""

    task: dict[str, Any] = field(default_factory=dict)
    key: str | None = None
    time: str | None = None
    features: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """What a configuration file says, defaults left out."""
        named = {"task": self.task, "key": self.key, "time": self.time, "features": self.features}
        return {name: value for name, value in named.items() if value is not None} | {
            "networks": [
                {"name": "one-step", "cell": "gru", "hidden": 64, "window": 1},
                {
                    "name": "growing",
                    "cell": "gru",
                    "hidden": 64,
                    "window": {"grow": [1, 16], "by": "plateau"},
                },
            ]
        }


@dataclass(frozen=True)
class Series:
    """The target per key, in order: what rhythms and horizons are judged by."""

    values: list[NDArray[np.float64]]
    """One array for each key."""
    step: float | None
    """Seconds between two rows of a key (median); None without a time."""
    regular: bool

    @property
    def longest(self) -> NDArray[np.float64]:
        return max(self.values, key=len)


def infer(rows: Sequence[Mapping[str, Any]], wishes: Wishes) -> Inference:
    """The configuration that suits the rows, one at least. Raises InputError when a wish cannot be met."""
    columns = survey(rows)
    _check_wishes(columns, wishes)
    target = _target(columns, wishes)
    result = Inference()
    time = _time(columns, wishes, result)
    key = _key(columns, target, time, wishes, result)
    series = _series(target, key, time, wishes)
    _task(columns, target, series, wishes, result)
    _features(columns, target, series, wishes, result)
    return result


# --- which fields -----------------------------------------------------------------------------------


def _named(columns: Mapping[str, Column], name: str, option: str) -> Column:
    if name not in columns:
        raise InputError(f"{option} {name}: the file has no such field; it has {describe(columns)}")
    return columns[name]


def _check_wishes(columns: Mapping[str, Column], wishes: Wishes) -> None:
    for name in wishes.ignore:
        _named(columns, name, "--ignore")
    if wishes.zone not in zoneinfo.available_timezones():
        raise InputError(
            f"--zone {wishes.zone}: unknown time zone; expected a name such as Europe/Paris or UTC"
        )
    if wishes.season == 1:
        raise InputError("--season 1: expected at least 2 rows, or 0 for none")
    if wishes.season and wishes.horizon and wishes.season < wishes.horizon:
        raise InputError(f"--season {wishes.season}: shorter than --horizon {wishes.horizon}")


def _target(columns: Mapping[str, Column], wishes: Wishes) -> Column:
    if not wishes.predict:
        raise InputError(f"say what to predict with --predict FIELD; the file has {describe(columns)}")
    target = _named(columns, wishes.predict, "--predict")
    if not target.numeric and target.kind != "boolean":
        raise InputError(
            f"--predict {target.name}: it holds {target.kind} values; expected numbers, or classes 0 and 1"
        )
    return target


def _time(columns: Mapping[str, Column], wishes: Wishes, result: Inference) -> Column | None:
    if wishes.time == _SAID_NONE:
        return None
    if wishes.time is not None:
        found = _named(columns, wishes.time, "--time")
        if found.kind != "time" and not found.numeric:
            raise InputError(
                f"--time {found.name}: it holds {found.kind} values; times are ISO 8601 or seconds since 1970"
            )
        if found.gaps:
            raise InputError(
                f"--time {found.name}: {found.gaps} of the first {len(found.values)} rows have none"
            )
        result.time = found.name
        return found
    for column in columns.values():
        if column.kind == "time" and not column.gaps and column.name not in (wishes.predict, *wishes.ignore):
            result.time = column.name
            result.notes.append(f"time: {column.name} (the first field that holds times)")
            return column
    return None


def _key(
    columns: Mapping[str, Column], target: Column, time: Column | None, wishes: Wishes, result: Inference
) -> Column | None:
    if wishes.key == _SAID_NONE:
        return None
    if wishes.key is not None:
        found = _named(columns, wishes.key, "--key")
        if found.kind not in ("text", "whole", "boolean", "time"):
            raise InputError(
                f"--key {found.name}: it holds {found.kind} values; keys are texts or whole numbers"
            )
        if found.gaps:
            raise InputError(
                f"--key {found.name}: {found.gaps} of the first {len(found.values)} rows have none"
            )
        result.key = found.name
        return found
    candidates = [
        column
        for column in columns.values()
        if column is not target and column.name not in wishes.ignore and _may_be_key(column, time, wishes)
    ]
    if not candidates:
        return None
    best = min(candidates, key=lambda column: column.distinct)
    result.key = best.name
    result.notes.append(
        f'key: {best.name} ({best.distinct} streams by the look of it; --key "" treats all rows as one)'
    )
    return best


def _may_be_key(column: Column, time: Column | None, wishes: Wishes) -> bool:
    """A field that splits the rows into long runs: by its name, or because time runs backwards without it."""
    rows = len(column.values)
    if column.kind not in ("text", "whole") or column.gaps or not 2 <= column.distinct <= rows / 10:
        return False
    if _KEY_NAMES.search(column.name) and (column.kind == "text" or time is not None):
        return True
    if time is None or column.kind != "text":
        return False
    seconds = time.seconds(wishes.zone)
    return _share_backwards(seconds) > 0.3 and _share_backwards(seconds, column.values) < 0.01


def _share_backwards(seconds: NDArray[np.float64], keys: Sequence[Any] | None = None) -> float:
    """Share of rows that are not later than the row before them (of the same key)."""
    last: dict[Any, float] = {}
    backwards = 0
    for second, key in zip(seconds.tolist(), keys or [None] * len(seconds), strict=True):
        backwards += second <= last.get(key, -np.inf)
        last[key] = second
    return backwards / max(len(seconds), 1)


# --- the series ---------------------------------------------------------------------------------------


def _series(target: Column, key: Column | None, time: Column | None, wishes: Wishes) -> Series:
    rows_of: dict[Any, list[int]] = {}
    for row in range(len(target.values)):
        rows_of.setdefault(key.values[row] if key else None, []).append(row)
    values = target.floats()
    split = [values[rows] for rows in rows_of.values()]
    if time is None:
        return Series(split, None, regular=True)
    seconds = time.seconds(wishes.zone)
    steps = np.concatenate([np.diff(seconds[rows]) for rows in rows_of.values()])
    if not steps.size or not (median := float(np.median(steps))) > 0:
        return Series(split, None, regular=False)
    usual = (
        (steps >= 28 * _DAY) & (steps <= 31 * _DAY) if _monthly(median) else np.abs(steps / median - 1) < 0.01
    )
    return Series(split, median, bool(np.mean(usual) >= _REGULAR))


def _monthly(step: float) -> bool:
    return 28 * _DAY <= step <= 31 * _DAY


def _autocorrelation(series: Series, lag: int) -> float:
    before = np.concatenate([values[:-lag] for values in series.values if len(values) > lag] or [np.empty(0)])
    after = np.concatenate([values[lag:] for values in series.values if len(values) > lag] or [np.empty(0)])
    both = ~np.isnan(before) & ~np.isnan(after)
    if both.sum() < 10 or before[both].std() == 0 or after[both].std() == 0:
        return 0.0
    return float(np.corrcoef(before[both], after[both])[0, 1])


def _season_error(series: Series, season: int) -> float:
    """Mean absolute change over one season."""
    changes = [np.abs(values[season:] - values[:-season]) for values in series.values if len(values) > season]
    return float(np.nanmean(np.concatenate(changes)))


def _rhythms(series: Series) -> list[int]:
    """Rows in a day, a week and a year, where at least three of these fit into the longest series."""
    if series.step is None or not series.regular:
        return []
    periods = (_DAY, 7 * _DAY, 365.25 * _DAY)
    lengths = [12] if _monthly(series.step) else [round(period / series.step) for period in periods]
    return [n for n in lengths if n >= 2 and 3 * n <= len(series.longest) and n <= 10_000]


def _season(series: Series, horizon: int) -> int | None:
    """The rhythm that explains most, if it explains something; of two that explain as much, the shorter."""
    known = np.concatenate(series.values)
    spread = float(np.nanmean(np.abs(known - np.nanmedian(known))))
    errors = {n: _season_error(series, n) for n in _rhythms(series) if n >= horizon}
    if not errors or min(errors.values()) > _SEASON_GAIN * spread:
        return None
    return min(n for n, error in errors.items() if error <= _AS_GOOD * min(errors.values()))


# --- the task -----------------------------------------------------------------------------------------


def _task(
    columns: Mapping[str, Column], target: Column, series: Series, wishes: Wishes, result: Inference
) -> None:
    name = target.name
    if target.two_classes:
        if wishes.horizon:
            raise InputError(
                f"--horizon {wishes.horizon}: classes are predicted for their own row; leave it out"
            )
        result.task = {"binary": name}
        result.notes.append(f"task: binary ({name} is 0 or 1; predicted from its own row, then learned)")
        return
    if target.kind == "boolean":
        raise InputError(f"--predict {name}: it has one value only in the first {len(target.values)} rows")
    horizon = wishes.horizon if wishes.horizon is not None else int(_is_series(columns, target, series))
    season = _season(series, horizon) if wishes.season is None else wishes.season or None
    if horizon:
        result.task = {"forecast": name, "horizon": horizon}
        if wishes.horizon is None:
            result.notes.append(
                f"task: forecast of {name}, 1 row ahead (--horizon N; 0 predicts it from its own row)"
            )
    else:
        result.task = {"regression": name}
        if wishes.horizon is None:
            result.notes.append(
                f"task: regression of {name} from its own row (--horizon N forecasts it N rows ahead)"
            )
    if season:
        result.task["season"] = season
        if wishes.season is None:
            result.notes.append(f"season: {season} rows (--season N; 0 for none)")


def _is_series(columns: Mapping[str, Column], target: Column, series: Series) -> bool:
    alone = not any(column.numeric and column is not target for column in columns.values())
    return alone or series.step is not None or _autocorrelation(series, 1) >= _SERIES


# --- the features ---------------------------------------------------------------------------------------


def _features(
    columns: Mapping[str, Column], target: Column, series: Series, wishes: Wishes, result: Inference
) -> None:
    forecast = "forecast" in result.task
    if forecast:
        result.features.append({"number": target.name})
    taken = {target.name, result.key, result.time, *wishes.ignore}
    for column in columns.values():
        if column.name not in taken:
            _add_feature(column, wishes, result)
    _limit_numbers(result)
    if result.time is not None:
        _add_time(columns[result.time], series, wishes, result)
    if forecast:
        _add_lags(target, series, result)
    else:
        result.features.append({"previous": target.name})


def _add_feature(column: Column, wishes: Wishes, result: Inference) -> None:
    """One field beside the target, unless there is a reason to leave it out, which is noted."""
    if reason := _unusable(column):
        result.notes.append(f"left out: {column.name} ({reason})")
    elif column.kind == "time":
        result.features.append({"calendar": column.name, "parts": ["hour", "weekday"], "zone": wishes.zone})
    elif column.kind in ("text", "boolean") or (column.kind == "whole" and column.distinct in _CODES):
        result.features.append({"category": column.name, **_inputs(column)})
    else:
        result.features.append({"number": column.name})


def _inputs(column: Column) -> dict[str, int]:
    """As many inputs as a category of few values needs, and one for values that are yet to come."""
    return {"bound": column.distinct, "buckets": 1} if column.distinct <= _FEW else {}


def _unusable(column: Column) -> str | None:
    if column.kind == "empty":
        return "no values"
    if column.kind == "mixed":
        return "values of several types"
    if column.absent:
        return f"missing from {column.absent} of the first {len(column.values)} rows"
    if column.distinct == 1 and not column.gaps:
        return "always the same"
    if column.kind == "text" and column.distinct > _MOST_CATEGORIES:
        return f"{column.distinct} different texts"
    if column.kind == "whole" and len(column.values) > 2 and len({*np.diff(column.floats())}) == 1:
        return "counts the rows"
    return None


def _limit_numbers(result: Inference) -> None:
    numbers = [feature for feature in result.features if "number" in feature]
    for feature in numbers[_MOST_NUMBERS:]:
        result.features.remove(feature)
        result.notes.append(f"left out: {feature['number']} (beyond the first {_MOST_NUMBERS} numbers)")


def _add_time(time: Column, series: Series, wishes: Wishes, result: Inference) -> None:
    parts = _calendar_parts(series.step, float(np.ptp(time.seconds(wishes.zone))))
    if parts:
        result.features.append({"calendar": time.name, "parts": parts, "zone": wishes.zone})
    if not series.regular:
        result.features.append({"elapsed": time.name})


def _calendar_parts(step: float | None, span: float) -> list[str]:
    """Parts that change from row to row and come round at least twice in the sample."""
    step = step or 1.0
    year = ("month", 31 * _DAY, 365 * _DAY) if _monthly(step) else ("yearday", 40 * _DAY, 365 * _DAY)
    candidates = [("hour", _DAY / 2, _DAY), ("weekday", 2 * _DAY, 7 * _DAY), year]
    return [part for part, slowest, cycle in candidates if step <= slowest and span >= 2 * cycle]


def _add_lags(target: Column, series: Series, result: Inference) -> None:
    """The same moment of the last day, week and year; the present value is a feature already."""
    horizon = result.task["horizon"]
    wanted = {*_rhythms(series), result.task.get("season", 0)}
    steps = sorted(n for n in wanted if n > horizon)
    if steps:
        result.features.append({"lags": target.name, "steps": steps})
