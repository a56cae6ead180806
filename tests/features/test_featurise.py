"""Features against a slow twin, against river, against themselves cut in pieces, and against the future."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import preprocessing

from streamrnn.features import Calendar, Category, Elapsed, Features, Lags, Number, Previous, Target, sequence
from tests.features.naive import Naive
from tests.features.streams import Event, Path, same_bits
from tests.features.tasks import BINARY, FORECAST_LAST, REGRESSION, REGRESSION_LAST, each_task, stream

learn, size, lean = (
    numba.njit(error_model="numpy")(part.py_func) for part in (sequence.learn, sequence.size, sequence.lean)
)
"""As loops have them, but for Python to call."""


def assert_close(found: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]) -> None:
    for name, have, want in zip(("x", "target", "unit", "location", "scale"), found, expected, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-9, atol=1e-9, err_msg=name)


@each_task
@pytest.mark.parametrize("half_life", [None, 20.0])
def test_inputs_and_targets_equal_a_twin_that_knows_the_whole_past(specs, target, half_life):
    events = stream(160, seed=1, target=target)
    expected = Naive(specs, target, half_life).feed(events)
    assert_close(Path(specs, target, half_life=half_life).feed(events), expected)


@each_task
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.sets(st.integers(0, 60)), max_keys=st.integers(1, 4))
def test_any_cut_into_blocks_gives_the_same_bits(specs, target, seed, cuts, max_keys):
    events = stream(60, seed, target=target, keys=6)  # more keys than slots: evictions within blocks
    whole = Path(specs, target, half_life=20.0, max_keys=max_keys)
    pieces = Path(specs, target, half_life=20.0, max_keys=max_keys)
    assert same_bits(whole.feed(events), pieces.feed_in(cuts, events))
    one, other = whole.state(), pieces.state()
    assert one.keys() == other.keys()
    assert same_bits(one.values(), other.values())


@each_task
def test_an_evicted_key_starts_as_if_it_were_new(specs, target):
    """With one slot, a and b push each other out: the second life of a is that of a new key."""
    events = [{**event, "key": "b" if 20 <= i < 40 else "a"} for i, event in enumerate(stream(60, 3, target))]
    renamed = [{**event, "key": "c"} if i >= 40 else event for i, event in enumerate(events)]
    expected = Naive(specs, target, None).feed(renamed)
    assert_close(Path(specs, target, max_keys=1).feed(events), expected)


# --- prequential ------------------------------------------------------------------------------------


def assert_prequential(make_path, target: Target) -> None:
    """No input, location or scale of an event moves when its own inline label or anything later does.

    And no target moves when anything later does.
    """
    events = stream(60, seed=5, target=target)
    expected = make_path().feed(events)
    for i in range(0, 60, 3):
        other = {name: another(events[i][name], target) for name in target.labels}
        inline = not target.ahead and not target.by_id
        present = {**events[i], **other} if inline else events[i]
        future = [{**event, "a": -77.0, "kind": "other", **other} for event in events[i + 1 :]]
        found = make_path().feed([*events[:i], present, *future])
        for name in ("x", "location", "scale"):
            have, want = getattr(found, name)[: i + 1], getattr(expected, name)[: i + 1]
            assert have.tobytes() == want.tobytes(), f"{name} of event {i} knows what comes later"
        known = i if inline else i + 1
        assert found.target[:known].tobytes() == expected.target[:known].tobytes()


def another(label: object, target: Target) -> object:
    if target.binary:
        return 1 - (label or 0)
    return "red" if target.kind == "classes" else 1000.0


@each_task
def test_no_label_is_used_before_the_prediction_that_it_judges(specs, target):
    assert_prequential(lambda: Path(specs, target, half_life=20.0), target)


@pytest.mark.parametrize(
    ("specs", "target"),
    [REGRESSION, REGRESSION_LAST, BINARY],
    ids=["regression", "regression from last", "binary"],
)
def test_a_planted_leak_of_the_inline_label_is_found(specs, target):
    """The label's series is told that it is known before the prediction, as a forecast's is."""

    def leaking() -> Path:
        path = Path(specs, target, half_life=20.0)
        original = path.features.featurise

        def leak(block, steps, label):
            path.features._plan = path.features._plan._replace(label_known_first=True)
            return original(block, steps, label)

        path.features.featurise = leak
        return path

    with pytest.raises(AssertionError, match="knows what comes later"):
        assert_prequential(leaking, target)


def test_a_planted_look_ahead_is_found():
    """Scalers that have seen the whole block before they scale its first event."""
    specs, target = FORECAST_LAST

    def leaking() -> Path:
        path = Path(specs, target, half_life=20.0)
        original = path.feed

        def leak(events):
            original(events)
            return original(events)

        path.feed = leak
        return path

    with pytest.raises(AssertionError, match="knows what comes later"):
        assert_prequential(leaking, target)


@pytest.mark.parametrize(
    ("spec", "target", "message"),
    [
        (Lags("y", (2,)), Target(("y",), horizon=3), "lag 2 of y is not known 3 ahead; at least 3"),
        (Lags("y", (0, 1)), Target(("y",)), "lag 0 of y is not known 0 ahead; at least 1"),
        (Number("y"), Target(("y",)), "y is the label of the same event"),
        (Category("y"), Target(("y",), "classes", classes=("0", "1")), "y is the label of the same event"),
        (Calendar("y"), Target(("y",)), "y is the label of the same event"),
        (Elapsed("y"), Target(("y",)), "y is the label of the same event"),
    ],
)
def test_a_feature_that_would_know_its_label_is_refused(spec, target, message):
    with pytest.raises(ValueError, match=message):
        Features((spec,), target)


# --- scaling ----------------------------------------------------------------------------------------


def numbers(n: int) -> list[Event]:
    values = np.random.default_rng(0).lognormal(2.0, 1.0, n)
    return [{"key": "k", "time": 0, "v": float(v), "y": None} for v in values]


def scaled_by(scaler: preprocessing.StandardScaler, events: list[Event]) -> np.ndarray:
    """river's scaling of each value by what came before it, cut at ±10."""
    found = []
    for event in events:
        found.append(scaler.transform_one({"v": event["v"]})["v"] if found else 0.0)
        scaler.learn_one({"v": event["v"]})
    return np.clip(found, -10.0, 10.0)


def test_without_fading_numbers_are_scaled_as_rivers_standard_scaler_does():
    events = numbers(2000)
    x = Path((Number("v"),), Target(("y",))).feed(events).x
    np.testing.assert_allclose(
        x[:, 0], scaled_by(preprocessing.StandardScaler(), events), rtol=1e-9, atol=1e-9
    )


def test_with_fading_numbers_are_scaled_as_rivers_adaptive_scaler_does_once_the_start_has_faded():
    events, half_life = numbers(3000), 50.0
    x = Path((Number("v"),), Target(("y",)), half_life=half_life).feed(events).x
    adaptive = preprocessing.AdaptiveStandardScaler(fading_factor=1.0 - 0.5 ** (1.0 / half_life))
    faded = 2000  # 2⁻⁴⁰ of the start is left
    expected = scaled_by(adaptive, events)[faded:]
    np.testing.assert_allclose(x[faded:, 0], expected, rtol=1e-9, atol=1e-9)


def test_a_constant_is_scaled_to_zero_and_inputs_are_cut_at_ten():
    events = [{"key": f"k{i % 3}", "time": 0, "v": 0.1, "y": None} for i in range(100)]
    jump = {"key": "k0", "time": 0, "v": 1e30, "y": None}
    x = Path((Number("v"),), Target(("y",)), half_life=30.0).feed([*events, {**jump, "v": 0.2}, jump]).x
    assert not x[:101].any()  # 0.2 has nothing to be measured by: the scale until then is 0
    assert x[101, 0] == 10.0


def test_extreme_numbers_leave_everything_finite():
    signs = np.random.default_rng(0).choice([-1e30, 0.0, 1e-300, 1e30], 500).tolist()
    events = [{"key": f"k{i % 3}", "time": 0, "y": y} for i, y in enumerate(signs)]
    specs, target = (Number("y"), Previous()), Target(("y",), "number", 1, reference="last")
    path = Path(specs, target, half_life=3.0)
    inputs = path.feed(events)
    assert np.isfinite(inputs.x).all()
    assert np.isfinite(inputs.target[3:]).all()
    assert np.isfinite([inputs.unit, inputs.location, inputs.scale]).all()
    assert all(np.isfinite(array).all() for array in path.features.state().values())


# --- keys of different sizes --------------------------------------------------------------------------


def sized(sizes: list[float], each: int) -> list[Event]:
    """A key of every size, in turn: each walks from its size by steps of a hundredth of it."""
    rng = np.random.default_rng(0)
    walks = np.cumsum(rng.normal(0.0, 0.01, (each, len(sizes))), axis=0)
    values = np.array(sizes) * (1.0 + walks)
    return [
        {"key": f"k{j}", "time": 0, "y": float(values[i, j])} for i in range(each) for j in range(len(sizes))
    ]


@pytest.mark.parametrize("sizes", [[1e10] * 4 + [1e2], [1e2] * 20 + [1e6], [1e-3, 1.0, 1e3, 1e6]])
def test_each_key_is_scaled_by_its_own_size_from_its_first_events_on(sizes):
    events = sized(sizes, 300)
    target = Target(("y",), "number", 1, reference="last")
    inputs = Path((Number("y"),), target, half_life=200.0).feed(events)
    for j in range(len(sizes)):
        x, y = inputs.x[j :: len(sizes), 0], inputs.target[j :: len(sizes), 0]
        for begin, end in ((20, 100), (100, 300)):
            assert 0.1 < np.std(x[begin:end]) < 3.0
            assert np.abs(x[begin:end]).max() < 10.0
            assert 0.3 < np.std(y[begin:end]) < 3.0


def test_a_key_that_begins_with_zeros_is_measured_by_the_stream_until_it_has_a_size():
    rng = np.random.default_rng(0)
    events = [{"key": "other", "time": 0, "y": y} for y in rng.normal(0.0, 5.0, 100).tolist()]
    late = [{"key": "late", "time": 0, "y": 0} for _ in range(5)]
    scale = Path((), Target(("y",))).feed([*events, *late]).scale[-5:, 0]
    np.testing.assert_allclose(scale, np.std([e["y"] for e in events]), rtol=0.03)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.booleans())
def test_statistics_of_a_single_key_are_its_own_to_the_bit(values, fades):
    own = np.zeros(3)
    for value in values:
        learn(own, value, 0.1 if fades else 0.0)
    assert lean(own, own.copy(), size(own, own)) == (own[1], own[2])


@settings(deadline=None)
@given(st.floats(1.0, 1e4), st.floats(-1e9, 1e9), st.floats(1e-3, 1e3))
def test_no_key_lies_far_from_its_leaning_mean(weight, mean, deviation):
    """At most √(20/W)/2 deviations: inputs of a key unlike all others are not cut off at ±10."""
    own, stream = np.array([weight, mean, deviation**2]), np.array([1e6, 3.0, 4.0])
    middle, variance = lean(own, stream, size(own, stream))
    assert abs(mean - middle) <= (1 + 1e-9) * np.sqrt(20 / weight) / 2 * np.sqrt(variance)


def test_a_variance_of_which_nothing_is_left_in_the_stream_is_the_key_s_own():
    own, stream = np.array([9.0, 0.0, 1e60]), np.array([9.0, 1e40, 1e-300])
    assert lean(own, stream, size(own, stream))[1] == 1e60


# --- worked by hand -----------------------------------------------------------------------------------


def test_a_forecast_is_learned_as_a_change_in_units_of_its_running_deviation():
    """y = 10, 12, 11, 15, one ahead, from the last value. Changes: +2, −1, +4.

    After +2 and −1 their mean is 0.5 and their deviation 1.5; when the fourth value was predicted
    only these were known: 11 + 0.5, so 15 is (15 − 11.5)/1.5 from it.
    """
    events = [{"key": "k", "time": 0, "y": y} for y in (10, 12, 11, 15)]
    inputs = Path((Number("y"),), Target(("y",), "number", 1, reference="last")).feed(events)
    np.testing.assert_allclose(inputs.target.T, [[np.nan, 2.0, (11 - 14) / 1.0, (15 - 11.5) / 1.5]])
    np.testing.assert_allclose(inputs.unit.T, [[1.0, 1.0, 1.0, 1.5]])
    np.testing.assert_allclose(inputs.location.T, [[10.0, 14.0, 11.5, 15 + 5 / 3]])
    np.testing.assert_allclose(inputs.scale.T, [[1.0, 1.0, 1.5, np.std([2, -1, 4])]])


def test_a_count_is_learned_in_units_of_its_running_mean():
    """n = 4, 0, 8: the first has no mean before it; then they are 4, 2 and 4."""
    events = [{"key": "k", "time": 0, "n": n} for n in (4, 0, 8)]
    inputs = Path((Previous(),), Target(("n",), "count")).feed(events)
    np.testing.assert_allclose(inputs.target.T, [[4.0, 0.0, 4.0]])
    np.testing.assert_allclose(inputs.scale.T, [[1.0, 4.0, 2.0]])
    np.testing.assert_array_equal(inputs.unit, inputs.scale)
    assert not inputs.location.any()


def test_a_rare_count_keeps_a_scale_that_its_targets_can_bear():
    events = [{"key": "k", "time": 0, "n": 0}] * 500 + [{"key": "k", "time": 0, "n": 1}]
    inputs = Path((), Target(("n",), "count")).feed(events)
    assert inputs.scale[1:].min() == 0.01
    assert inputs.target[-1] == 100.0


def test_a_label_by_id_is_learned_from_what_was_predicted_at_its_own_event():
    """The changes to e1 and e2 count from 10, the label known then, although that of e1 comes in between."""
    target = Target(("y",), reference="last", id="id", label_of="of")
    events = [
        {"key": "k", "time": 0, "id": "e0"},
        {"key": "k", "time": 0, "of": "e0", "y": 10},  # changes 10 − 0
        {"key": "k", "time": 0, "id": "e1"},  # location 10 + 10
        {"key": "k", "time": 0, "id": "e2"},
        {"key": "k", "time": 0, "of": "e1", "y": 14},  # changes 14 − 10
        {"key": "k", "time": 0, "id": "e3", "of": "e2", "y": 16},  # changes 16 − 10
    ]
    inputs = Path((), target).feed(events)
    np.testing.assert_allclose(inputs.target.T, [[np.nan, 10.0, np.nan, np.nan, -6.0, -4.0]])
    moves = [0, 2, 3, 5]
    changes = np.array([10, 4, 6])
    np.testing.assert_allclose(inputs.location[moves, 0], [0.0, 20.0, 20.0, 16 + changes.mean()])
    np.testing.assert_allclose(inputs.scale[moves, 0], [1.0, 1.0, 1.0, changes.std()])


def test_a_label_of_before_its_key_was_forgotten_is_no_past_of_its_new_life():
    """One slot: e2's label comes when a has been forgotten and is back, at another step of that slot."""
    target = Target(("y",), id="id", label_of="of")
    events = [
        *({"key": "a", "time": 0, "id": f"e{i}"} for i in range(3)),
        {"key": "b", "time": 0, "id": "other"},
        {"key": "a", "time": 0, "id": "again"},
        {"key": "a", "time": 0, "of": "e2", "y": 3.0},
        {"key": "a", "time": 0, "id": "then"},
    ]
    x = Path((Lags("y", (1, 2, 3)),), target, max_keys=1).feed(events).x
    np.testing.assert_array_equal(x[-1], [0, 1] * 3)  # none is known


def test_a_category_of_a_record_that_is_no_event_takes_no_column():
    target = Target(("y",), id="id", label_of="of")
    events = [
        {"key": "first", "time": 0, "of": "unknown", "y": 1},
        {"key": "second", "time": 0, "id": "e"},
    ]
    x = Path((Category("key", 2, 1), Calendar("time")), target).feed(events).x
    assert not x[0].any()
    assert x[1, :3].tolist() == [1.0, 0.0, 0.0]


def test_columns_stand_in_the_order_of_the_features_and_carry_names():
    specs = (
        Calendar("time", ("hour",)),
        Category("kind", 2, 1),
        Lags("y", (1, 2)),
        Elapsed("time"),
        Previous(),
    )
    features = Features(specs, Target(("y",), "number"))
    assert features.inputs == len(features.input_names) == 36
    assert features.input_names == [
        *("time.hour.sin", "time.hour.cos", *(f"time.hour.{hour}" for hour in range(24))),
        *("kind.0", "kind.1", "kind.hashed.0"),
        *("y.lag1", "y.lag1.missing", "y.lag2", "y.lag2.missing"),
        "time.elapsed",
        *("y.previous", "y.previous.missing"),
    ]


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (Target(("y", "z")), ["y.previous", "y.previous.missing", "z.previous", "z.previous.missing"]),
        (Target(("c",), "classes", classes=("0", "1")), ["c.previous", "c.previous.missing"]),
        (
            Target(("c",), "classes", classes=("x", "y", "z")),
            ["c.previous.x", "c.previous.y", "c.previous.z", "c.previous.missing"],
        ),
        (
            Target(("c",), "classes", bound=3),
            ["c.previous.0", "c.previous.1", "c.previous.2", "c.previous.missing"],
        ),
    ],
)
def test_previous_labels_have_a_column_for_each_field_or_class(target, names):
    assert Features((Previous(),), target).input_names == names


@pytest.mark.parametrize("spec", [Lags("c", (3,)), Number("c")])
@pytest.mark.parametrize("horizon", [0, 2])
def test_one_of_several_classes_is_no_number(spec, horizon):
    with pytest.raises(ValueError, match="c is one of 3 classes, not a number"):
        Features((spec,), Target(("c",), "classes", horizon, bound=3))


def test_tokens_have_no_features():
    with pytest.raises(ValueError, match="tokens are their own inputs"):
        Features((), Target(("text",), "tokens", 1))
