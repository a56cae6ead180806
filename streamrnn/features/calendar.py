"""Parts of local time: sine and cosine of each, and an input for each value of hour, weekday and month.

Sine and cosine tell which values are neighbours; an input for each value lets a network learn what is special
about one hour.
"""

import math

import numpy as np
from numpy.typing import NDArray

from streamrnn.compiled import inlined, loop
from streamrnn.features.clock import to_local
from streamrnn.features.specs import Calendar

PERIODS = {"minute": 60, "hour": 24, "weekday": 7, "day": 31, "month": 12, "yearday": 366}
"""How many values each part can take; a part counts from 0 (Monday, the first, January)."""
VALUED = ("hour", "weekday", "month")
"""Parts with an input for each value."""
_PARTS = list(PERIODS)
_PERIODS = np.array(list(PERIODS.values()), np.int64)


def _circle() -> NDArray[np.float64]:
    """sin and cos of 2π i/period for each part and value (parts, greatest period, 2)."""
    table = np.zeros((len(PERIODS), max(PERIODS.values()), 2))
    for part, period in enumerate(PERIODS.values()):
        for i in range(period):
            angle = 2.0 * math.pi * i / period
            table[part, i] = math.sin(angle), math.cos(angle)
    return table


class CalendarEncoder:
    """Writes the inputs of each part; all 0 where the time is missing."""

    def __init__(self, spec: Calendar) -> None:
        self._zone = spec.zone
        self._parts = np.array([_PARTS.index(part) for part in spec.parts], np.int64)
        self._valued = np.array([part in VALUED for part in spec.parts], np.bool_)
        self._table = _circle()
        self.names = [f"{spec.field}.{name}" for part in spec.parts for name in inputs(part)]

    def encode(self, seconds: NDArray[np.float64], x: NDArray[np.float64], column: int) -> None:
        """Fill columns `column`, … of x (n, d) from UTC `seconds` (n,)."""
        local = seconds.tolist()
        if self._zone != "UTC":
            local = to_local(local, self._zone)
        _encode(np.array(local, np.float64), self._parts, self._valued, _PERIODS, self._table, x, column)


def inputs(part: str) -> list[str]:
    """Names of a part's inputs."""
    values = [f"{part}.{value}" for value in range(PERIODS[part])] if part in VALUED else []
    return [f"{part}.sin", f"{part}.cos", *values]


@loop
def _encode(
    local: NDArray[np.float64],
    parts: NDArray[np.int64],
    valued: NDArray[np.bool_],
    periods: NDArray[np.int64],
    table: NDArray[np.float64],
    x: NDArray[np.float64],
    column: int,
) -> None:
    for i in range(local.shape[0]):
        if np.isnan(local[i]):
            continue
        second = np.int64(math.floor(local[i]))
        day = second // 86400
        weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
        of_month, month, of_year = _date(day)
        value = (second // 60 % 60, second // 3600 % 24, weekday, of_month, month, of_year)  # as PERIODS
        place = column
        for j in range(parts.shape[0]):
            wave = table[parts[j], value[parts[j]]]
            x[i, place], x[i, place + 1] = wave[0], wave[1]
            place += 2
            if valued[j]:
                x[i, place + value[parts[j]]] = 1.0
                place += periods[parts[j]]


@inlined
def _date(day: int) -> tuple[int, int, int]:
    """Day of the month, month and day of the year, from 0 each, of a day counted from 1970-01-01.

    Gregorian calendar by eras of 400 years that begin on 1 March (H. Hinnant, "chrono-compatible low-level
    date algorithms", `civil_from_days`).
    """
    shifted = day + 719468
    of_era = shifted % 146097
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)  # from 1 March
    month = (5 * of_year + 2) // 153  # from March
    day_of_month = of_year - (153 * month + 2) // 5
    if month >= 10:  # January and February close the era's year
        return day_of_month, month - 10, of_year - 306
    leap = year_of_era % 4 == 0 and (year_of_era % 100 != 0 or year_of_era == 0)
    return day_of_month, month + 2, of_year + (60 if leap else 59)
