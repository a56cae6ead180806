import csv
from importlib.resources import files

import numpy as np
import pytest

from streamrnn.mixing import Mixture
from tests.mixing.streams import one_key, steps_of


def of_one_key(label, answers, **kind):
    mix = Mixture(**kind, networks=[f"net{j}" for j in range(answers.shape[1])])
    mix.reserve(1, 0)
    return mix, mix.score(one_key(label), label, answers)


def numbers(label, answers):
    return of_one_key(label, answers, kind="number")


def test_weights_are_a_distribution_and_every_member_keeps_a_floor():
    rng = np.random.default_rng(0)
    label = rng.normal(size=1000)
    _, scored = numbers(label, label[:, None] + np.array([0.0, 1e9]))
    np.testing.assert_allclose(scored.weights.sum(axis=1), 1, rtol=1e-12)
    assert scored.weights.min() >= 0.1 * 0.01 / 4


def test_published_probabilities_are_the_weighted_mean_of_the_members():
    rng = np.random.default_rng(1)
    label, answers = rng.integers(0, 3, 100), rng.dirichlet(np.ones(3), (100, 3))
    _, scored = of_one_key(label, answers, kind="classes", classes=3)
    mean = (scored.weights[:, :, None] * scored.members).sum(axis=1)
    np.testing.assert_allclose(scored.published, mean, rtol=1e-12)


def test_never_much_worse_than_the_best_member():
    rng = np.random.default_rng(2)
    label = np.cumsum(rng.normal(size=3000))
    mix, _ = numbers(label, label[:, None] + rng.normal(size=(3000, 2)) * [0.5, 20.0])
    quality = mix.quality()
    assert quality["mix"]["mae"] < 1.15 * quality["net0"]["mae"]
    assert quality["net0"]["mae"] < 0.6 * quality["last"]["mae"]


@pytest.mark.parametrize("classes", [0, 2, 7])
def test_follows_when_another_member_becomes_the_best(classes):
    rng = np.random.default_rng(3)
    n = 2000
    if classes:
        label = rng.integers(0, classes, n).astype(float)
        good = np.where(label[:, None] == np.arange(classes), 0.9, 0.1 / (classes - 1))
        bad = rng.dirichlet(np.ones(classes), n)
        kind = {"kind": "classes", "classes": classes}
    else:
        label = 10 * rng.normal(size=n)
        good, bad = label + rng.normal(size=n), label + 10 * rng.normal(size=n)
        kind = {"kind": "number"}
    half = n // 2
    first, second = np.concatenate([good[:half], bad[half:]]), np.concatenate([bad[:half], good[half:]])
    _, scored = of_one_key(label, np.stack([first, second], axis=1), **kind)
    assert scored.weights[half - 50 : half, 0].mean() > 0.75
    assert scored.weights[half + 50 : half + 100, 1].mean() > 0.6  # 50 events are enough to change sides
    assert scored.weights[-50:, 1].mean() > 0.75


def test_two_members_that_err_apart_mix_to_less_error_than_either():
    rng = np.random.default_rng(4)
    label = 100 * rng.normal(size=5000)
    mix, _ = numbers(label, label[:, None] + rng.normal(size=(5000, 2)))
    quality = mix.quality()
    assert quality["mix"]["mae"] < 0.9 * min(quality["net0"]["mae"], quality["net1"]["mae"])


def test_units_do_not_matter():
    rng = np.random.default_rng(5)
    label, predictions = rng.normal(size=300), rng.normal(size=(300, 2))
    _, small = numbers(label, predictions)
    _, large = numbers(1024.0 * label, 1024.0 * predictions)
    np.testing.assert_array_equal(small.weights, large.weights)


def test_one_wild_outlier_does_not_overturn_the_weights():
    rng = np.random.default_rng(6)
    label = 10 * rng.normal(size=1000)
    predictions = label[:, None] + rng.normal(size=(1000, 2)) * [1.0, 3.0]
    predictions[500, 0] += 1e6
    _, scored = numbers(label, predictions)
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
    mix.reserve(4, 4)
    mix.score(steps_of(slots, fresh, label, 1), label, np.empty((len(slots), 0)))
    quality = mix.quality()
    assert quality["mix"]["count"] == 66_037 - 4
    assert quality["season"]["mae"] == pytest.approx(169, abs=1)
    assert quality["season_corrected"]["mae"] == pytest.approx(124, abs=1)
    assert quality["mix"]["skill"] > 0.1


def test_a_mean_error_that_has_all_but_faded_leaves_weights_that_are_numbers():
    label = np.concatenate([np.random.default_rng(0).normal(size=50), np.zeros(25_000)])
    noise = np.where(np.arange(len(label)) < 50, 1.0, 0.0)
    mix, scored = of_one_key(label, (label + noise)[:, np.newaxis], kind="number", baselines=False)
    assert 0.0 < mix.state()["mix/spread"][0] < 1e-308
    assert np.isfinite(scored.weights).all()
    assert np.isfinite(scored.published).all()
