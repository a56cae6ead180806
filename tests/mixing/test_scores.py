import numpy as np
import pytest
from river import metrics

from streamrnn.arrays import Steps
from streamrnn.mixing.scores import ClassScores, NumberScores, TokenScores
from streamrnn.mixing.scores.classes import RECENT, THRESHOLDS
from tests.mixing.streams import one_key, steps_of


def blocks_of(n, size=37):
    return [slice(a, a + size) for a in range(0, n, size)]


def numbers(seed, n=500):
    rng = np.random.default_rng(seed)
    label = 1e3 + 50 * rng.normal(size=n)
    judged = label[:, None, None] + rng.normal(size=(n, 3, 1)) * [[1.0], [10.0], [80.0]]
    label[rng.random(n) < 0.2] = np.nan
    return label, judged, np.abs(label[:, None] - judged[:, :, 0])


def probabilities(seed, classes, n=500):
    rng = np.random.default_rng(seed)
    label = np.minimum(rng.geometric(0.4, n) - 1, classes - 1).astype(float)
    judged = rng.dirichlet(np.ones(classes), (n, 3))
    better = label[:, None] == np.arange(classes)
    judged[:, 0] = 0.7 * judged[:, 0] + 0.3 * better
    judged[::7, 1] = np.eye(classes)[0]
    judged[1::7, 1] = np.eye(classes)[-1]
    label[rng.random(n) < 0.2] = np.nan
    return label, judged, log_losses(label, judged)


def log_losses(label, judged):
    likelihood = judged[np.arange(len(label)), :, np.nan_to_num(label).astype(int)]
    return np.where(np.isnan(label)[:, None], np.nan, -np.log(np.clip(likelihood, 1e-15, 1 - 1e-15)))


def two(seed, n=500):
    label, judged, _ = probabilities(seed, 2, n)
    grid = np.random.default_rng(seed).integers(0, THRESHOLDS, n) / (THRESHOLDS - 1)  # exactly on a threshold
    judged[::5, 2] = np.stack([1 - grid, grid], axis=1)[::5]
    return label, judged, log_losses(label, judged)


def many(seed, n=500):
    return probabilities(seed, 6, n)


def crowded(seed, n=500):
    return probabilities(seed, 70, n)


def learned(scores, label, judged, losses):
    steps = one_key(label)
    scores.reserve(1, 0)
    for block in blocks_of(len(label)):
        part = Steps(*(column[block] for column in steps))
        scores.learn(part, label[block], judged[block], losses[block])
    return scores


def river_numbers(label, judged):
    mae, rmse, r2 = metrics.MAE(), metrics.RMSE(), metrics.R2()
    for y, p in zip(label.tolist(), judged[:, 0].tolist(), strict=True):
        if not np.isnan(y):
            for metric in (mae, rmse, r2):
                metric.update(y, p)
    return {"mae": mae.get(), "rmse": rmse.get(), "r2": r2.get()}


def river_classes(label, judged):
    said = {
        "accuracy": metrics.Accuracy(),
        "macro_f1": metrics.MacroF1(),
        "balanced_accuracy": metrics.BalancedAccuracy(),
        "kappa": metrics.CohenKappa(),
    }
    likely = {"log_loss": metrics.CrossEntropy()}
    area = metrics.ROCAUC(n_thresholds=THRESHOLDS)
    for y, p in zip(label.tolist(), judged.tolist(), strict=True):
        if not np.isnan(y):
            for metric in said.values():
                metric.update(int(y), int(np.argmax(p)))
            likely["log_loss"].update(int(y), dict(enumerate(p)))
            area.update(y == 1, p[1])
    values = {name: metric.get() for name, metric in {**said, **likely}.items()}
    return values | ({"roc_auc": area.get()} if judged.shape[1] == 2 else {})


def river_tokens(label, judged):
    values = river_classes(label, judged)
    return {"accuracy": values["accuracy"], "bits_per_character": values["log_loss"] / np.log(2)}


FAMILIES = [
    pytest.param(NumberScores, numbers, river_numbers, id="numbers"),
    pytest.param(lambda columns: ClassScores(columns, 2), two, river_classes, id="two-classes"),
    pytest.param(lambda columns: ClassScores(columns, 6), many, river_classes, id="classes"),
    pytest.param(lambda columns: ClassScores(columns, 70), crowded, river_classes, id="many-classes"),
    pytest.param(TokenScores, many, river_tokens, id="tokens"),
]


@pytest.mark.parametrize(("family", "data", "oracle"), FAMILIES)
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_river_to_1e_9(family, data, oracle, seed):
    label, judged, losses = data(seed)
    quality = learned(family(3), label, judged, losses).quality()
    for j in range(3):
        for name, value in oracle(label, judged[:, j]).items():
            assert quality[j][name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
        assert quality[j]["count"] == (~np.isnan(label)).sum()


@pytest.mark.parametrize(("family", "data", "oracle"), FAMILIES)
def test_quality_between_two_states_equals_river_over_that_stretch_alone(family, data, oracle):
    label, judged, losses = data(4)
    scores = learned(family(3), label[:200], judged[:200], losses[:200])
    earlier = scores.state()
    quality = learned(scores, label[200:], judged[200:], losses[200:]).quality(earlier)
    for j in range(3):
        for name, value in oracle(label[200:], judged[200:, j]).items():
            assert quality[j][name] == pytest.approx(value, rel=1e-9), name
        assert quality[j]["count"] == (~np.isnan(label[200:])).sum()


@pytest.mark.parametrize(("family", "data", "oracle"), FAMILIES)
def test_recent_is_the_weighted_mean_that_halves_every_1000(family, data, oracle):
    label, judged, losses = data(5)
    quality = learned(family(3), label, judged, losses).quality()
    seen = losses[~np.isnan(losses[:, 0])]
    expected = np.average(seen, axis=0, weights=RECENT ** np.arange(len(seen))[::-1])
    assert pytest.approx(0.5, rel=1e-12) == RECENT**1000
    unit = np.log(2) if "bits_per_character" in quality[0] else 1.0
    np.testing.assert_allclose([column["recent"] * unit for column in quality], expected, rtol=1e-12)


@pytest.mark.parametrize(("family", "data", "oracle"), FAMILIES)
def test_nothing_judged_is_zero_everywhere(family, data, oracle):
    scores = family(2)
    assert all(value == 0 for column in scores.quality() for value in column.values())
    assert all(value == 0 for column in scores.quality(scores.state()) for value in column.values())


def test_r2_of_one_event_or_of_constant_labels_is_zero_as_rivers():
    for label in (np.array([3.0]), np.array([3.0, 3.0])):
        judged = np.full((len(label), 1, 1), 2.0)
        scores = learned(NumberScores(1), label, judged, np.abs(label[:, None] - judged[:, :, 0]))
        assert scores.quality()[0]["r2"] == river_numbers(label, judged[:, 0])["r2"] == 0.0


def test_base_rate_is_the_share_of_ones_among_judged_events():
    label, judged, losses = two(6)
    quality = learned(ClassScores(3, 2), label, judged, losses).quality()
    assert quality[0]["base_rate"] == pytest.approx(np.nanmean(label), rel=1e-12)


def test_area_converges_to_the_share_of_pairs_in_the_right_order():
    label, judged, losses = two(7, n=2000)
    quality = learned(ClassScores(3, 2), label, judged, losses).quality()
    for j in range(3):
        p = judged[:, j, 1]
        pairs = np.mean(np.sign(p[label == 1][:, None] - p[label == 0][None, :]) / 2 + 0.5)
        assert quality[j]["roc_auc"] == pytest.approx(pairs, abs=0.005)


def persistent(label, slots):
    """Accuracy of saying each key's last known label again."""
    last, right, count = {}, 0, 0
    for y, slot in zip(label.tolist(), slots.tolist(), strict=True):
        if not np.isnan(y):
            right += last.get(slot) == y
            count += 1
            last[slot] = y
    return right / count


def test_kappa_temporal_compares_with_the_last_known_label_of_the_key():
    label, judged, losses = many(8)
    slots = np.random.default_rng(8).integers(0, 3, len(label)).astype(np.int32)
    fresh = np.zeros(len(label), bool)
    fresh[np.unique(slots, return_index=True)[1]] = True
    scores = ClassScores(3, 6)
    scores.reserve(3, 0)
    scores.learn(steps_of(slots, fresh, label), label, judged, losses)
    naive = persistent(label, slots)
    for column in scores.quality():
        assert column["kappa_temporal"] == pytest.approx((column["accuracy"] - naive) / (1 - naive), rel=1e-9)


def test_kappa_temporal_of_a_late_label_compares_with_what_was_known_at_its_step():
    # steps wait in rows 0 and 1 while 4 is the last known label; then their labels 4 and 5 come
    n, none = 5, np.int32(-1)
    steps = Steps(
        slots=np.zeros(n, np.int32),
        fresh=np.arange(n) == 0,
        moves=np.array([True, True, True, False, False]),
        back=np.array([0, -1, -1, -1, -1], np.int32),
        keep=np.array([-1, 0, 1, -1, -1], np.int32),
        judge=np.array([none, none, none, 1, 0]),
    )
    label = np.array([4.0, np.nan, np.nan, 5.0, 4.0])
    scores = ClassScores(1, 6)
    scores.reserve(1, 2)
    judged = np.full((n, 1, 6), 1 / 6)
    scores.learn(steps, label, judged, np.where(np.isnan(label), np.nan, np.log(6))[:, None])
    assert scores.stream.repeats[0] == 1  # the 4 alone, although a 5 became known before it
    assert scores.keys.arrays.last[0] == 4
