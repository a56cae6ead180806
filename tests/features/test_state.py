"""Features saved and loaded: the same bits afterwards, and nothing that does not fit."""

import numpy as np
import pytest

from streamrnn.errors import SnapshotError
from streamrnn.features import Category, Features, Number, Previous, Target
from tests.features.streams import Path, same_bits
from tests.features.tasks import FORECAST_LAST, LATER, each_task, stream

TARGET = Target(("y",))


@each_task
def test_after_loading_inputs_and_state_are_those_of_a_twin_that_never_stopped(specs, target):
    events = stream(160, 7, target, keys=9)
    twin, stopped, loaded = (Path(specs, target, half_life=20.0, max_keys=6) for _ in range(3))
    twin.feed(events[:80])
    stopped.feed(events[:80])
    state = stopped.features.state()
    before = {name: array.copy() for name, array in state.items()}
    loaded.go_on_from(stopped)
    assert same_bits(loaded.feed(events[80:]), twin.feed(events[80:]))
    assert same_bits(loaded.state().values(), twin.state().values())
    assert same_bits(state.values(), before.values())  # what was loaded is a copy


def test_state_is_a_copy_of_the_slots_in_use():
    path = Path((Number("a"), Category("kind")), TARGET)
    path.feed(stream(30, 1, TARGET, keys=3))
    state = path.features.state()
    before = {name: array.copy() for name, array in state.items()}
    path.features.reserve(3, 0)
    path.feed(stream(30, 2, TARGET, keys=3))
    assert same_bits(state.values(), before.values())
    assert len(state["keys/steps"]) == 3
    assert sum(array.nbytes for name, array in state.items() if name.startswith("keys/")) == (
        3 * path.features.bytes_per_key
    )


@pytest.mark.parametrize("target", [FORECAST_LAST[1], LATER[1]], ids=["forecast", "labels by id"])
def test_state_has_as_many_waiting_rows_as_were_reserved(target):
    features = Features((Number("a"),), target)
    features.reserve(3, 7)
    rows = {name: array for name, array in features.state().items() if name.startswith("waiting/")}
    assert {len(array) for array in rows.values()} == {7}
    assert sum(array.nbytes for array in rows.values()) == 7 * features.bytes_per_row


def test_nothing_in_a_state_is_missing_or_infinite():
    path = Path((Number("a"), Previous()), TARGET)
    path.feed([{"key": "k", "time": 0, "a": None, "y": None}] * 3)
    assert all(np.isfinite(array).all() for array in path.features.state().values())


def test_warming_up_changes_nothing():
    features = Features((Number("a"), Category("kind"), Previous()), TARGET)
    before = features.state()
    features.warm_up()
    assert same_bits(features.state().values(), before.values())


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "stream",
            lambda a: a[:-1],
            r"array stream has dtype float64 and shape \(2, 3\); expected float64 and \(3, 3\)",
        ),
        ("keys/own", lambda a: a.astype(np.float32), "array keys/own has dtype float32"),
        ("keys/history", lambda a: a[:-1], "array keys/history has dtype"),
        ("keys/steps", lambda a: None, "array keys/steps is not there"),
        ("waiting/answers", lambda a: a[..., :2], "array waiting/answers has dtype"),
        ("waiting/owner", lambda a: None, "array waiting/owner is not there"),
        ("categories/0/texts", lambda a: a[:-1], "array texts does not hold texts"),
        ("categories/0/texts", lambda a: np.frombuffer(b'["a", "a"]', np.uint8), "all different"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_name(name, change, message):
    path = Path((Number("a"), Category("kind")), TARGET)
    path.feed(stream(30, 1, TARGET, keys=3))
    state = path.features.state()
    state = {n: a for n, a in {**state, name: change(state[name])}.items() if a is not None}
    with pytest.raises(SnapshotError, match=message):
        Features((Number("a"), Category("kind")), TARGET).load(state)
