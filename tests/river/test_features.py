"""Features that come and go, and streams by key."""

import math
import pickle

import numba
import numpy as np
import pytest

from streamrnn.arrays import Steps
from streamrnn.core import Schedule, Window
from streamrnn.river import RNNClassifier, RNNRegressor, settled
from streamrnn.river.columns import Columns, read
from streamrnn.river.network import GrowingNetwork
from tests.river.streams import ESTIMATORS, SMALL, events, learned, teach, told


def claimed(*made, bound=100, first=0):
    columns = Columns(first, bound)
    for x in made:
        columns.claim(*read(x, None))
    return columns


def filled(columns, x):
    """Numbers by order of appearance, NaN if missing; the inputs that are 1."""
    series = np.full((len(columns.of_numbers) + 1, 1), -1.0)
    hot = columns.fill(*read(x, None), series)
    return series[1:, 0].tolist(), hot[:, 0].tolist()


def test_inputs_are_claimed_in_order_of_appearance_and_within_an_event_by_name():
    columns = claimed({"b": 2, "kind": "x", "a": 1}, {"c": 5.0, "a": 1, "b": 2, "kind": "y", "odd": True})
    assert columns.of_numbers == [0, 1, 3]
    assert filled(columns, {"a": 7, "b": 8, "c": 9, "kind": "x"}) == ([7.0, 8.0, 9.0], [2])
    assert filled(columns, {"kind": "y", "odd": True})[1] == [4, 5]
    assert filled(columns, {"kind": "never seen", "odd": False})[1] == []


def test_a_number_that_has_been_missing_gets_an_input_that_says_when_it_is_there():
    columns = claimed({"a": 1, "b": 2}, {"a": 1})
    values, hot = filled(columns, {"a": 3, "b": 4})
    assert (values, hot) == ([3.0, 4.0], [2])
    values, hot = filled(columns, {"a": 3})
    assert (values[0], math.isnan(values[1]), hot) == (3.0, True, [])


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf, 1e31, np.float32("nan")])
def test_what_is_not_a_number_to_learn_from_is_as_good_as_missing(nothing):
    assert read({"a": nothing, "b": 1}, None) == ({"b": 1.0}, [])


def test_values_of_numpy_are_those_of_python():
    x = {"a": np.float32(0.5), "b": np.int64(3), "odd": np.True_, "kind": np.str_("x")}
    assert read(x, None) == ({"a": 0.5, "b": 3.0}, [("odd", True), ("kind", "x")])


def test_a_feature_of_another_type_is_refused_by_name():
    with pytest.raises(TypeError, match="feature 'when' is of type list"):
        read({"when": [1]}, None)


def test_features_beyond_the_bound_are_ignored_and_counted():
    columns = claimed({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2, "c": 3, "kind": "x"}, bound=2, first=5)
    assert (columns.used, columns.ignored, columns.of_numbers) == (7, 3, [5, 6])
    model = RNNRegressor(max_inputs=2, **SMALL)
    for x in events(20):
        model.learn_one(x, x["a"])
    assert model.ignored > 0
    assert model._stream.network.inputs == 2


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_order_of_features_changes_no_bit(name):
    forward, backward = learned(name, 0), learned(name, 0)
    for x in events(40):
        teach(forward, x)
        teach(backward, dict(reversed(x.items())))
        assert told(forward, x) == told(backward, x)


def network(inputs):
    return GrowingNetwork(
        inputs=inputs,
        classes=0,
        name="a",
        hidden=5,
        loss="squared",
        horizon=0,
        window=Window.fixed(3),
        schedule=Schedule(0.01, 0),
        dtype="float64",
        seed=3,
    )


def test_a_feature_that_comes_later_is_learned_as_if_it_had_been_there_with_weights_of_0():
    """But for rounding: how a sum is cut into vectors depends on its length."""
    r = np.random.default_rng(0)
    wide, narrow = network(40), network(2)
    for name, array in wide.parameters().items():
        mine = narrow.parameters()[name]
        array[...] = 0.0
        array[tuple(map(slice, mine.shape))] = mine
    none, no, yes = np.full(1, -1, np.int32), np.zeros(1, np.bool_), np.ones(1, np.bool_)
    steps = Steps(np.zeros(1, np.int32), no, yes, np.zeros(1, np.int32), none, none)
    for i in range(300):
        known = 2 if i < 100 else 11 if i < 200 else 40
        if known > narrow.inputs:
            narrow = narrow.widened(known, 0)
        x = np.zeros((1, 40))
        x[0, :known] = r.normal(size=known)
        target = x[:, :1] - x[:, known - 1 : known]
        outs = [
            net.learn(steps, np.ascontiguousarray(x[:, : net.inputs]), target, np.ones((1, 1))).copy()
            for net in (wide, narrow)
        ]
        assert outs[0] == pytest.approx(outs[1], abs=1e-9)
    assert narrow.updates == wide.updates == 300


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_feature_that_is_new_changes_nothing_until_it_is_learned(name):
    model = learned(name, 60)
    x = events(1, seed=9)[0]
    before = told(model, x)
    model._stream.columns.claim({"new": 1.0}, [("more", "text")])
    model._stream._grow()
    assert told(model, {**x, "new": 3.0, "more": "text"}) == before


def test_many_features_that_emerge_are_learned_from():
    """The label is the number of words that begin with a, among up to twelve of two hundred."""
    r = np.random.default_rng(0)
    words = [letter + str(i) for letter in "ab" for i in range(40)]
    model = RNNRegressor(seed=0, window=1)
    error = []
    for i in range(3000):
        x = {words[j]: 1 for j in r.choice(80, 12, replace=False)}
        y = float(sum(word.startswith("a") for word in x))
        if i >= 2500:
            error.append(abs(y - model.predict_one(x)))
        model.learn_one(x, y)
    assert np.mean(error) < 0.7  # the mean's would be 1.2


# --- keys -----------------------------------------------------------------------------------------------


def test_each_key_has_a_state_of_its_own():
    model = RNNRegressor(key="sensor", **SMALL)
    for i, x in enumerate(events(100)):
        model.learn_one({**x, "sensor": i % 2}, x["a"])
    x = {**events(1, seed=4)[0], "sensor": 0}
    before = model.predict_one(x)
    model.learn_one({"sensor": 1}, None)
    assert model.predict_one(x) == before
    model.learn_one({"sensor": 0}, None)
    assert model.predict_one(x) != before


def test_a_key_is_no_feature_and_goes_by_its_text():
    model = RNNClassifier(key="sensor", **SMALL)
    for x in events(20):
        model.learn_one({"sensor": "4", "kind": x["kind"]}, x["kind"])
    assert model._stream.columns.used == 3
    asked = model.predict_proba_one({"sensor": 4, "kind": "x"})
    assert asked == model.predict_proba_one({"sensor": "4", "kind": "x"})
    assert asked != model.predict_proba_one({"sensor": 5, "kind": "x"})
    with pytest.raises(ValueError, match="no feature 'sensor', which names the stream"):
        model.learn_one({"kind": "x"}, "x")


def test_the_key_that_was_silent_longest_is_forgotten():
    def after(*sensors):
        model = RNNRegressor(key="sensor", max_keys=2, **SMALL)
        for x in events(50):
            model.learn_one({**x, "sensor": "warm"}, x["a"])
        for sensor in sensors:
            model.learn_one({"a": 3.0, "sensor": sensor}, None)
        return model

    x = {"a": 3.0, "kind": "x"}
    kept, forgotten = after("warm", "other"), after("warm", "other", "third")
    assert kept.predict_one({**x, "sensor": "warm"}) != kept.predict_one({**x, "sensor": "new"})
    assert forgotten.predict_one({**x, "sensor": "warm"}) == forgotten.predict_one({**x, "sensor": "new"})
    pickled = pickle.loads(pickle.dumps(forgotten))
    assert pickled.predict_one({**x, "sensor": "other"}) == forgotten.predict_one({**x, "sensor": "other"})


# --- calls ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_compiled_functions_are_called_with_the_same_types_every_time(name, monkeypatch):
    """Their types are looked at in the first call only: any other would read memory that it must not."""
    seen: dict[str, set[object]] = {}

    def watched(compiled):
        def call(*arguments):
            seen.setdefault(compiled.__name__, set()).add(tuple(map(numba.typeof, arguments)))
            return compiled(*arguments)

        return call

    monkeypatch.setattr("streamrnn.river.network.settled", watched)
    from streamrnn.features.sequence import featurise

    monkeypatch.setattr("streamrnn.river.stream._featurise", watched(featurise))
    for key in (None, "kind"):
        model = learned(name, 30, key=key)
        pickled = pickle.loads(pickle.dumps(model))
        for x in [{"kind": "x"}, {"kind": "x", **{str(i): i for i in range(30)}}, *events(5)]:
            told(pickled, x)
            pickled.learn_one(
                *(({}, None) if key is None else ({"kind": "y"}, None))[:: -1 if name == "forecaster" else 1]
            )
            teach(pickled, {"a": 1.0, **x, "odd": True})
            told(pickled, x)
    assert {name: len(types) for name, types in seen.items()} == {"advance": 1, "featurise": 1}


def test_a_settled_function_gives_what_the_function_gives():
    @numba.njit
    def twice(x):
        return 2.0 * x

    call = settled.settled(twice)
    assert [call(1.5), call(2.5)] == [3.0, 5.0]
