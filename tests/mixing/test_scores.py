import numpy as np
import pytest
from river import metrics

from streamrnn.mixing.scores import RECENT, THRESHOLDS, BinaryScores, NumberScores


def blocks_of(n, size=37):
    return [slice(a, a + size) for a in range(0, n, size)]


def numbers(seed, n=500):
    rng = np.random.default_rng(seed)
    label = 1e3 + 50 * rng.normal(size=n)
    judged = label[:, None] + rng.normal(size=(n, 3)) * [1.0, 10.0, 80.0]
    judged[rng.random(n) < 0.2] = np.nan
    return label, judged, np.abs(label[:, None] - judged)


def classes(seed, n=500):
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.4).astype(float)
    judged = np.clip(rng.random((n, 3)) * [0.4, 0.7, 1.0] + label[:, None] * [0.6, 0.3, 0.0], 0, 1)
    grid = rng.integers(0, THRESHOLDS, n) / (THRESHOLDS - 1)  # exactly on a threshold
    judged[::5, 2] = grid[::5]
    judged[::7, 1] = 0.0
    judged[1::7, 1] = 1.0
    judged[rng.random(n) < 0.2] = np.nan
    clipped = np.clip(judged, 1e-15, 1 - 1e-15)
    return label, judged, -np.log(np.where(label[:, None] == 1, clipped, 1 - clipped))


def learned(scores, label, judged, losses):
    for block in blocks_of(len(label)):
        scores.learn(label[block], judged[block], losses[block])
    return scores


def river_numbers(label, judged):
    mae, rmse, r2 = metrics.MAE(), metrics.RMSE(), metrics.R2()
    for y, p in zip(label.tolist(), judged.tolist(), strict=True):
        if not np.isnan(p):
            for metric in (mae, rmse, r2):
                metric.update(y, p)
    return {"mae": mae.get(), "rmse": rmse.get(), "r2": r2.get()}


def river_classes(label, judged):
    accuracy, loss, area = metrics.Accuracy(), metrics.LogLoss(), metrics.ROCAUC(n_thresholds=THRESHOLDS)
    for y, p in zip(label.astype(bool).tolist(), judged.tolist(), strict=True):
        if not np.isnan(p):
            accuracy.update(y, p > 0.5)
            loss.update(y, p)
            area.update(y, p)
    return {"accuracy": accuracy.get(), "log_loss": loss.get(), "roc_auc": area.get()}


FAMILIES = [
    pytest.param(NumberScores, numbers, river_numbers, id="numbers"),
    pytest.param(BinaryScores, classes, river_classes, id="classes"),
]


@pytest.mark.parametrize(("family", "data", "oracle"), FAMILIES)
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_river_to_1e_9(family, data, oracle, seed):
    label, judged, losses = data(seed)
    quality = learned(family(3), label, judged, losses).quality()
    for j in range(3):
        for name, value in oracle(label, judged[:, j]).items():
            assert quality[j][name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
        assert quality[j]["count"] == (~np.isnan(judged[:, 0])).sum()


@pytest.mark.parametrize(("family", "data", "oracle"), FAMILIES)
def test_quality_between_two_states_equals_river_over_that_stretch_alone(family, data, oracle):
    label, judged, losses = data(4)
    scores = learned(family(3), label[:200], judged[:200], losses[:200])
    earlier = scores.state()
    quality = learned(scores, label[200:], judged[200:], losses[200:]).quality(earlier)
    for j in range(3):
        for name, value in oracle(label[200:], judged[200:, j]).items():
            assert quality[j][name] == pytest.approx(value, rel=1e-9), name
        assert quality[j]["count"] == (~np.isnan(judged[200:, 0])).sum()


@pytest.mark.parametrize(("family", "data", "oracle"), FAMILIES)
def test_recent_is_the_weighted_mean_that_halves_every_1000(family, data, oracle):
    label, judged, losses = data(5)
    quality = learned(family(3), label, judged, losses).quality()
    seen = losses[~np.isnan(losses[:, 0])]
    expected = np.average(seen, axis=0, weights=RECENT ** np.arange(len(seen))[::-1])
    assert pytest.approx(0.5, rel=1e-12) == RECENT**1000
    np.testing.assert_allclose([column["recent"] for column in quality], expected, rtol=1e-12)


@pytest.mark.parametrize(("family", "data", "oracle"), FAMILIES)
def test_nothing_judged_is_zero_everywhere(family, data, oracle):
    scores = family(2)
    assert all(value == 0 for column in scores.quality() for value in column.values())
    assert all(value == 0 for column in scores.quality(scores.state()) for value in column.values())


def test_r2_of_one_event_or_of_constant_labels_is_zero_as_rivers():
    for label in ([3.0], [3.0, 3.0]):
        judged = np.full((len(label), 1), 2.0)
        scores = NumberScores(1)
        scores.learn(np.array(label), judged, np.abs(np.array(label)[:, None] - judged))
        assert scores.quality()[0]["r2"] == river_numbers(np.array(label), judged[:, 0])["r2"] == 0.0


def test_base_rate_is_the_share_of_ones_among_judged_events():
    label, judged, losses = classes(6)
    quality = learned(BinaryScores(3), label, judged, losses).quality()
    assert quality[0]["base_rate"] == pytest.approx(label[~np.isnan(judged[:, 0])].mean(), rel=1e-12)


def test_area_converges_to_the_share_of_pairs_in_the_right_order():
    label, judged, losses = classes(7, n=2000)
    quality = learned(BinaryScores(3), label, judged, losses).quality()
    for j in range(3):
        p = judged[:, j]
        ones, zeros = p[(label == 1) & ~np.isnan(p)], p[(label == 0) & ~np.isnan(p)]
        pairs = np.mean(np.sign(ones[:, None] - zeros[None, :]) / 2 + 0.5)
        assert quality[j]["roc_auc"] == pytest.approx(pairs, abs=0.005)
