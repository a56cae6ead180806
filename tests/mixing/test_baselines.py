import numpy as np
import pytest
from river import stats

from streamrnn.mixing.baselines import ClassBaselines, NumberBaselines
from tests.mixing.streams import steps_of

nan = float("nan")


def predictions(baselines, label, slots=None, fresh=None, width=1):
    """What each rule says at each event."""
    n = len(label)
    slots = np.zeros(n, np.int32) if slots is None else slots
    fresh = np.arange(n) == 0 if fresh is None else fresh
    steps = steps_of(slots, fresh, label)
    answers = np.full((n, 1 + len(baselines.names), width), -1.0)
    baselines.reserve(int(steps.slots.max()) + 1, 0)
    baselines.predict(steps, np.array(label, float), answers, 1)
    assert (answers[:, 0] == -1).all()  # columns that belong to networks are left alone
    said = answers[:, 1:, 0] if width == 1 else answers[:, 1:]
    return dict(zip(baselines.names, said.swapaxes(0, 1).tolist(), strict=True))


def test_inline_labels_are_learned_after_the_prediction():
    said = predictions(NumberBaselines(0, 2), [1, 2, 4, 8, 16])
    assert said["last"] == [0, 1, 2, 4, 8]
    assert said["mean"] == [0, 1, 1.5, 7 / 3, 3.75]
    # season 2: at step 2 the value of step 0, at 3 that of step 1, at 4 that of step 2; before, `last`
    assert said["season"] == [0, 1, 1, 2, 4]
    # step 3: label 2 stood 4 − 1 = 3 off its season, but nothing is known yet of how long that lasts;
    # step 4: 3 was followed by 8 − 2 = 6, so all of it lasts (6 / 3, at most 1): 4 + 6
    assert said["season_corrected"] == [0, 1, 1, 2, 10]


def test_a_forecasts_label_is_learned_before_the_prediction():
    said = predictions(NumberBaselines(1, 2), [1, 2, 4, 8, 16])
    assert said["last"] == [1, 2, 4, 8, 16]
    assert said["mean"] == [1, 1.5, 7 / 3, 3.75, 6.2]
    # the target of step t is t + 1, one season before it is t − 1
    assert said["season"] == [1, 1, 2, 4, 8]
    assert said["season_corrected"] == [1, 1, 2, 10, 20]


def test_half_of_the_deviation_lasts_if_half_of_it_always_did():
    # season 1 is flat 0; deviations from it 8, 4, 2, 1: each half the one before
    label = [0, 0, 0, 0, 8, 4, 2, 1]
    said = predictions(NumberBaselines(1, 4), label)
    assert said["season"][4:] == [0, 0, 0, 8]  # steps 1, 2, 3 and 4
    # 4: a deviation of 8, no regression yet; 5: 4 · (8·4 / 8²); 6: 2 · (40 / 80); 7: 8 + 1 · (42 / 84)
    assert said["season_corrected"][4:] == [0, 2, 1, 8.5]


def test_an_unknown_label_teaches_nothing_and_counts_as_the_one_before_it():
    said = predictions(NumberBaselines(1, 2), [nan, 3, nan, 5, nan])
    assert said["last"] == [0, 3, 3, 5, 5]
    assert said["mean"] == [0, 3, 3, 4, 4]
    assert said["season"] == [0, 3, 3, 3, 5]
    said = predictions(ClassBaselines(2), [1, nan, 1], width=2)
    assert said["majority"][1] == said["majority"][2]


def test_mean_equals_rivers_to_1e_9():
    label = 1e6 + np.random.default_rng(0).normal(size=300)
    said = predictions(NumberBaselines(0, None), label)["mean"]
    mean = stats.Mean()
    for i, y in enumerate(label):
        assert said[i] == pytest.approx(mean.get(), rel=1e-9)
        mean.update(y)


def test_a_key_without_a_label_is_told_the_streams_mean():
    said = predictions(NumberBaselines(0, 2), [2, 4, nan], slots=[0, 0, 1], fresh=[True, False, True])
    assert [values[2] for values in said.values()] == [3, 3, 3, 3]


def test_keys_do_not_mix():
    label = np.random.default_rng(1).normal(size=40)
    slots = np.arange(40) % 2
    both = predictions(NumberBaselines(1, 3), label, slots, np.arange(40) < 2)
    alone = predictions(NumberBaselines(1, 3), label[::2])
    for name, values in alone.items():
        assert both[name][::2] == values


def test_frequencies_lean_on_the_streams_which_start_even():
    said = predictions(ClassBaselines(4), [2, 2, 0], width=4)["majority"]
    # rates of the stream, (count + 1/4) / (n + 1); the key's, (count + 2 rate) / (n + 2)
    assert said[0] == pytest.approx([1 / 4] * 4, rel=1e-12)
    rates = np.array([1 / 4, 1 / 4, 5 / 4, 1 / 4]) / 2
    assert said[1] == pytest.approx((np.array([0, 0, 1, 0]) + 2 * rates) / 3, rel=1e-12)
    rates = np.array([1 / 4, 1 / 4, 9 / 4, 1 / 4]) / 3
    assert said[2] == pytest.approx((np.array([0, 0, 2, 0]) + 2 * rates) / 4, rel=1e-12)


def test_last_label_is_said_as_often_as_labels_repeat_and_else_by_frequency():
    said = predictions(ClassBaselines(3), [1, 1, 1, 0, 0], width=3)
    # stream and key count the same pairs; rate = (r + 1/2) / (p + 1), then (r + 2 rate) / (p + 2)
    for step, (repeats, pairs), last in ((1, (0, 0), 1), (2, (1, 1), 1), (3, (2, 2), 1), (4, (2, 3), 0)):
        repeat = (repeats + 2 * (repeats + 0.5) / (pairs + 1)) / (pairs + 2)
        others = [c for c in range(3) if c != last]
        frequent = np.array(said["majority"][step])
        assert said["last_label"][step][last] == pytest.approx(repeat, rel=1e-12)
        expected = (1 - repeat) * frequent[others] / frequent[others].sum()
        assert np.array(said["last_label"][step])[others] == pytest.approx(expected, rel=1e-12)
    assert said["last_label"][0] == said["majority"][0]


def test_a_fresh_key_leans_on_the_streams_frequencies():
    label = [1] * 98 + [nan]
    slots = [0] * 98 + [1]
    fresh = [i in (0, 98) for i in range(99)]
    said = predictions(ClassBaselines(2), label, slots, fresh, width=2)
    assert said["majority"][98][1] == pytest.approx(98.5 / 99, rel=1e-12)
    assert said["last_label"][98] == said["majority"][98]
