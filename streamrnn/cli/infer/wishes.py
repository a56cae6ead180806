"""What the user asked for, and whether it can be had."""

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from streamrnn.cli.columns import Column, describe
from streamrnn.errors import InputError

TaskName = Literal["forecast", "regression", "binary", "multiclass", "next_token"]
NONE = ""
"""Said for a field: there is none."""
_OF_NUMBERS = ("forecast", "regression")


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
    task: TaskName | None = None


def named(columns: Mapping[str, Column], name: str, option: str) -> Column:
    """The field that an option names. Raises InputError if the file has none of that name."""
    if name not in columns:
        raise InputError(f"{option} {name}: the file has no such field; it has {describe(columns)}")
    return columns[name]


def check(wishes: Wishes, columns: Mapping[str, Column]) -> None:
    """Raises InputError for a wish that no rows could meet."""
    for name in wishes.ignore:
        named(columns, name, "--ignore")
    if wishes.zone not in zoneinfo.available_timezones():
        raise InputError(
            f"--zone {wishes.zone}: unknown time zone; expected a name such as Europe/Paris or UTC"
        )
    if wishes.season == 1:
        raise InputError("--season 1: expected at least 2 rows, or 0 for none")
    if wishes.season and wishes.horizon and wishes.season < wishes.horizon:
        raise InputError(f"--season {wishes.season}: shorter than --horizon {wishes.horizon}")
    if wishes.task is not None:
        check_rows_of(wishes.task, wishes)


def check_rows_of(task: TaskName, wishes: Wishes) -> None:
    """Raises InputError where horizon and season do not go with the task."""
    if task == "regression" and wishes.horizon:
        raise InputError(
            f"--horizon {wishes.horizon}: a regression predicts its own row; say --task forecast"
        )
    if task == "forecast" and wishes.horizon == 0:
        raise InputError("--horizon 0: a forecast looks at least 1 row ahead; say --task regression")
    if task in _OF_NUMBERS:
        return
    text = task == "next_token"
    what = "texts are predicted character by character" if text else "classes are predicted for their own row"
    for option, value in (("--horizon", wishes.horizon), ("--season", wishes.season)):
        if value:
            raise InputError(f"{option} {value}: {what}; leave it out")
