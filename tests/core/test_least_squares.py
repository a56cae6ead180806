"""Recursive least squares against normal equations solved anew at every event."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.core import least_squares
from streamrnn.core.least_squares import LeastSquares
from streamrnn.errors import SnapshotError
from tests.core.streams import INPUTS, Events, by_id, same, stepping, stream
from tests.test_compiled_code import drawn_from_elsewhere

RIDGE = 3.0


def model(**changed) -> LeastSquares:
    return LeastSquares(**({"name": "linear", "inputs": INPUTS, "ridge": RIDGE} | changed))


def inline(x: np.ndarray, target: np.ndarray) -> Events:
    """Every event of one key carries its label; x (n, d), target (n, w)."""
    n = len(x)
    return Events(stepping(np.zeros(n), np.arange(n) == 0, np.zeros(n)), x, target, np.ones_like(target))


def ahead(events: int, horizon: int, *, keys: int = 3, seed: int = 0) -> Events:
    """As `stream`, with the rows in which a forecast waits for its label."""
    found = stream(events, keys=keys, horizon=horizon, seed=seed)
    keep, judge = (np.full(events, -1, np.int32) for _ in range(2))
    made: dict[int, int] = {}
    for e, slot in enumerate(found.steps.slots.tolist()):
        step = 0 if found.steps.fresh[e] else made[slot]
        keep[e] = slot * horizon + step % horizon
        judge[e] = keep[e] if found.steps.back[e] >= 0 else -1
        made[slot] = step + 1
    return found._replace(steps=found.steps._replace(keep=keep, judge=judge))


class Twin:
    """The past as rows of a weighted least-squares problem, which is solved anew whenever it is asked."""

    def __init__(self, *, targets: int, forgetting: float, clip: float) -> None:
        self.forgetting, self.clip = forgetting, clip
        self.rows = list(np.eye(INPUTS + 1))  # the ridge: each coefficient was once seen to be 0
        self.labels = [np.zeros(targets) for _ in self.rows]
        self.weights = [RIDGE for _ in self.rows]
        self.updates = self.outliers = 0

    def coefficients(self) -> np.ndarray:
        """(d + 1, w)"""
        rows, labels, weights = np.array(self.rows), np.array(self.labels), np.array(self.weights)
        weighted = rows.T * weights
        return np.linalg.solve(weighted @ rows, weighted @ labels)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.append(x, 1.0) @ self.coefficients()

    def learn(self, x: np.ndarray, label: np.ndarray) -> None:
        predicted = self.predict(x)
        label = np.where(np.isnan(label), predicted, label)
        missed = np.sqrt(np.sum((label - predicted) ** 2) / np.count_nonzero(label != predicted))
        self.outliers += missed > self.clip
        self.weights = [self.forgetting * weight for weight in self.weights]
        self._see(np.append(x, 1.0), label, min(1.0, self.clip / missed))
        j, size = self.updates % (INPUTS + 1), INPUTS + 1
        self._see(np.eye(size)[j], self.coefficients()[j], size * (1 - self.forgetting) * RIDGE)
        self.updates += 1

    def _see(self, row: np.ndarray, label: np.ndarray, weight: float) -> None:
        self.rows.append(row)
        self.labels.append(label)
        self.weights.append(weight)

    def advance(self, events: Events) -> np.ndarray:
        """As `LeastSquares.advance`, from records of what was done at each step."""
        out = np.full(events.target.shape, np.nan)
        waiting: dict[int, np.ndarray] = {}
        for e, x in enumerate(events.x):
            if events.steps.judge[e] >= 0:
                self.learn(waiting[events.steps.judge[e]], events.target[e])
            if not events.steps.moves[e]:
                continue
            out[e] = self.predict(x)
            if events.steps.keep[e] >= 0:
                waiting[events.steps.keep[e]] = x
            if events.steps.back[e] == 0:
                self.learn(x, events.target[e])
        return out


STREAMS = {
    "inline": lambda events: stream(events),
    "two fields": lambda events: known(stream(events, targets=2)),
    "one ahead": lambda events: ahead(events, 1),
    "three ahead": lambda events: ahead(events, 3),
    "by id": lambda events: by_id(events),
}
each_stream = pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)


def known(events: Events) -> Events:
    """Without labels of which no field is known."""
    back = np.where(np.isnan(events.target).all(axis=1), np.int32(-1), events.steps.back)
    return events._replace(steps=events.steps._replace(back=back))


# --- an independent oracle -----------------------------------------------------------------------


def test_without_forgetting_and_outliers_it_is_ridge_regression():
    random = np.random.default_rng(0)
    x, target = random.normal(size=(400, INPUTS)), random.normal(size=(400, 1))
    net = model(forgetting=1.0, clip=np.inf)
    net.advance(*inline(x, target))
    rows = np.column_stack([x, np.ones(400)])
    expected = np.linalg.solve(rows.T @ rows + RIDGE * np.eye(INPUTS + 1), rows.T @ target)[:, 0]
    np.testing.assert_allclose(net.parameters()["weight"][0], expected[:-1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(net.parameters()["bias"], expected[-1:], rtol=1e-9, atol=1e-12)


@each_stream
@pytest.mark.parametrize("forgetting", [1.0, 0.97])
def test_predictions_are_those_of_weighted_normal_equations(events, forgetting):
    found = sparse(events(250))
    targets = found.target.shape[1]
    net, twin = (make(targets=targets, forgetting=forgetting, clip=0.7) for make in (model, Twin))
    expected = twin.advance(found)
    np.testing.assert_allclose(net.advance(*found), expected, rtol=1e-9, atol=1e-9)
    assert (net.updates, net.clipped, net.skipped) == (twin.updates, twin.outliers, 0)
    assert 0 < net.clipped < net.updates == net.labelled


def sparse(events: Events) -> Events:
    """A third of the inputs are zero."""
    zeros = np.random.default_rng(1).random(events.x.shape) < 1 / 3
    return events._replace(x=np.where(zeros, 0.0, events.x))


def test_the_norm_of_the_last_gradient_is_what_numpy_says():
    random = np.random.default_rng(0)
    x, target = random.normal(size=(50, INPUTS)), random.normal(size=(50, 2))
    target[-1, 0] = np.nan
    net = model(targets=2)
    out = net.advance(*inline(x, target))
    gradient = np.outer(out[-1, 1:] - target[-1, 1:], np.append(x[-1], 1.0))
    assert net.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-13)


# --- what is learned, and what is not ---------------------------------------------------------------


def test_a_prediction_does_not_know_its_own_label():
    events = stream(100, labelled=1.0)
    changed = events.target.copy()
    changed[60] += 1.0
    one, other = model().advance(*events), model().advance(*events._replace(target=changed))
    assert np.array_equal(one[:61], other[:61])
    assert (one[61:] != other[61:]).all()


def test_events_without_a_label_teach_nothing():
    net = model()
    before = net.state()
    net.advance(*stream(50, labelled=0.0))
    assert same(net.state(), before)


@pytest.mark.parametrize("name", ["x", "target"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e200])
def test_a_number_that_is_not_finite_changes_nothing(name, value):
    events = stream(60, keys=1, labelled=1.0)
    poisoned = getattr(events, name).copy()
    poisoned[30, 0] = value
    net, twin = model(), model()
    net.advance(*events._replace(**{name: poisoned}).between(0, 31))
    twin.advance(*events.between(0, 30))
    label = not (name == "target" and np.isnan(value))
    assert (net.labelled, net.updates, net.skipped) == (30 + label, 30, label)
    for part in ("coefficients", "covariance", "tally/norm"):
        assert net.state()[part].tobytes() == twin.state()[part].tobytes()


def test_an_input_too_large_to_be_squared_changes_nothing_even_where_nothing_was_learned():
    events = stream(1, labelled=1.0)
    net = model()
    net.advance(*events._replace(x=np.full((1, INPUTS), 1e308)))
    assert (net.updates, net.skipped) == (0, 1)
    assert same(net.parameters(), model().parameters())


def test_an_outlier_pulls_no_more_than_an_error_of_the_clip():
    events = inline(np.ones((1, INPUTS)), np.array([[1.0]]))
    moved = []
    for label in (1.0, 1e6):
        net = model(forgetting=1.0, clip=1.0, ridge=1.0)
        net.advance(*events._replace(target=np.array([[label]])))
        moved.append(net.parameters()["bias"][0])
    g = 1.0  # (P x̃) of the intercept, with P = I
    assert moved[0] == pytest.approx(g / (1 + INPUTS + 1))
    assert moved[1] == pytest.approx(g, rel=1e-5)  # u g e / (1 + u x̃ᵀg) with u e = 1 and u → 0


# --- a long life ------------------------------------------------------------------------------------


def long_stream(events: int) -> Events:
    """The second input is silent but at the start and the end, the third never changes: nothing excites them.

    The coefficient of the first changes its sign in the middle.
    """
    random = np.random.default_rng(0)
    x = np.column_stack([random.normal(size=events), np.zeros(events), np.ones(events)])
    x[:100, 1], x[-1, 1] = random.normal(size=100), 1.0
    sign = np.where(np.arange(events) < events // 2, 1.0, -1.0)
    target = sign * x[:, 0] + 0.5 * x[:, 1] + 0.1 * random.normal(size=events)
    return inline(x, target[:, np.newaxis])


@pytest.mark.parametrize("forgetting", [1.0, 0.998, 0.9])
def test_covariance_stays_symmetric_positive_and_bounded_however_long_an_input_is_silent(forgetting):
    net = model(forgetting=forgetting)
    net.advance(*long_stream(300_000))
    covariance = net.state()["covariance"]
    assert (covariance == covariance.T).all()
    values = np.linalg.eigvalsh(covariance)
    assert values[0] > 0
    assert values[-1] < 1.3 / RIDGE


def test_what_is_excited_is_followed_while_other_inputs_are_silent():
    """A bound on the trace would have ended forgetting before the change."""
    events = long_stream(20_000)
    net = model(forgetting=0.99)
    out = net.advance(*events)
    missed = np.abs(out - events.target)[:, 0]
    assert missed[10_000:10_010].mean() > 1.0
    assert missed[11_000:].mean() < 0.1, "the noise has a mean of 0.08"


def test_a_coefficient_is_still_known_when_its_input_is_heard_again():
    events = long_stream(20_000)
    net = model(forgetting=0.99)
    out = net.advance(*events)
    noise = events.target[-1, 0] + events.x[-1, 0] - 0.5
    assert out[-1, 0] == pytest.approx(events.target[-1, 0] - noise, abs=0.1)


def test_a_thousand_keys_share_what_is_learned():
    random = np.random.default_rng(0)
    n = 3000
    x = random.normal(size=(n, INPUTS))
    slots = np.arange(n) % 1000
    steps = stepping(slots, np.arange(n) < 1000, np.zeros(n))
    net = model()
    out = net.advance(steps, x, x[:, :1], np.ones((n, 1)))
    assert np.abs(out - x[:, :1])[1000:].max() < 0.05
    assert net.bytes_per_key == 0


# --- blocks, saving and restoring ---------------------------------------------------------------------


@each_stream
def test_blocks_cut_anywhere_give_the_same_bits(events):
    found = events(200)
    targets = found.target.shape[1]
    whole = model(targets=targets)
    expected = whole.advance(*found)

    @settings(max_examples=15, deadline=None, database=None)
    @given(st.sets(st.integers(1, 199)))
    def check(cuts):
        net = model(targets=targets)
        bounds = [0, *sorted(cuts), 200]
        parts = [net.advance(*found.between(a, b)) for a, b in pairwise(bounds)]
        assert np.concatenate(parts).tobytes() == expected.tobytes()
        assert same(net.state(), whole.state())

    check()


@each_stream
def test_goes_on_from_a_snapshot_as_if_nothing_had_happened(events):
    found = events(200)
    targets = found.target.shape[1]
    net, twin = model(targets=targets), model(targets=targets)
    net.advance(*found.between(0, 90))
    twin.load(net.state())
    assert same(net.state(), twin.state())
    assert net.advance(*found.between(90, 200)).tobytes() == twin.advance(*found.between(90, 200)).tobytes()
    assert same(net.state(), twin.state())


def test_an_empty_block_and_warming_up_change_nothing():
    net = model()
    net.advance(*stream(20))
    before = net.state()
    net.warm_up()
    assert net.advance(*stream(20).between(0, 0)).shape == (0, 1)
    assert same(net.state(), before)


def test_arrays_of_other_types_and_strides_give_the_same_bits():
    events = ahead(60, 2)
    net, other = model(), model()
    net.advance(*events)
    strided = np.asfortranarray(np.repeat(events.x, 2, axis=0))[::2]
    steps = events.steps._replace(keep=events.steps.keep.astype(np.int64))
    other.advance(*events._replace(steps=steps, x=strided))
    assert same(net.state(), other.state())


def test_a_state_is_a_copy_of_the_rows_that_are_reserved():
    net, roomy = model(), model()
    net.advance(*ahead(40, 3))
    roomy.reserve(3, 9)
    roomy.advance(*ahead(40, 3))
    state = net.state()
    assert same(state, roomy.state())
    assert state["waiting"].nbytes == 9 * net.bytes_per_row
    before = {name: array.copy() for name, array in state.items()}
    net.advance(*ahead(40, 3, seed=1))
    assert same(state, before)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda state: state.pop("covariance"), "covariance is not there"),
        (lambda state: state.update(extra=np.zeros(1)), "extra is not expected"),
        (lambda state: state.update(coefficients=np.zeros((1, 3))), r"coefficients has dtype float64"),
        (lambda state: state.update(waiting=np.zeros((2, INPUTS), np.float32)), "waiting has dtype float32"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_the_name_of_the_array(spoil, says):
    net = model()
    net.advance(*ahead(20, 2))
    before, state = net.state(), net.state()
    spoil(state)
    with pytest.raises(SnapshotError, match=says):
        net.load(state)
    assert same(net.state(), before)


@pytest.mark.parametrize("wrong", [{"forgetting": 0.0}, {"forgetting": 1.1}, {"ridge": 0.0}, {"clip": 0.0}])
def test_settings_without_a_meaning_are_refused(wrong):
    with pytest.raises(ValueError, match="network linear: forgetting"):
        model(**wrong)


def test_cached_functions_draw_on_their_own_file_alone():
    source = Path(least_squares.__file__).read_text(encoding="utf-8")
    assert drawn_from_elsewhere(source) == set()
