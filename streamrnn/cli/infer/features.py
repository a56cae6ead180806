"""What the target is predicted from."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from streamrnn.cli.columns import Column
from streamrnn.cli.infer.inference import Inference
from streamrnn.cli.infer.series import DAY, Series, autocorrelation, monthly, rhythms
from streamrnn.cli.infer.task import SERIES
from streamrnn.cli.infer.wishes import Wishes
from streamrnn.errors import InputError
from streamrnn.features.calendar import inputs

RECENT = 6
"""How many of the last values of the target are features."""
_MOST_CATEGORIES = 1000
"""Distinct texts beyond which a field is an identifier rather than a category."""
_CODES = range(2, 25)
"""Distinct whole numbers that pass for codes (hour, weekday, kind of weather) rather than for amounts."""
_DENSE = 2
"""Codes lie close together: their range is at most this many times their number."""
_FEW = 32
_MOST_NUMBERS = 200
_ENOUGH_ROWS = 100
_RISING = 0.001
"""Share of falls up to which a column only rises."""


def decide_features(
    columns: Mapping[str, Column], target: Column, series: Series, wishes: Wishes, result: Inference
) -> None:
    """Fills in the features; a text is read character by character and has none.

    Raises InputError where nothing is left to predict the target from.
    """
    if "next_token" in result.task:
        return
    forecast = "forecast" in result.task
    if forecast:
        result.features.append({"number": target.name})
    taken = {target.name, result.key, result.time, *wishes.ignore}
    for column in columns.values():
        if column.name not in taken:
            _add_field(column, wishes, result)
    _limit_numbers(result)
    if result.time is not None:
        _add_time(columns[result.time], series, wishes, result)
    if not forecast and result.past_labels:
        result.features.append({"previous": target.name})
    _add_lags(target, series, result)
    if not result.features:
        raise InputError(f"--predict {target.name}: the file has nothing else to predict it from")


# --- fields beside the target -------------------------------------------------------------------------


def _add_field(column: Column, wishes: Wishes, result: Inference) -> None:
    """One field, unless there is a reason to leave it out, which is noted."""
    if reason := _unusable(column):
        result.notes.append(f"left out: {column.name} ({reason})")
    elif column.kind == "time":
        result.features.append({"calendar": column.name, "parts": ["hour", "weekday"], "zone": wishes.zone})
    elif column.kind in ("text", "boolean") or _is_coded(column):
        result.features.append({"category": column.name, **_inputs(column)})
    else:
        result.features.append({"number": column.name})


def _is_coded(column: Column) -> bool:
    if column.kind != "whole" or column.distinct not in _CODES:
        return False
    return bool(max(column.known) - min(column.known) < _DENSE * column.distinct)


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
    if column.numeric and _only_rises(column):
        return "only rises, so it says little but where in the file a row stands"
    return None


def _only_rises(column: Column) -> bool:
    """A counter or a date in disguise: what comes next was never seen. Codes may return once a year."""
    if len(column.known) < _ENOUGH_ROWS or column.distinct <= 2:
        return False
    values = column.floats()
    falls = float(np.mean(np.diff(values[~np.isnan(values)]) < 0))
    return falls == 0.0 if _is_coded(column) else falls < _RISING


def _limit_numbers(result: Inference) -> None:
    numbers = [feature for feature in result.features if "number" in feature]
    for feature in numbers[_MOST_NUMBERS:]:
        result.features.remove(feature)
        result.notes.append(f"left out: {feature['number']} (beyond the first {_MOST_NUMBERS} numbers)")


# --- time and the past --------------------------------------------------------------------------------


def _add_time(time: Column, series: Series, wishes: Wishes, result: Inference) -> None:
    parts = _calendar_parts(series.step, float(np.ptp(time.seconds(wishes.zone))))
    if parts:
        result.features.append({"calendar": time.name, "parts": parts, "zone": wishes.zone})
    if not series.regular:
        result.features.append({"elapsed": time.name})


def _calendar_parts(step: float | None, span: float) -> list[str]:
    """Parts that change from row to row and come round at least once in the sample."""
    step = step or 1.0
    year = ("month", 31 * DAY, 365 * DAY) if monthly(step) else ("yearday", 40 * DAY, 365 * DAY)
    candidates = [("hour", DAY / 2, DAY), ("weekday", 2 * DAY, 7 * DAY), year]
    return [part for part, slowest, cycle in candidates if step <= slowest and span >= cycle]


def _add_lags(target: Column, series: Series, result: Inference) -> None:
    """The last values, and the two of each season before, where they say something about the next.

    The newest is a feature already: the present value of a forecast, the previous label of a regression.
    """
    if "forecast" in result.task:
        newest = result.task["horizon"]
    elif "regression" in result.task and _has_past(series):
        newest = 1
    else:
        return
    steps = {*range(newest + 1, newest + RECENT)}
    for season in {*rhythms(series), result.task.get("season", 0)}:
        steps |= {season, season + 1}
    usable = sorted(lag for lag in steps if newest < lag <= series.longest // 2)
    if usable:
        result.features.append({"lags": target.name, "steps": usable})


def _has_past(series: Series) -> bool:
    return series.step is not None or autocorrelation(series, 1) >= SERIES


def inputs_of(features: list[dict[str, Any]]) -> int:
    """How many inputs a network gets, more or less: what stands for a missing value included."""
    widths = {"number": 2, "previous": 2, "elapsed": 1}
    count = 0
    for feature in features:
        if "category" in feature:
            count += feature.get("bound", 32) + feature.get("buckets", 8)
        elif "calendar" in feature:
            count += sum(len(inputs(part)) for part in feature["parts"])
        elif "lags" in feature:
            count += 2 * len(feature["steps"])
        else:
            count += widths[next(iter(feature))]
    return count
