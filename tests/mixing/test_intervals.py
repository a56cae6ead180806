from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.errors import SnapshotError
from streamrnn.mixing import intervals
from streamrnn.mixing.intervals import Intervals
from tests.mixing.streams import one_key, random_stream, steps_of

TASKS = {"inline": {}, "forecast": {"horizon": 3}, "by-id": {"late": True}}
every_task = pytest.mark.parametrize("task", TASKS)


def made(level=0.9, slots=4, rows=16):
    part = Intervals(level)
    part.reserve(slots, rows)
    return part


def arguments(task, seed=0, **more):
    """Steps, label, published."""
    stream = random_stream(seed, networks=1, broken=False, **TASKS[task], **more)
    label = np.where(np.arange(len(stream.label)) % 11 == 5, np.nan, stream.label)
    return stream.steps, label, stream.answers[:, 0] + 0.5


def cut(given, start, stop=None):
    steps, label, published = given
    return type(steps)(*(column[start:stop] for column in steps)), label[start:stop], published[start:stop]


def bits(arrays):
    return [(a.dtype, a.shape, np.ascontiguousarray(a).tobytes()) for a in arrays]


# --- values -----------------------------------------------------------------------------------------


class Naive:
    """The intervals once more: whole histories in lists, one event at a time."""

    def __init__(self, level):
        self.alpha = 1 - level
        self.everyone, self.keys, self.waiting = [], {}, {}

    def start(self):
        errors, reaches = [e for e, _ in self.everyone], [q for _, q in self.everyone]
        first = np.log(-np.log(self.alpha))
        return {
            "errors": [],
            "first": self.mean(errors, 0.0, intervals.USUAL),
            "q": self.mean(reaches, first, intervals.USUAL),
        }

    def mean(self, values, first, gain):
        mean = first
        for t, value in enumerate(values, 1):
            mean += max(1 / t, gain) * (value - mean)
        return mean

    def interval(self, key, p):
        if not self.everyone:
            return np.nan, np.nan
        slow, lively = (
            self.mean(key["errors"], key["first"], gain) for gain in (intervals.SLOW, intervals.LIVELY)
        )
        half = np.exp(key["q"]) * (0.7 * slow + 0.3 * lively)
        return p - half, p + half

    def judge(self, key, y, p, low, high):
        key["errors"].append(abs(y - p))
        covers = np.nan if np.isnan(low) else float(low <= y <= high)
        if not np.isnan(covers):
            rate = max(0.5 / np.sqrt(len(key["errors"])), 0.025)
            key["q"] = np.clip(key["q"] + rate * (1 - covers - self.alpha), np.log(0.05), np.log(1e6))
        self.everyone.append((key["errors"][-1], key["q"]))
        return covers

    def answer(self, steps, label, published):
        rows = []
        for (slot, fresh, moves, back, keep, judge), y, p in zip(
            zip(*steps, strict=True), label, published, strict=True
        ):
            if fresh:
                self.keys[slot] = self.start()
            key, covered = self.keys[slot], np.nan
            low = high = np.nan
            if judge >= 0 and not np.isnan(y):
                covered = self.judge(key, y, *self.waiting[judge])
            if moves:
                low, high = self.interval(key, p)
                self.waiting[keep] = (p, low, high)
            if back == 0 and not np.isnan(y):
                covered = self.judge(key, y, p, low, high)
            rows.append((low, high, covered))
        return np.array(rows).T


@every_task
def test_equal_to_their_plain_twin_to_1e_9(task):
    given = arguments(task, slots=3, events=150)
    for ours, twins in zip(made().answer(*given), Naive(0.9).answer(*given), strict=True):
        np.testing.assert_allclose(ours, twins, rtol=1e-9, atol=1e-12)


@every_task
def test_a_label_judges_the_interval_of_its_own_step(task):
    steps, label, _ = given = arguments(task)
    low, high, covered = made().answer(*given)
    made_at, waiting = {}, {}
    for i, (slot, _, moves, back, keep, judge) in enumerate(zip(*steps, strict=True)):
        at = waiting.get(judge)
        if moves:
            made_at[slot] = waiting[keep] = i
        else:
            assert np.isnan([low[i], high[i]]).all()
        at = made_at[slot] if back == 0 else at
        judges = (back == 0 or judge >= 0) and not np.isnan(label[i]) and not np.isnan(low[at])
        assert covered[i] == (low[at] <= label[i] <= high[at]) if judges else np.isnan(covered[i])


def test_there_is_no_interval_before_the_first_error_and_always_one_after_it():
    low, high, covered = made().answer(one_key([np.nan, 1.0, 1.0]), [np.nan, 1.0, 1.0], [0.0, 0.0, 0.0])
    assert np.isnan(low[:2]).all()
    assert np.isnan(covered[:2]).all()
    assert high[2] == -low[2] == pytest.approx(-np.log(0.1))
    assert covered[2] == 1.0


def test_a_fresh_key_starts_from_the_usual_width_of_the_stream():
    rng = np.random.default_rng(0)
    label = rng.normal(size=2000)
    part = made()
    low, high, _ = part.answer(steps_of(np.arange(2000) % 3, np.arange(2000) < 3, label), label, 0 * label)
    new_low, new_high, _ = part.answer(steps_of([3], [True], [np.nan]), [np.nan], [5.0])
    assert new_high[0] - new_low[0] == pytest.approx(np.mean((high - low)[-500:]), rel=0.1)
    assert new_high[0] + new_low[0] == pytest.approx(10.0)


def test_exact_predictions_have_an_interval_of_no_width_that_covers():
    low, high, covered = made().answer(one_key(np.ones(50)), np.ones(50), np.ones(50))
    assert (low[1:] == 1).all()
    assert (high[1:] == 1).all()
    assert (covered[1:] == 1).all()


def test_errors_that_come_after_many_exact_predictions_are_covered_again_soon():
    label = np.concatenate([np.zeros(20_000), np.random.default_rng(0).normal(size=1000)])
    _, _, covered = made().answer(one_key(label), label, 0 * label)
    assert covered[-1000:].mean() > 0.7
    assert covered[-500:].mean() == pytest.approx(0.9, abs=0.02)


def test_ends_are_numbers_even_where_labels_are_as_large_as_numbers_go():
    label = np.where(np.arange(100) % 2, 1e308, -1e308)
    part = made()
    low, high, _ = part.answer(one_key(label), label, np.full(100, 1e100))
    assert np.isfinite([low[1:], high[1:]]).all()
    assert all(np.isfinite(array).all() for name, array in part.state().items() if "stream" not in name)


# --- coverage ---------------------------------------------------------------------------------------


def an_adversary(part, moves):
    """Coverage and the q of each event when each label is set knowing the interval: far out, just out, just
    in, or exactly right."""
    q, covered = [], []
    for i, move in enumerate(moves):
        q.append(part.state()["reach"][0])
        trial = made(rows=0)
        trial.load(part.state())
        one = one_key([0.0])._replace(fresh=np.array([i == 0]))
        _, high, _ = trial.answer(one, [0.0], [0.0])
        edge = high[0] if np.isfinite(high[0]) else 1.0
        label = {"far": 50 * edge + 1, "out": 1.001 * edge, "in": -0.999 * edge, "right": 0.0}[move]
        covered.append(part.answer(one, [label], [0.0])[2][0])
    return np.array(covered[1:]), np.array([*q[1:], part.state()["reach"][0]])


@given(st.lists(st.sampled_from(["far", "out", "in", "right"]), min_size=5, max_size=150))
@settings(deadline=None, max_examples=40)
def test_coverage_keeps_its_bound_against_whoever_sets_the_labels(moves):
    """Equation (2); q stays off its own bounds in so few events, so it is exact up to rounding."""
    part = made(slots=1, rows=0)
    covered, q = an_adversary(part, moves)
    rate = max(intervals.START / np.sqrt(len(moves)), intervals.RATE)
    assert abs(np.mean(1 - covered) - 0.1) <= (q.max() - q.min()) / (rate * len(covered)) + 1e-12


def test_a_label_always_on_the_wrong_side_of_a_bounded_interval_cannot_spoil_coverage():
    """Labels in [−1, 1], each the farthest from the prediction while that is outside, else the nearest."""
    part, covered = made(slots=1, rows=0), []
    for i in range(1500):
        trial = made(rows=0)
        trial.load(part.state())
        one = one_key([0.0])._replace(fresh=np.array([i == 0]))
        _, high, _ = trial.answer(one, [0.0], [0.0])
        covered.append(part.answer(one, [1.0 if high[0] < 1 else 0.0], [0.0])[2][0])
    assert np.nanmean(covered) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(("level", "within"), [(0.5, 0.04), (0.9, 0.02), (0.98, 0.02)])
@pytest.mark.parametrize("horizon", [0, 24])
def test_each_tenth_of_a_stream_that_changes_is_covered_as_asked(level, within, horizon):
    """Noise that grows fifty-fold, jumps down, and gets a heavy tail; the predictor is off by a slow wave."""
    rng = np.random.default_rng(1)
    n = 20_000
    scale = np.exp(4 * np.sin(np.arange(n) / 4000)) * np.where(np.arange(n) > 12_000, 0.02, 1.0)
    noise = np.where(np.arange(n) > 8000, rng.standard_t(2, n), rng.normal(size=n))
    label = scale * (noise + np.sin(np.arange(n) / 700))
    part = made(level, rows=horizon)
    _, _, covered = part.answer(one_key(label, horizon), label, np.zeros(n))
    for tenth in np.array_split(covered, 10):
        assert np.nanmean(tenth) == pytest.approx(level, abs=within)


def test_each_key_has_a_width_of_its_own():
    rng = np.random.default_rng(2)
    slots, scale = np.arange(30_000) % 3, np.array([1e-3, 1.0, 1e3])
    label = rng.normal(size=30_000) * scale[slots]
    low, high, covered = made().answer(steps_of(slots, np.arange(30_000) < 3, label), label, 0 * label)
    for key in range(3):
        of_key = slots == key
        assert covered[of_key][1:].mean() == pytest.approx(0.9, abs=0.01)
        width = (high - low)[of_key][5000:].mean()
        assert width == pytest.approx(2 * 1.645 * scale[key], rel=0.1)  # the normal's own 90 %


def test_intervals_widen_at_once_where_errors_grow():
    rng = np.random.default_rng(3)
    label = rng.normal(size=2000) * np.where(np.arange(2000) < 1000, 1.0, 5.0)
    low, high, _ = made().answer(one_key(label), label, np.zeros(2000))
    assert (high - low)[1010:1020].mean() > 1.5 * (high - low)[900:1000].mean()


# --- quality ----------------------------------------------------------------------------------------


@every_task
def test_quality_is_that_of_the_judged_intervals(task):
    _, label, _ = given = arguments(task)
    part = made()
    before = part.state()
    low, high, covered = part.answer(*given)
    quality = part.quality()
    assert quality == part.quality(before)
    assert quality["count"] == np.sum(~np.isnan(covered))
    assert quality["coverage"] == pytest.approx(np.nanmean(covered), rel=1e-12)
    fades = intervals.RECENT ** np.arange(quality["count"])[::-1]
    assert quality["recent"] == pytest.approx(np.average(covered[~np.isnan(covered)], weights=fades))
    if task == "inline":
        judged = ~np.isnan(covered)
        assert quality["width"] == pytest.approx(np.mean((high - low)[judged]), rel=1e-12)
        outside = np.maximum(np.maximum(low - label, label - high), 0)[judged]
        score = np.mean((high - low)[judged] + 20 * outside)
        assert quality["interval_score"] == pytest.approx(score, rel=1e-9)


def test_quality_since_an_earlier_state_is_that_of_what_came_after():
    given = arguments("inline")
    part = made()
    part.answer(*cut(given, 0, 250))
    earlier = part.state()
    low, high, covered = part.answer(*cut(given, 250))
    quality = part.quality(earlier)
    assert quality["count"] == np.sum(~np.isnan(covered))
    assert quality["coverage"] == pytest.approx(np.nanmean(covered), rel=1e-12)
    assert quality["width"] == pytest.approx(np.mean((high - low)[~np.isnan(covered)]), rel=1e-9)


def test_quality_of_nothing_is_zero():
    assert set(made().quality().values()) == {0}


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0])
def test_a_level_that_is_no_share_is_refused(level):
    with pytest.raises(ValueError, match="share between 0 and 1"):
        Intervals(level)


# --- state ------------------------------------------------------------------------------------------


@every_task
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_any_cut_into_blocks_gives_the_same_bits(task, data):
    given = arguments(task, seed=data.draw(st.integers(0, 5)), events=120)
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, 120), max_size=12))), 120]
    whole, parts = made(), made()
    blocks = [parts.answer(*cut(given, a, b)) for a, b in pairwise(cuts)]
    assert bits(whole.answer(*given)) == bits(map(np.concatenate, zip(*blocks, strict=True)))
    assert bits(whole.state().values()) == bits(parts.state().values())


@every_task
def test_restored_they_go_on_bit_for_bit(task):
    given = arguments(task)
    lived, restored = made(), Intervals(0.9)
    lived.answer(*cut(given, 0, 200))
    restored.load(lived.state())
    assert bits(lived.answer(*cut(given, 200))) == bits(restored.answer(*cut(given, 200)))
    assert bits(lived.state().values()) == bits(restored.state().values())


def test_a_reused_slot_remembers_nothing_of_the_key_before():
    given = arguments("inline", slots=1)
    part = made(slots=1, rows=0)
    part.answer(*cut(given, 0, 250))
    state = part.state()
    part.answer(one_key([np.nan]), [np.nan], [0.0])
    assert part.state()["errors"][0] == 0 < state["errors"][0]
    assert part.state()["reach"][0] == state["stream/reach"][0] != state["reach"][0]


def test_a_state_that_does_not_fit_is_refused_by_the_arrays_name():
    part = made()
    part.answer(*arguments("forecast"))
    state = part.state()
    for array in state:
        with pytest.raises(SnapshotError, match=array):
            made().load({name: kept for name, kept in state.items() if name != array})
        with pytest.raises(SnapshotError, match=array):
            made().load(state | {array: state[array].astype(np.float32)})
    with pytest.raises(SnapshotError, match="waiting/intervals"):
        made().load(state | {"waiting/intervals": np.float64(1)})


def test_a_state_is_a_copy_and_warming_up_touches_none():
    part = made()
    part.answer(*arguments("inline"))
    state = part.state()
    before = bits(state.values())
    part.warm_up()
    assert bits(part.state().values()) == before
    part.answer(*arguments("inline", seed=1))
    assert bits(state.values()) == before


def test_bytes_per_key_and_per_row_are_what_the_arrays_of_one_more_take():
    def size(slots, rows):
        return sum(array.nbytes for array in made(slots=slots, rows=rows).state().values())

    assert size(2, 3) - size(1, 3) == Intervals(0.9).bytes_per_key == 32
    assert size(1, 4) - size(1, 3) == Intervals(0.9).bytes_per_row == 16
