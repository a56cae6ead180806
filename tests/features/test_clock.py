"""Times and offsets against zoneinfo, wherever clocks are changed."""

import math
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.features import Calendar
from streamrnn.features.calendar import PERIODS, VALUED, CalendarEncoder
from streamrnn.features.clock import read_times, time_zone, to_local, to_seconds

ZONES = [
    "UTC",
    "Australia/Melbourne",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Monrovia",
    "Asia/Kathmandu",
]
zones = st.sampled_from(ZONES)
moments = st.datetimes(datetime(1850, 1, 1), datetime(2100, 1, 1))
near_a_change = st.builds(
    lambda start, minutes: start + timedelta(minutes=minutes),
    st.sampled_from(
        [datetime(2024, 4, 7, 2), datetime(2024, 10, 6, 2), datetime(1972, 1, 7), datetime(1986, 1, 1)]
    ),
    st.integers(-90, 90),
)


@settings(max_examples=300, deadline=None)
@given(moment=moments | near_a_change, zone=zones)
def test_a_time_without_offset_is_local_and_the_first_of_two(moment, zone):
    expected = moment.replace(tzinfo=ZoneInfo(zone), fold=0).timestamp()
    assert to_seconds(moment.isoformat(), zone) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=300, deadline=None)
@given(moment=moments | near_a_change, zone=zones)
def test_local_time_is_that_of_zoneinfo(moment, zone):
    seconds = (moment - datetime(1970, 1, 1)).total_seconds()
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert to_local([seconds], zone) == pytest.approx(
        [(local - datetime(1970, 1, 1)).total_seconds()], abs=1e-6
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86400.0),
        ("19700102", 86400.0),
        ("1970-01-01T00:00:00.25", 0.25),
        ("1970-01-01 01:00:00+01:00", 0.0),
        ("1969-12-31T23:59:59Z", -1.0),
        (-1.5, -1.5),
        (7, 7.0),
    ],
)
def test_iso_8601_and_seconds_are_read(text, seconds):
    assert to_seconds(text, "UTC") == seconds


@pytest.mark.parametrize(
    "value", ["", "1e9", "1700000000", "0001-01-01T00:00", "9999-12-31", math.nan, 1e300]
)
def test_what_is_no_time_is_a_fault(value):
    seconds, faults = read_times([0.0, value, None], "Asia/Kathmandu")
    assert list(faults) == [1]
    assert seconds[0] == 0.0
    assert math.isnan(seconds[2])


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns"])
def test_calendar_parts_are_those_of_datetime_over_all_dates(zone):
    days = np.arange(-719_160, 2_932_894, 97) * 86_400.0  # years 1 to 9999
    seconds = days + np.arange(days.size) * 937.0 % 86_400.0
    encoder = CalendarEncoder(Calendar("t", tuple(PERIODS), zone))
    x = np.zeros((days.size, 1 + len(encoder.names)))
    encoder.encode(seconds, x, 1)
    local = [
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=s)).astimezone(ZoneInfo(zone)) for s in seconds
    ]
    parts = np.array(
        [(t.minute, t.hour, t.weekday(), t.day - 1, t.month - 1, t.timetuple().tm_yday - 1) for t in local]
    )
    angles = 2 * np.pi * parts / np.array(list(PERIODS.values()))
    column = {name: index + 1 for index, name in enumerate(encoder.names)}
    for part, angle in zip(PERIODS, angles.T, strict=True):
        np.testing.assert_allclose(x[:, column[f"t.{part}.sin"]], np.sin(angle), atol=1e-12)
        np.testing.assert_allclose(x[:, column[f"t.{part}.cos"]], np.cos(angle), atol=1e-12)
    for part, values in zip(PERIODS, parts.T, strict=True):
        if part in VALUED:
            indicators = x[:, [column[f"t.{part}.{value}"] for value in range(PERIODS[part])]]
            np.testing.assert_array_equal(indicators, np.eye(PERIODS[part])[values])
    assert not x[:, 0].any()


def test_a_missing_time_is_zero_on_both_waves_and_no_value():
    x = np.zeros((2, 14))
    CalendarEncoder(Calendar("t", ("month",), "Asia/Kathmandu")).encode(np.array([math.nan, 0.0]), x, 0)
    assert x.tolist() == [[0.0] * 14, [0.0, 1.0, 1.0, *[0.0] * 11]]


def test_zones_are_those_of_the_package_whatever_the_machine_has(tmp_path):
    wrong = tmp_path / "Australia" / "Melbourne"
    wrong.parent.mkdir()
    wrong.write_bytes((resources.files("tzdata") / "zoneinfo" / "UTC").read_bytes())
    time_zone.cache_clear()
    zoneinfo.reset_tzpath([tmp_path])
    try:
        assert (
            datetime(2015, 1, 1, tzinfo=ZoneInfo.no_cache("Australia/Melbourne")).utcoffset() == timedelta()
        )
        summer = datetime(2015, 1, 1, tzinfo=time_zone("Australia/Melbourne"))
        assert summer.utcoffset() == timedelta(hours=11)
    finally:
        zoneinfo.reset_tzpath()
