"""Times as UTC seconds since 1970, and the offsets of time zones, cached by the hour."""

import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1)
_AWARE_EPOCH = _EPOCH.replace(tzinfo=UTC)
_HOUR = 3600
_LAST_INSTANT = timedelta(hours=1) - timedelta(microseconds=1)

EARLIEST = (datetime(1, 1, 3) - _EPOCH).total_seconds()
LATEST = (datetime(9999, 12, 30) - _EPOCH).total_seconds()
"""Times outside [EARLIEST, LATEST) [s] are refused: every zone's local time must exist."""


def to_seconds(value: str | float, zone: str) -> float:
    """UTC seconds since 1970 of an ISO 8601 text or a number of seconds.

    A text without an offset is local time of `zone`; where a clock is put back it is the first of the two
    (fold 0). Raises ValueError if it is neither, or beyond the range of dates.
    """
    seconds = _parse(value, zone) if isinstance(value, str) else float(value)
    if not EARLIEST <= seconds < LATEST:  # refuses NaN as well
        raise ValueError("beyond the range of dates")
    return seconds


def _parse(text: str, zone: str) -> float:
    if text.isdigit() and len(text) != 8:  # seconds in quotes would pass for a date such as 17121231T2345
        raise ValueError("not a time")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        return (moment - _AWARE_EPOCH).total_seconds()
    seconds = (moment - _EPOCH).total_seconds()
    if zone == "UTC" or not EARLIEST <= seconds < LATEST:
        return seconds
    return seconds - local_offset(seconds, zone)


def local_offset(seconds: float, zone: str) -> float:
    """What local time is ahead of UTC [s], given local seconds since 1970."""
    offset = _local_hour_offset(int(seconds // _HOUR), zone)
    if math.isnan(offset):  # the clock is changed within this hour
        return _ahead((_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=_zone(zone)))
    return offset


def utc_offset(seconds: float, zone: str) -> float:
    """What local time is ahead of UTC [s], given UTC seconds since 1970."""
    offset = _utc_hour_offset(int(seconds // _HOUR), zone)
    if math.isnan(offset):
        return _ahead((_AWARE_EPOCH + timedelta(seconds=seconds)).astimezone(_zone(zone)))
    return offset


@lru_cache(maxsize=1 << 14)
def _local_hour_offset(hour: int, zone: str) -> float:
    start = (_EPOCH + timedelta(hours=hour)).replace(tzinfo=_zone(zone))
    return _common(_ahead(start), _ahead(start + _LAST_INSTANT))


@lru_cache(maxsize=1 << 14)
def _utc_hour_offset(hour: int, zone: str) -> float:
    start = _AWARE_EPOCH + timedelta(hours=hour)
    ends = start.astimezone(_zone(zone)), (start + _LAST_INSTANT).astimezone(_zone(zone))
    return _common(*map(_ahead, ends))


def _common(at_start: float, at_end: float) -> float:
    return at_start if at_start == at_end else math.nan


def _ahead(moment: datetime) -> float:
    offset = moment.utcoffset()
    assert offset is not None
    return offset.total_seconds()


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
