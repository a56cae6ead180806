from itertools import pairwise

import numpy as np
import pytest
from river import stats

from streamrnn.mixing.baselines import ClassBaselines, NumberBaselines, TokenBaselines
from streamrnn.mixing.baselines.tokens import LIMIT, SETS, WAYS
from tests.mixing.streams import Stream, steps_of

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


def test_tokens_are_as_frequent_as_they_were_after_the_same_two():
    said = predictions(TokenBaselines(3), [0, 1, 0, 1, 2, 0, 1], width=3)
    # 0 came 3 times of 7, 1 too, 2 once: (c − 1/2 + 3/2 · 1/3) / 7
    assert said["order0"][-1] == pytest.approx([3 / 7, 3 / 7, 1 / 7], rel=1e-12)
    # after 1: 0 and 2, once each, (c − 1/2 + 2/2 p) / 2; after 0, 1 the same two again
    order1 = (np.array([0.5, 0, 0.5]) + np.array(said["order0"][-1])) / 2
    order2 = (np.array([0.5, 0, 0.5]) + order1) / 2
    assert said["order2"][-1] == pytest.approx(order2, rel=1e-12)


def test_a_new_key_has_no_context_but_everyones_counts():
    label, slots = [0, 1, 0, 1, 0], [0, 0, 0, 0, 1]
    fresh = [True, False, False, False, True]
    said = predictions(TokenBaselines(2), label, slots, fresh, width=2)
    # its first token is 0, after which always 1 came
    assert said["order2"][-1][1] == pytest.approx((1.5 + 0.5 * said["order0"][-1][1]) / 2, rel=1e-12)


def after(label, vocabulary, fresh=None):
    """The rules of tokens after a long text, and their last answers (500, 2, V)."""
    baselines = TokenBaselines(vocabulary)
    baselines.reserve(1, 0)
    fresh = np.arange(len(label)) == 0 if fresh is None else fresh
    stream = Stream(steps_of(np.zeros(len(label)), fresh, label), label.astype(float), label[:, None])
    answers = np.empty((500, 2, vocabulary))
    for start in range(0, len(label), 500):
        part = stream.cut(start, start + 500)
        baselines.predict(part.steps, part.label, answers, 0)
    return baselines, answers


def assert_counts_are_sound(stream):
    np.testing.assert_array_equal(stream.total, stream.counts.sum(axis=1, dtype=np.int64))
    np.testing.assert_array_equal(stream.distinct, (stream.counts > 0).sum(axis=1))


def test_more_contexts_than_rows_stay_bounded_and_the_frequent_ones_stay():
    label = np.random.default_rng(0).integers(0, 256, (5000, 8))
    label[1000:, :4] = [65, 66, 67, 68]
    baselines, answers = after(label.ravel(), 256)
    assert_counts_are_sound(baselines.stream)
    assert len(baselines.stream.holder) == WAYS * SETS
    assert (baselines.stream.holder > 0).mean() > 0.9
    np.testing.assert_allclose(answers.sum(axis=2), 1, rtol=1e-9)
    after_two = label.ravel()[-500:] == 66
    assert answers[after_two, 1, 67].mean() > 0.9  # 65, 66 is always followed by 67


def test_a_row_that_changes_hands_brings_no_counts_along():
    rng = np.random.default_rng(2)
    successor = rng.integers(0, 128, (128, 128))  # only one token ever comes after two others
    walks = np.empty((5000, 6), int)
    walks[:, :2] = rng.integers(0, 128, (5000, 2))
    for i in range(2, 6):
        walks[:, i] = successor[walks[:, i - 2], walks[:, i - 1]]
    baselines, _ = after(walks.ravel(), 128, fresh=np.arange(walks.size) % 6 == 0)
    counts, holder = baselines.stream.counts[129:], baselines.stream.holder
    assert (holder > 0).mean() > 0.95
    before, last = np.divmod(np.maximum(holder - 1, 0), 128)
    assert (counts.argmax(axis=1) == successor[before, last])[counts.any(axis=1)].all()
    assert baselines.stream.distinct[129:].max() == 1


def test_every_context_of_a_small_vocabulary_has_a_row_of_its_own():
    label = np.random.default_rng(1).integers(0, 63, 40_000)
    stream = after(label, 63)[0].stream
    assert (stream.holder > 0).sum() == len(set(pairwise(label[:-1].tolist())))
    assert stream.total[64:].sum() == len(label) - 2  # nothing was ever halved


def test_counts_are_halved_before_they_overflow():
    baselines = TokenBaselines(2)
    said = predictions(baselines, np.zeros(LIMIT + 10), width=2)
    assert_counts_are_sound(baselines.stream)
    assert baselines.stream.total[0] == LIMIT // 2 + 10
    assert min(p[0] for p in said["order0"][1:]) >= 0.75
