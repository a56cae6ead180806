"""The learning rate over labelled events."""

import numpy as np
import pytest

from streamrnn.core.schedule import Schedule


def test_rises_linearly_then_stays():
    rates = Schedule(rate=0.1, warmup=4).rates(0, 6)
    assert rates == pytest.approx([0, 0.025, 0.05, 0.075, 0.1, 0.1, 0.1], rel=1e-15)


def test_falls_with_the_inverse_square_root_down_to_its_floor():
    schedule = Schedule(rate=1.0, warmup=0, decay=100, floor=0.25)
    assert schedule.rates(100, 0) == pytest.approx([1.0])
    assert schedule.rates(400, 0) == pytest.approx([0.5])
    assert schedule.rates(1600, 0) == pytest.approx([0.25])
    assert schedule.rates(10**9, 0) == pytest.approx([0.25])


@pytest.mark.parametrize(
    "schedule", [Schedule(), Schedule(warmup=0), Schedule(warmup=7, decay=20), Schedule(decay=3, floor=0.0)]
)
def test_the_rate_of_an_event_does_not_depend_on_the_block_it_comes_in(schedule):
    whole = schedule.rates(0, 500)
    for done, coming in [(0, 1), (5, 0), (6, 3), (99, 2), (100, 400), (499, 1)]:
        assert np.array_equal(schedule.rates(done, coming), whole[done : done + coming + 1])
