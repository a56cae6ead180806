import csv
from importlib.resources import files

import numpy as np
import pytest

from streamrnn.mixing import Mixture


def one_key(kind, label, predictions, **more):
    n = len(label)
    mix = Mixture(kind=kind, networks=[f"net{j}" for j in range(predictions.shape[1])], **more)
    scored = mix.score(np.zeros(n), np.arange(n) == 0, np.zeros(n), label, predictions)
    return mix, scored


def test_weights_are_a_distribution_and_every_member_keeps_a_floor():
    rng = np.random.default_rng(0)
    label = rng.normal(size=1000)
    _, scored = one_key("number", label, label[:, None] + np.array([0.0, 1e9]))
    np.testing.assert_allclose(scored.weights.sum(axis=1), 1, rtol=1e-12)
    assert scored.weights.min() >= 0.1 * 0.01 / 4


def test_published_is_the_weighted_mean_of_the_members():
    rng = np.random.default_rng(1)
    _, scored = one_key("number", rng.normal(size=100), rng.normal(size=(100, 3)))
    np.testing.assert_allclose(scored.published, (scored.weights * scored.members).sum(axis=1), rtol=1e-12)


def test_never_much_worse_than_the_best_member():
    rng = np.random.default_rng(2)
    label = np.cumsum(rng.normal(size=3000))
    mix, _ = one_key("number", label, label[:, None] + rng.normal(size=(3000, 2)) * [0.5, 20.0])
    quality = mix.quality()
    assert quality["mix"]["mae"] < 1.15 * quality["net0"]["mae"]
    assert quality["net0"]["mae"] < 0.6 * quality["last"]["mae"]


@pytest.mark.parametrize("kind", ["number", "binary"])
def test_follows_when_another_member_becomes_the_best(kind):
    rng = np.random.default_rng(3)
    n = 2000
    good_first = np.arange(n) < n // 2
    if kind == "number":
        label = 10 * rng.normal(size=n)
        good, bad = label + rng.normal(size=n), label + 10 * rng.normal(size=n)
    else:
        label = (rng.random(n) < 0.5).astype(float)
        good, bad = np.where(label == 1, 0.9, 0.1), rng.random(n)
    predictions = np.stack([np.where(good_first, good, bad), np.where(good_first, bad, good)], axis=1)
    _, scored = one_key(kind, label, predictions)
    first, second = n // 2, n // 2 + 50  # 50 events are enough to change sides
    assert scored.weights[first - 50 : first, 0].mean() > 0.75
    assert scored.weights[second : second + 50, 1].mean() > 0.6
    assert scored.weights[-50:, 1].mean() > 0.75


def test_two_members_that_err_apart_mix_to_less_error_than_either():
    rng = np.random.default_rng(4)
    label = 100 * rng.normal(size=5000)
    mix, _ = one_key("number", label, label[:, None] + rng.normal(size=(5000, 2)))
    quality = mix.quality()
    assert quality["mix"]["mae"] < 0.9 * min(quality["net0"]["mae"], quality["net1"]["mae"])


def test_units_do_not_matter():
    rng = np.random.default_rng(5)
    label, predictions = rng.normal(size=300), rng.normal(size=(300, 2))
    _, small = one_key("number", label, predictions)
    _, large = one_key("number", 1024.0 * label, 1024.0 * predictions)
    np.testing.assert_array_equal(small.weights, large.weights)


def test_one_wild_outlier_does_not_overturn_the_weights():
    rng = np.random.default_rng(6)
    label = 10 * rng.normal(size=1000)
    predictions = label[:, None] + rng.normal(size=(1000, 2)) * [1.0, 3.0]
    predictions[500, 0] += 1e6
    _, scored = one_key("number", label, predictions)
    assert scored.weights[540, 0] > 0.5


def pedestrians():
    """Hourly counts of four sensors in Melbourne, merged by time: slots and labels."""
    text = (files("tsdata") / "fpp3" / "pedestrian.csv").read_text(encoding="utf-8")
    rows = sorted(csv.DictReader(text.splitlines()), key=lambda row: row["Date_Time"])
    sensors = list(dict.fromkeys(row["Sensor"] for row in rows))
    return (
        np.array([sensors.index(row["Sensor"]) for row in rows], np.int32),
        np.array([float(row["Count"]) for row in rows]),
    )


def test_on_a_real_stream_the_naive_rules_alone_mix_to_less_error_than_the_best_of_them():
    slots, label = pedestrians()
    fresh = np.zeros(len(slots), bool)
    fresh[np.unique(slots, return_index=True)[1]] = True
    mix = Mixture(kind="number", networks=[], horizon=1, season=168)
    mix.score(slots, fresh, np.where(fresh, -1, 1), label, np.empty((len(slots), 0)))
    quality = mix.quality()
    assert quality["mix"]["count"] == 66_037 - 4
    assert quality["season"]["mae"] == pytest.approx(169, abs=1)
    assert quality["season_corrected"]["mae"] == pytest.approx(124, abs=1)
    assert quality["mix"]["skill"] > 0.1
