"""What the estimators learn, and that it is what the service's learner learns."""

import json
import math

import numpy as np
import pytest
from river import compose, linear_model, metrics, preprocessing

from streamrnn.config.models import Config
from streamrnn.learner import Learner
from streamrnn.river import RNNClassifier, RNNForecaster, RNNRegressor
from streamrnn.types import Partition, Record
from tests.river.streams import LAG, SMALL, events, remembered


def labelled(n):
    """Features without gaps, and labels of which every fourth is missing, the first one too."""
    made = [{"a": x["a"], "b": x["a"] ** 2, "kind": x["kind"]} for x in events(n)]
    return [(x, None if i % 4 == 0 else 3.0 * x["a"] + 2.0 * (x["kind"] == "y")) for i, x in enumerate(made)]


def begin_alike(ours, its, index):
    """Weights, and the states after a step that learned nothing."""
    mine, weights = ours.parameters(), its.parameters()
    for name in weights.keys() - {"weight_ih_l0"}:
        weights[name][...] = mine[name]
    weights["weight_ih_l0"][...] = 0.0
    weights["weight_ih_l0"][:, [index(name) for name in ("a", "b", "kind.0")]] = mine["weight_ih_l0"]
    its._memory.entries[...] = ours._memory.entries


def test_predictions_are_those_of_the_services_learner():
    rate = {"rate": 0.005, "warmup": 100}
    network = {"name": "a", "hidden": 6, "window": 3, "learning_rate": rate, "dtype": "float64"}
    network |= {"clip": 10.0, "optimiser": {"adam": {"beta_1": 0.0}}}
    config = {
        "task": {"regression": "y"},
        "features": [{"number": "a"}, {"number": "b"}, {"category": "kind", "bound": 3, "buckets": 1}],
        "networks": [network],
        "mix": False,
    }
    learner = Learner(Config.model_validate(config), "lineage")
    model = RNNRegressor(dtype="float64", **SMALL)
    [(first, _), *others] = labelled(400)
    model.learn_one(first, None)
    learner.learn([Record(0, None, json.dumps({**first, "y": None}).encode())], Partition("t", 0))
    names = learner.passes.features.input_names
    begin_alike(model._stream.network, learner.networks[0], names.index)
    for i, (x, y) in enumerate(others, 1):
        [output] = learner.learn([Record(i, None, json.dumps({**x, "y": y}).encode())], Partition("t", 0))
        published = json.loads(output.value)["prediction"]
        assert model.predict_one(x) == pytest.approx(published, rel=1e-9, abs=1e-9)
        model.learn_one(x, y)


@pytest.mark.parametrize("seed", range(4))
def test_what_depends_on_the_past_is_learned_and_a_linear_model_cannot(seed):
    model, linear = RNNRegressor(seed=seed), preprocessing.StandardScaler() | linear_model.LinearRegression()
    error, its = metrics.MAE(), metrics.MAE()
    for i, (x, y) in enumerate(remembered(2500, seed)):
        if i >= 1500:
            error.update(y, model.predict_one(x))
            its.update(y, linear.predict_one(x))
        model.learn_one(x, y)
        linear.learn_one(x, y)
    assert error.get() < 0.3 * its.get()


@pytest.mark.parametrize("seed", range(4))
def test_classes_that_depend_on_the_past_are_learned_and_a_linear_model_cannot(seed):
    model = RNNClassifier(seed=seed)
    linear = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    score, its = metrics.Accuracy(), metrics.Accuracy()
    for i, (x, number) in enumerate(remembered(2500, seed)):
        y = number > 0.5
        if i >= 1500:
            score.update(y, model.predict_one(x))
            its.update(y, linear.predict_one(x))
        model.learn_one(x, y)
        linear.learn_one(x, y)
    assert score.get() > 0.9 > 0.6 > its.get()


def test_without_a_window_that_reaches_back_so_far_it_is_learned_less():
    """The memory is learned, not there by luck."""
    errors = {}
    for window in (1, LAG + 1):
        model, error = RNNRegressor(seed=0, window=window), metrics.MAE()
        for i, (x, y) in enumerate(remembered(2500, 0)):
            if i >= 1500:
                error.update(y, model.predict_one(x))
            model.learn_one(x, y)
        errors[window] = error.get()
    assert errors[LAG + 1] < 0.5 * errors[1]


def test_a_step_without_a_label_moves_the_state_and_no_weight():
    model = RNNRegressor(**SMALL)
    for x, y in labelled(60):
        model.learn_one(x, y)
    x = {"a": 1.0, "b": 2.0, "kind": "x"}
    weights = {name: array.copy() for name, array in model._stream.network.parameters().items()}
    before = model.predict_one(x)
    for nothing in (None, math.nan):
        model.learn_one(x, nothing)
    assert model.predict_one(x) != before
    for name, array in model._stream.network.parameters().items():
        assert np.array_equal(array, weights[name]), name


@pytest.mark.parametrize("y", [math.inf, -1e31])
def test_a_label_that_no_square_can_hold_is_refused_and_changes_nothing(y):
    model = RNNRegressor(**SMALL)
    model.learn_one({"a": 1.0}, 2.0)
    before = model.predict_one({"a": 1.0})
    with pytest.raises(ValueError, match="y: expected a number from -1e\\+30 to 1e\\+30"):
        model.learn_one({"a": 1.0}, y)
    assert model.predict_one({"a": 1.0}) == before


def test_counts_are_predicted_in_their_unit_and_cannot_be_negative():
    model = RNNRegressor(loss="poisson", seed=0)
    for i in range(1500):
        model.learn_one({"busy": i % 2}, 40 if i % 2 else 4)
    assert model.predict_one({"busy": 0}) == pytest.approx(4, rel=0.15)
    with pytest.raises(ValueError, match="y: expected a number from 0 to"):
        model.learn_one({"busy": 1}, -1)


def test_classes_are_discovered_up_to_a_bound():
    model = RNNClassifier(max_classes=3, **SMALL)
    assert model.predict_proba_one({"a": 1.0}) == {}
    assert model.predict_one({"a": 1.0}) is None
    for y in ("u", True, 3, "beyond", None):
        model.learn_one({"a": 1.0}, y)
    told = model.predict_proba_one({"a": 1.0})
    assert list(told) == ["u", True, 3]
    assert sum(told.values()) == pytest.approx(1.0, abs=1e-12)


def test_a_class_that_comes_later_leaves_the_odds_of_the_others_as_they_were():
    model = RNNClassifier(**SMALL)
    for x in events(200):
        model.learn_one(x, x["kind"])
    x = events(1, seed=5)[0]
    before = model.predict_proba_one(x)
    model._index("late")
    after = model.predict_proba_one(x)
    assert after["late"] > 0.0
    for y in "yz":
        assert after[y] / after["x"] == pytest.approx(before[y] / before["x"], rel=1e-6)


# --- series -------------------------------------------------------------------------------------------


def test_a_forecast_runs_on_from_its_own_predictions():
    """Every change is 2 but the first, which is forgotten, and nothing is left for the network."""
    model = RNNForecaster(half_life=10, **SMALL)
    for t in range(500):
        model.learn_one(2.0 * t)
    assert model.forecast(4) == pytest.approx([1000.0, 1002.0, 1004.0, 1006.0], abs=0.01)


def test_a_seasonal_reference_is_the_value_of_a_season_before():
    model = RNNForecaster(reference="season", season=3, half_life=10, **SMALL)
    for t in range(300):
        model.learn_one([5.0, 1.0, 8.0][t % 3] + t)
    assert model.forecast(5) == pytest.approx([305.0, 302.0, 310.0, 308.0, 305.0], abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_a_rhythm_is_forecast_far_better_than_by_its_last_value(seed):
    r = np.random.default_rng(seed)
    series = np.sin(2 * np.pi * np.arange(2600) / 12) + r.normal(0, 0.05, 2600)
    model, error, naive = RNNForecaster(lags=(1, 2), seed=seed), metrics.MAE(), metrics.MAE()
    for t, y in enumerate(series[:-6]):
        model.learn_one(y)
        if t > 2000 and t % 7 == 0:
            for truth, told in zip(series[t + 1 : t + 7], model.forecast(6), strict=True):
                error.update(truth, told)
                naive.update(truth, y)
    assert error.get() < 0.25 * naive.get()


def test_a_forecast_follows_the_features_of_the_moments_it_is_for():
    model = RNNForecaster(reference="none", lags=None, seed=1)
    for x in events(1500):
        model.learn_one(10.0 if x["kind"] == "x" else 2.0, {"kind": x["kind"]})
    told = model.forecast(3, [{"kind": kind} for kind in "yxz"])
    assert told == pytest.approx([2.0, 10.0, 2.0], abs=0.5)
    with pytest.raises(ValueError, match="xs: expected the features of 2 moments, got 1"):
        model.forecast(2, [{"kind": "x"}])


def test_a_missing_value_of_a_series_is_a_gap_and_not_a_zero():
    model = RNNForecaster(half_life=10, **SMALL)
    for t in range(500):
        model.learn_one(None if t % 5 == 4 else 7.0)
    assert model.forecast(2) == pytest.approx([7.0, 7.0], abs=0.01)


def test_a_forecaster_works_in_a_pipeline():
    model = compose.FuncTransformer(lambda x: {"kind": x["kind"]}) | RNNForecaster(**SMALL)
    for x in events(50):
        model.learn_one(y=x["a"], x=x)
    assert len(model.forecast(2, xs=events(2))) == 2
