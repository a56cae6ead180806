"""Which fields are the target, the time and the key."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.cli.columns import Column, describe
from streamrnn.cli.infer.inference import Inference
from streamrnn.cli.infer.wishes import NONE, Wishes, named
from streamrnn.errors import InputError

_IDS = (
    "id|key|sequence|series|sensor|station|device|host|machine|ticker|symbol|user|customer|account|"
    "vehicle|meter|chick"
)
_ID_NAMES = re.compile(rf"(^|_)({_IDS})s?$", re.IGNORECASE)
_KEY_NAMES = re.compile(
    rf"(^|_)({_IDS}|name|region|site|store|shop|item|product|city|country|location|unit|entity|group)s?$",
    re.IGNORECASE,
)
_PREDICTABLE = ("number", "whole", "boolean", "text")


def target_of(columns: Mapping[str, Column], wishes: Wishes, result: Inference) -> Column:
    """What to predict. Raises InputError where the user has to say it."""
    if wishes.predict:
        target = named(columns, wishes.predict, "--predict")
        if target.kind not in _PREDICTABLE:
            raise InputError(
                f"--predict {target.name}: it holds {_held(target)}; expected numbers, classes or texts"
            )
        return target
    beside = (wishes.key, wishes.time, *wishes.ignore)
    candidates = [
        column
        for column in columns.values()
        if column.kind in _PREDICTABLE and column.distinct > 1 and column.name not in beside
    ]
    if len(candidates) != 1:
        raise InputError(f"say what to predict with --predict FIELD; the file has {describe(columns)}")
    result.notes.append(f"predict: {candidates[0].name} (the only field that could be)")
    return candidates[0]


def _held(column: Column) -> str:
    return {"empty": "no values", "mixed": "values of several types"}.get(column.kind, "times")


def time_of(
    columns: Mapping[str, Column], target: Column, wishes: Wishes, result: Inference
) -> Column | None:
    """The field that dates the rows, if there is one."""
    if wishes.time == NONE:
        return None
    if wishes.time is not None:
        found = named(columns, wishes.time, "--time")
        if found.kind != "time" and not found.numeric:
            raise InputError(
                f"--time {found.name}: it holds {found.kind} values; times are ISO 8601 or seconds since 1970"
            )
        _without_gaps(found, "--time")
        result.time = found.name
        return found
    for column in columns.values():
        if column.kind == "time" and not column.gaps and column.name not in (target.name, *wishes.ignore):
            result.time = column.name
            result.notes.append(f"time: {column.name} (the first field that holds times)")
            return column
    return None


def key_of(
    columns: Mapping[str, Column], target: Column, time: Column | None, wishes: Wishes, result: Inference
) -> Column | None:
    """The field that splits the rows into streams, if there is one."""
    if wishes.key == NONE:
        return None
    if wishes.key is not None:
        found = named(columns, wishes.key, "--key")
        if found.kind not in ("text", "whole", "boolean", "time"):
            raise InputError(
                f"--key {found.name}: it holds {found.kind} values; keys are texts or whole numbers"
            )
        _without_gaps(found, "--key")
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


def _without_gaps(column: Column, option: str) -> None:
    if column.gaps:
        rows = len(column.values)
        raise InputError(f"{option} {column.name}: {column.gaps} of the first {rows} rows have none")


def _may_be_key(column: Column, time: Column | None, wishes: Wishes) -> bool:
    """A field that splits the rows into long runs: by its name, or because time runs backwards without it."""
    rows = len(column.values)
    if column.kind not in ("text", "whole") or column.gaps or not 2 <= column.distinct <= rows / 10:
        return False
    if _ID_NAMES.search(column.name):
        return True
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
