"""What river asks of every estimator."""

import copy
import pickle

import pytest
from river import checks, compose, datasets, dummy, evaluate, metrics, preprocessing, stats

from streamrnn.river import RNNClassifier, RNNForecaster, RNNRegressor
from tests.river.streams import ESTIMATORS, SMALL, events, learned, teach, told

CHECKED = {
    "regressor": RNNRegressor(),
    "classifier": RNNClassifier(),
    "forecaster": RNNForecaster(),
    "seasonal forecaster": RNNForecaster(season=4, reference="season", lags=None),
}


@pytest.mark.parametrize("name", CHECKED)
def test_every_check_of_river_passes_and_none_is_skipped(name, no_sklearn_needed):
    model = CHECKED[name]
    assert model._unit_test_skips() == set()
    checks.check_estimator(model)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_predicting_changes_nothing(name):
    model, quiet = learned(name, 40), learned(name, 40)
    before = pickle.dumps(model)
    for x in events(20, seed=2):
        told(model, x)
    told(model, {"a": 1e9, "unheard": "of", "new": 3})
    assert pickle.dumps(model) == before
    for x in events(20, seed=3):
        told(model, x)
        teach(model, x)
        teach(quiet, x)
        assert told(model, x) == told(quiet, x)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(
    "twin_of",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: model.clone(include_attributes=True),
    ],
    ids=["deepcopy", "pickle", "clone"],
)
def test_a_copy_goes_on_with_the_same_bits_and_by_itself(name, twin_of):
    model = learned(name, 40)
    twin, still = twin_of(model), twin_of(model)
    unmoved = pickle.dumps(still)
    for x in events(30, seed=2):
        assert told(twin, x) == told(model, x)
        teach(model, x)
        teach(twin, x)
    assert pickle.dumps(still) == unmoved


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_clone_begins_anew_and_a_seed_decides_its_weights(name):
    x = events(1, seed=2)[0]
    model = learned(name, 40)
    fresh = model.clone()
    for past in events(40):
        teach(fresh, past)
    assert told(fresh, x) == told(model, x)
    assert told(learned(name, 40, seed=2), x) != told(model, x)
    assert told(learned(name, 40, seed=None), x) != told(learned(name, 40, seed=None), x)


def test_pipelines_with_rivers_transformers_beat_the_mean():
    model = preprocessing.StandardScaler() | RNNRegressor(seed=1)
    error = evaluate.progressive_val_score(datasets.TrumpApproval(), model, metrics.MAE())
    mean = evaluate.progressive_val_score(
        datasets.TrumpApproval(), dummy.StatisticRegressor(stats.Mean()), metrics.MAE()
    )
    assert error.get() < 0.5 * mean.get()


def test_a_one_hot_encoder_before_it_tells_what_the_strings_tell():
    encoded = (compose.Select("kind") | preprocessing.OneHotEncoder()) | RNNClassifier(seed=1)
    plain = compose.Select("kind") | RNNClassifier(seed=1)
    right = {"encoded": 0, "plain": 0}
    for x in events(600):
        for name, model in (("encoded", encoded), ("plain", plain)):
            right[name] += model.predict_one(x) == x["kind"]
            model.learn_one(x, x["kind"])
    assert min(right.values()) > 450, right


def test_a_pipeline_can_be_pickled_and_does_not_count_compiled_code_as_memory():
    model = preprocessing.StandardScaler() | RNNRegressor(**SMALL)
    for x in events(30):
        numbers = {"a": x["a"]}
        model.learn_one(numbers, x["a"])
    twin = pickle.loads(pickle.dumps(model))
    assert twin.predict_one(numbers) == model.predict_one(numbers)
    assert model._raw_memory_usage < 200_000


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cell": "gur"}, "cell: expected one of .*gru.*, got 'gur'"),
        ({"optimiser": "adan"}, "optimiser: expected one of .*adam.*, got 'adan'"),
        ({"activation": "sigmoid"}, "activation: expected one of tanh, relu, gelu"),
        ({"hidden": 0}, "hidden: expected at least 1, got 0"),
        ({"max_inputs": 0}, "max_inputs: expected at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate: expected more than 0, got 0.0"),
        ({"momentum": 1.0}, "momentum: expected at least 0 and less than 1, got 1.0"),
        ({"head": ()}, "head: expected None or at least one number"),
        ({"loss": "logistic"}, "loss: expected one of squared, absolute, huber, poisson"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_parameter_that_cannot_be_is_refused_by_name(parameters, message):
    with pytest.raises(ValueError, match=message):
        RNNRegressor(**parameters)


def test_a_classifier_needs_two_classes_and_a_season_two_events():
    with pytest.raises(ValueError, match="max_classes: expected at least 2, got 1"):
        RNNClassifier(max_classes=1)
    with pytest.raises(ValueError, match="season"):
        RNNForecaster(reference="season")
    for season in (1, 0, -12):
        with pytest.raises(ValueError, match=f"season: expected at least 2, got {season}; "):
            RNNForecaster(reference="season", season=season)
