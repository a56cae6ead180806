"""Times as UTC seconds since 1970, and what time zones are ahead, cached by the hour."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1)
_AWARE_EPOCH = _EPOCH.replace(tzinfo=UTC)
_HOUR = timedelta(hours=1)
_INSTANT = timedelta(microseconds=1)
_CACHED_HOURS = 1 << 16  # seven years

EARLIEST = (datetime(1, 1, 3) - _EPOCH).total_seconds()
LATEST = (datetime(9999, 12, 30) - _EPOCH).total_seconds()
"""Times outside [EARLIEST, LATEST) [s] are refused: the local time of every zone must exist."""


@cache
def time_zone(name: str) -> ZoneInfo:
    """The zone as the package tzdata has it: a machine's own database may be older or newer."""
    with (resources.files("tzdata") / "zoneinfo" / name).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def read_times(values: Sequence[str | float | None], zone: str) -> tuple[list[float], dict[int, str]]:
    """UTC seconds since 1970 of ISO 8601 texts or numbers of seconds, NaN for None; and faults by index.

    A text without an offset is local time of `zone`; of the two that a clock put back makes of one, the first
    (fold 0).
    """
    seconds: list[float] = []
    faults: dict[int, str] = {}
    hours = None if zone == "UTC" else _local_hours(zone)
    for value in values:
        ahead = 0.0
        if isinstance(value, str):
            try:
                if value.isdigit() and len(value) != 8:  # milliseconds in quotes would pass for date and time
                    raise ValueError("digits only")
                moment = datetime.fromisoformat(value)
            except ValueError as fault:
                faults[len(seconds)] = str(fault)
                seconds.append(math.nan)
                continue
            if moment.tzinfo is None:
                second = (moment - _EPOCH).total_seconds()
                if hours is not None:
                    ahead = hours.at(second)
            else:
                second = (moment - _AWARE_EPOCH).total_seconds()
        elif value is None:
            seconds.append(math.nan)
            continue
        else:
            second = value
        if not EARLIEST <= second < LATEST:
            faults[len(seconds)] = "beyond the range of dates"
        seconds.append(second - ahead)
    return seconds, faults


def to_seconds(value: str | float, zone: str) -> float:
    """What `read_times` makes of one text or number; raises ValueError where that is a fault."""
    (second,), faults = read_times([value], zone)
    if faults:
        raise ValueError(faults[0])
    return second


def to_local(seconds: Sequence[float], zone: str) -> list[float]:
    """Local seconds since 1970 of `zone` from UTC seconds; NaN stays NaN."""
    ahead = _utc_hours(zone).at
    return [second + ahead(second) if second == second else second for second in seconds]


class _HourOffsets(dict[int, float]):
    """Hour since 1970 → offset from UTC [s] all through that hour; NaN where it changes within."""

    def __init__(self, offset_at: Callable[[datetime], float]) -> None:
        self._offset_at = offset_at

    def at(self, second: float) -> float:
        """Offset from UTC [s] at a second since 1970; 0 beyond the range of dates."""
        offset = self[int(second // 3600.0)]
        return offset if offset == offset else self._offset_at(_EPOCH + timedelta(seconds=second))

    def __missing__(self, hour: int) -> float:
        if not EARLIEST <= 3600.0 * hour < LATEST:
            return 0.0
        if len(self) >= _CACHED_HOURS:
            self.clear()
        start = _EPOCH + hour * _HOUR
        first, last = self._offset_at(start), self._offset_at(start + _HOUR - _INSTANT)
        self[hour] = offset = first if first == last else math.nan
        return offset


@cache
def _local_hours(zone: str) -> _HourOffsets:
    tz = time_zone(zone)
    return _HourOffsets(lambda moment: _offset(moment.replace(tzinfo=tz)))


@cache
def _utc_hours(zone: str) -> _HourOffsets:
    tz = time_zone(zone)
    return _HourOffsets(lambda moment: _offset(moment.replace(tzinfo=UTC).astimezone(tz)))


def _offset(moment: datetime) -> float:
    offset = moment.utcoffset()
    assert offset is not None
    return offset.total_seconds()
