"""Parts of local time as sine and cosine."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from streamrnn.features.clock import to_local
from streamrnn.features.specs import Calendar

PERIODS = {"minute": 60, "hour": 24, "weekday": 7, "day": 31, "month": 12, "yearday": 366}
"""How many values each part can take; a part counts from 0 (Monday, the first, January)."""
_PARTS = list(PERIODS)


def _circle() -> NDArray[np.float64]:
    """sin and cos of 2π i/period for each part and value (parts, greatest period, 2)."""
    table = np.zeros((len(PERIODS), max(PERIODS.values()), 2))
    for part, period in enumerate(PERIODS.values()):
        for i in range(period):
            angle = 2.0 * math.pi * i / period
            table[part, i] = math.sin(angle), math.cos(angle)
    return table


class CalendarEncoder:
    """Writes sine and cosine of each part; both 0 where the time is missing."""

    def __init__(self, spec: Calendar) -> None:
        self._zone = spec.zone
        self._parts = np.array([_PARTS.index(part) for part in spec.parts], np.int64)
        self._table = _circle()
        self.names = [f"{spec.field}.{part}.{wave}" for part in spec.parts for wave in ("sin", "cos")]

    def encode(self, seconds: NDArray[np.float64], x: NDArray[np.float64], column: int) -> None:
        """Fill columns `column`, … of x (n, d) from UTC `seconds` (n,)."""
        local = seconds.tolist()
        if self._zone != "UTC":
            local = to_local(local, self._zone)
        _encode(np.array(local, np.float64), self._parts, self._table, x, column)


@njit(cache=True, error_model="numpy")
def _encode(
    local: NDArray[np.float64],
    parts: NDArray[np.int64],
    table: NDArray[np.float64],
    x: NDArray[np.float64],
    column: int,
) -> None:
    value = np.zeros(6, np.int64)  # in the order of PERIODS
    for i in range(local.shape[0]):
        if np.isnan(local[i]):
            continue
        second = np.int64(math.floor(local[i]))
        day = second // 86400
        value[0] = second // 60 % 60
        value[1] = second // 3600 % 24
        value[2] = (day + 3) % 7  # 1970-01-01 was a Thursday
        value[3], value[4], value[5] = _date(day)
        for j in range(parts.shape[0]):
            wave = table[parts[j], value[parts[j]]]
            x[i, column + 2 * j] = wave[0]
            x[i, column + 2 * j + 1] = wave[1]


@njit(cache=True, error_model="numpy")
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
