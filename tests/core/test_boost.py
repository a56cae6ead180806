"""The reaction to drift: what fires it, how long it lasts, and that cuts do not show."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.core import boost
from streamrnn.core.boost import Boost

EVENTS = 20_000


def fed(one: Boost, errors, cuts=()) -> list[int]:
    """Feeds the errors of labelled events as a network does; how many had come when it fired."""
    fired, total, begin = [], 0.0, 0
    ends = sorted({*cuts, len(errors)})
    while begin < len(errors):
        end = min(begin + one.due_in, next(cut for cut in ends if cut > begin))
        drifts, total = one.drifts, total + float(np.cumsum(errors[begin:end])[-1])
        if one.learned(end - begin, total):
            total = 0.0
        fired += [end] * (one.drifts - drifts)
        begin = end
    return fired


def errors(seed: int, kind: str = "normal"):
    """Absolute errors of a stationary stream."""
    random = np.random.default_rng(seed)
    if kind == "clicks":  # of a rare class: a few large losses among small ones
        return np.where(random.random(EVENTS) < 0.05, 3.0, 0.05) * random.random(EVENTS)
    return np.abs(
        {"normal": random.standard_normal, "heavy": lambda n: random.standard_t(3, n)}[kind](EVENTS)
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("at", [1500, 10_020])
def test_a_jump_of_the_error_is_detected_once_and_within_five_stretches(seed, at):
    one, jumping = Boost(), errors(seed)
    jumping[at:] *= 3
    (fired,) = fed(one, jumping)
    assert at < fired <= at + 5 * one.every
    assert one.drifts == 1


@pytest.mark.parametrize("kind", ["normal", "heavy", "clicks"])
def test_no_stationary_stream_of_twenty_fires(kind):
    assert [fed(Boost(), errors(seed, kind)) for seed in range(20)] == [[]] * 20


def falling(seed: int):
    """The error of a network that learns, from ten times its last level."""
    return errors(seed) * (1 + 9 * np.exp(-np.arange(EVENTS) / 3000))


def test_an_error_that_falls_is_no_drift():
    assert [fed(Boost(), falling(seed)) for seed in range(20)] == [[]] * 20


@pytest.mark.parametrize("at", [6000, 9000, 15_000])
def test_a_jump_while_the_error_falls_is_detected_within_ten_stretches(at):
    for seed in range(5):
        jumping = falling(seed)
        jumping[at:] *= 5
        fired = fed(Boost(), jumping)
        assert len(fired) == 1
        assert at < fired[0] <= at + 10 * 50


def test_one_bad_stretch_is_no_drift():
    bad = errors(0)
    bad[5000:5050] = 1e9
    assert fed(Boost(), bad) == []


def test_every_drift_counts():
    steps = errors(0) * np.repeat([1.0, 4.0, 16.0, 64.0], EVENTS // 4)
    one = Boost()
    assert len(fed(one, steps)) == one.drifts == 3


@pytest.mark.parametrize(("usual", "risen"), [(0.0, 0.5), (1.0, 1.1)])
def test_an_error_that_never_varied_may_rise(usual, risen):
    constant = np.full(5000, usual)
    assert fed(Boost(), constant) == []
    constant[2000:] = risen
    assert len(fed(Boost(), constant)) == 1


def test_an_error_that_never_varied_may_stir():
    constant = np.repeat([1.0, 1.004], [2000, 3000])
    assert fed(Boost(), constant) == []


def test_a_stretch_that_is_not_finite_is_passed_over():
    one = Boost(every=1)
    fed(one, np.ones(30))
    before = one.state()
    one.learned(1, np.inf)
    one.learned(1, np.nan)
    assert np.array_equal(one.state()["moments"], before["moments"])


def fire(one: Boost) -> Boost:
    assert len(fed(one, np.repeat([1.0, 2.0], [boost.BASELINE * one.every, 3 * one.every]))) == 1
    return one


def test_the_rate_jumps_by_the_factor_and_comes_back_linearly():
    one = Boost(every=10, factor=3.0, lasts=20)
    assert (one.factors(10) == 1.0).all()
    fire(one)
    assert one.factors(10) == pytest.approx(3.0 - 0.1 * np.arange(11), rel=1e-15)
    one.learned(10, 0.0)
    assert one.factors(10) == pytest.approx(2.0 - 0.1 * np.arange(11), rel=1e-15)
    one.learned(10, 0.0)
    assert (one.factors(10) == 1.0).all()


def test_while_the_rate_is_raised_nothing_is_judged_and_then_the_level_is_learned_anew():
    one = fire(Boost(every=10, lasts=100))
    assert fed(one, np.full(90, 50.0)) == []
    assert fed(one, np.full(2000, 7.0)) == []
    assert one.state()["moments"][0] == 7.0


@given(st.lists(st.integers(1, 3999), max_size=30))
@settings(max_examples=30, deadline=None)
def test_cuts_anywhere_change_no_bit(cuts):
    jumping = errors(3)[:4000] * np.repeat([1, 5], 2000)
    jumping = np.rint(1024 * jumping) / 1024  # their sums are exact, in any order
    whole, cut = Boost(), Boost()
    assert fed(whole, jumping) == fed(cut, jumping, cuts)
    for name, array in whole.state().items():
        assert np.array_equal(cut.state()[name], array)


def test_goes_on_from_its_saved_state():
    moving = errors(4)[:9000] * np.repeat([5, 1, 5], 3000)
    whole, restored = Boost(), Boost()
    seen = []
    for begin in range(0, len(moving), 25):
        part = float(moving[begin - begin % 50 : begin + 25].sum())
        whole.learned(25, part)
        other = Boost()
        other.load(restored.state())
        other.learned(25, part)
        restored = other
        assert (restored.due_in, restored.drifts) == (whole.due_in, whole.drifts)
        assert np.array_equal(restored.factors(25), whole.factors(25))
        seen.append(whole.state()["moments"])
        assert np.array_equal(restored.state()["moments"], seen[-1])
    assert whole.drifts == 1
    assert (np.max(seen, axis=0) > 0).all(), "each moment was put to use"
