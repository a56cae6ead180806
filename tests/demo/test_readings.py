"""What the board says about quality equals what plain sums over the predictions give."""

import math
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from streamrnn.cli.demo.readings import RECENT_WEEKS, Readings, skill
from streamrnn.learner.outputs import Digest, Judgement, Position, Prediction
from streamrnn.types import Output

START = datetime(2015, 1, 1, tzinfo=UTC)  # a Thursday, on which weeks since 1970 begin


def record(sensor: str, hour: int, losses: dict[str, float] | None, offset: int = 0) -> bytes:
    judged = Judgement(1.0, 2.0, losses) if losses else None
    time = START + timedelta(hours=hour)
    return msgspec.json.encode(
        Prediction("life", offset + 1, Position("t", 0, offset), 5.0, sensor, time, judged=judged)
    )


def test_errors_are_means_over_the_sensors_of_each_sensors_mean() -> None:
    readings = Readings()
    # a: (1 + 3) / 2 = 2; b: 10 once: the busier sensor does not outweigh the other
    for offset, (sensor, error) in enumerate([("a", 1.0), ("b", 10.0), ("a", 3.0)]):
        losses = {"mix": error, "last": 2 * error}
        readings.add(0, sensor.encode(), record(sensor, offset, losses, offset))
    assert readings.whole() == pytest.approx({"mix": 6.0, "last": 12.0})
    assert readings.recent() == readings.whole()


def test_recent_forgets_what_is_older_than_its_weeks_and_curves_tell_how_it_developed() -> None:
    readings = Readings()
    hours = 24 * 7 * (RECENT_WEEKS + 5)
    errors = [1.0 + hour // (24 * 7) for hour in range(hours)]  # the week's number, from 1
    for hour, error in enumerate(errors):
        readings.add(0, b"a", record("a", hour, {"mix": error}, hour))
    recent = sum(errors[-24 * 7 * RECENT_WEEKS :]) / (24 * 7 * RECENT_WEEKS)
    assert readings.recent()["mix"] == pytest.approx(recent, abs=1e-9)
    curve = readings.curves()["mix"]
    assert len(curve) == RECENT_WEEKS + 5
    assert curve[0] == pytest.approx(1.0)
    assert curve[1] == pytest.approx(1.5)
    assert curve[-1] == pytest.approx(recent, abs=1e-9)


def test_a_week_of_which_too_little_is_known_has_no_point() -> None:
    readings = Readings()
    for hour in range(160, 400):  # 8 hours of the first week, the whole second, part of the third
        readings.add(0, b"a", record("a", hour, {"mix": 1.0}, hour))
    first, second, third = readings.curves()["mix"]
    assert math.isnan(first) and second == third == 1.0


def test_nothing_read_is_no_error() -> None:
    readings = Readings()
    assert (readings.count, readings.recent(), readings.whole(), readings.curves()) == (0, {}, {}, {})
    readings.add(0, b"a", record("a", 0, None))
    assert (readings.count, readings.recent(), readings.curves()) == (1, {}, {})


def test_the_digest_is_the_learners_own_and_positions_are_kept_by_partition() -> None:
    readings, digest = Readings(), Digest()
    for offset in range(7, 10):
        value = record("a", offset, {"mix": 1.0}, offset)
        readings.add(1, b"a", value)
        digest.add([Output("prediction", b"a", value, [])])
    assert readings.digest(1) == str(digest) != readings.digest(0)
    life = readings.lives[1]
    assert (life.lineage, life.start, life.next, life.events) == ("life", 7, 10, 3)


def test_skill_is_measured_against_the_best_baseline() -> None:
    skills = skill({"mix": 50.0, "net": 120.0, "last": 200.0, "season": 100.0}, ("mix", "net"))
    assert skills == pytest.approx({"mix": 0.5, "net": -0.2, "last": -1.0, "season": 0.0})
    assert skill({"mix": 1.0}, ("mix",)) == {}
