"""A network on a live stream: the same as torch, whatever the blocks, from any snapshot."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.arrays import Steps
from streamrnn.core.boost import Boost
from streamrnn.core.schedule import Schedule
from streamrnn.core.window import Window
from streamrnn.errors import SnapshotError
from tests.core.streams import INPUTS, Events, by_id, network, same, stepping, stream

EVENTS = 300
SHAPES = {
    "one-step": {"window": 1},
    "sliding": {"window": 4},
    "late, strided": {"window": 6, "stride": 3, "horizon": 2},
    "growing": {"window": Window(1, 8, by="plateau", every=30)},
    "growing, late": {"window": Window(1, 4, by="count", every=40), "horizon": 1},
    "by id": {"window": Window(2, 8, by="count", every=40), "pool": 8},
    "boosted": {"window": Window(1, 4, by="plateau", every=30), "boost": True},
    "deep": {
        "window": 5,
        "stride": 2,
        "cell": "lstm",
        "layers": 2,
        "head": (5,),
        "loss": "huber",
        "targets": 2,
        "dtype": "float64",
    },
}
DTYPES = ["float32", "float64"]


def shaped(shape: str, **changed):
    options = SHAPES[shape] | changed
    if isinstance(options["window"], Window):
        options["window"] = Window(
            *(getattr(options["window"], name) for name in ("first", "last", "by", "every"))
        )
    if "boost" in options:
        options["boost"] = Boost(every=8, threshold=0.01, lasts=20)
    return network(**options)


def events_of(shape: str) -> Events:
    options = SHAPES[shape]
    if "pool" in options:
        return by_id(EVENTS, rows=options["pool"])
    return stream(EVENTS, horizon=options.get("horizon", 0), targets=options.get("targets", 1))


# --- an independent oracle -----------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("window", [1, 5])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 2e-6)])
def test_moves_as_torch_moves_with_clipping_and_adam(window, dtype, tolerance):
    torch = pytest.importorskip("torch")
    ours = network(window, dtype=dtype, schedule=Schedule(rate=0.01, warmup=0), clip=0.3)
    cell = torch.nn.GRU(INPUTS, 5, dtype=torch.float64)
    head = torch.nn.Linear(5, 1, dtype=torch.float64)
    theirs = {**dict(cell.named_parameters()), "head.0.weight": head.weight, "head.0.bias": head.bias}
    for name, array in ours.parameters().items():
        theirs[name].data.copy_(torch.tensor(array.copy()))
    optimiser = torch.optim.Adam(theirs.values(), lr=0.01)
    events = stream(80, keys=1, labelled=1.0)
    out = ours.advance(*events)
    steps, h = [], torch.zeros(1, 5, dtype=torch.float64)
    for e, x in enumerate(torch.from_numpy(events.x)):
        if events.steps.fresh[e]:
            steps, h = [], torch.zeros_like(h)
        steps = [*steps, (x[None], h)][-window:]
        with torch.no_grad():
            h = cell(x[None], h)[1]
            assert float(head(h)) == pytest.approx(out[e, 0], abs=tolerance)
        state = steps[0][1]
        for row, _ in steps:
            state = cell(row, state)[1]
        optimiser.zero_grad()
        (0.5 * (head(state)[0, 0] - events.target[e, 0]) ** 2).backward()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in theirs.values()))
        for p in theirs.values():
            p.grad *= min(1.0, 0.3 / float(norm))
        optimiser.step()
    assert ours.updates == 80
    assert 0 < ours.clipped < 80
    for name, array in ours.parameters().items():
        np.testing.assert_allclose(array, theirs[name].detach().numpy(), rtol=0, atol=tolerance)


# --- blocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [(shape, dtype) for shape in SHAPES for dtype in DTYPES if shape != "deep"] + [("deep", "float64")],
)
def test_blocks_cut_anywhere_give_the_same_bits(shape, dtype):
    events = events_of(shape)
    whole = shaped(shape, dtype=dtype)
    expected = whole.advance(*events)

    @settings(max_examples=15, deadline=None, database=None)
    @given(st.sets(st.integers(1, EVENTS - 1)))
    def check(cuts):
        net = shaped(shape, dtype=dtype)
        bounds = [0, *sorted(cuts), EVENTS]
        parts = [net.advance(*events.between(a, b)) for a, b in pairwise(bounds)]
        assert np.concatenate(parts).tobytes() == expected.tobytes()
        assert same(net.state(), whole.state())

    check()
    one_by_one = shaped(shape, dtype=dtype)
    for e in range(EVENTS):
        one_by_one.advance(*events.between(e, e + 1))
    assert same(one_by_one.state(), whole.state())


def test_an_empty_block_changes_nothing():
    net = network()
    net.advance(*stream(20))
    before = net.state()
    assert net.advance(*stream(20).between(0, 0)).shape == (0, 1)
    assert same(net.state(), before)


def test_arrays_of_other_types_and_strides_give_the_same_bits():
    events = stream(60)
    net, other = network(), network()
    net.advance(*events)
    strided = np.asfortranarray(np.repeat(events.x, 2, axis=0))[::2]
    slots = events.steps.slots.astype(np.int64)
    other.advance(*events._replace(steps=events.steps._replace(slots=slots), x=strided))
    assert same(net.state(), other.state())


def test_boost_and_window_look_at_exact_counts_of_labelled_events_each_at_its_own():
    events = stream(400)
    boosted = network(Window(1, 8, by="count", every=50), boost=Boost(every=7))
    labelled = np.cumsum(events.steps.back >= 0)
    for e in range(400):
        boosted.advance(*events.between(e, e + 1))
        assert boosted.window_now == min(2 ** (labelled[e] // 50), 8)
        assert boosted.boost.due_in == 7 - labelled[e] % 7


def test_a_boost_learns_at_its_multiple_of_the_rate():
    events = stream(100, keys=1, labelled=1.0)

    class Tripled(Boost):
        def factors(self, coming):
            return np.full(coming + 1, 3.0)

    one = network(boost=Tripled(), schedule=Schedule(rate=0.001, warmup=0))
    other = network(schedule=Schedule(rate=0.003, warmup=0))
    assert np.allclose(one.advance(*events), other.advance(*events), rtol=0, atol=1e-6)


# --- what is learned, and what is not ---------------------------------------------------------------


def test_events_without_a_label_step_and_are_not_learned():
    events = stream(50, labelled=0.0)
    net = network(4)
    before = {name: array.copy() for name, array in net.parameters().items()}
    net.advance(*events)
    assert (net.labelled, net.updates) == (0, 0)
    assert same(net.parameters(), before)
    assert net.state()["keys/entries"].any()


def test_a_field_whose_label_is_unknown_moves_nothing_of_its_own():
    """Half the error of the other field: the loss is the mean over both."""
    events = stream(1, keys=1, labelled=1.0, targets=2)
    both, half = (network(targets=2, dtype="float64", keep_gradient=True) for _ in range(2))
    both.advance(*events._replace(target=np.array([[0.5, -0.7]])))
    half.advance(*events._replace(target=np.array([[0.5, np.nan]])))
    assert half.labelled == half.updates == 1
    bias, other = (one.gradient()["head.0.bias"] for one in (both, half))
    assert bias.tolist() == pytest.approx([-0.25, 0.35])
    assert other.tolist() == pytest.approx([-0.25, 0.0])


def test_a_label_of_which_nothing_is_known_is_none():
    events = stream(100, targets=2)
    events.target[10:30] = np.nan
    net, twin = network(4, targets=2), network(4, targets=2)
    net.advance(*events)
    events.steps.back[np.isnan(events.target).all(axis=1)] = -1
    twin.advance(*events)
    assert same(net.state(), twin.state())
    assert net.labelled == np.count_nonzero(events.steps.back >= 0)


def test_an_event_that_only_brings_a_label_has_no_prediction_and_makes_no_step():
    events = by_id(200)
    net = network(2, pool=8)
    out = net.advance(*events)
    assert np.array_equal(np.isnan(out[:, 0]), ~events.steps.moves)
    assert 0 < net.labelled == np.count_nonzero(events.steps.judge >= 0)
    quiet = events.steps._replace(
        keep=np.full_like(events.steps.keep, -1), judge=np.full_like(events.steps.judge, -1)
    )
    silent = network(2)
    silent.advance(*events._replace(steps=quiet))
    made = silent.state()["keys/steps"]
    assert np.array_equal(net.state()["keys/steps"], made)


def test_a_label_by_id_that_comes_at_once_is_learned_as_an_inline_one():
    """In the next record of another key: until then nothing else has moved."""
    n = 60
    inline = stream(n, keys=1, labelled=1.0)
    slots, fresh = np.zeros(2 * n, np.int32), np.zeros(2 * n, np.bool_)
    fresh[::2] = inline.steps.fresh
    moves = np.arange(2 * n) % 2 == 0
    keep, judge = np.where(moves, 0, -1), np.where(moves, -1, 0)
    steps = Steps(
        slots, fresh, moves, np.full(2 * n, -1, np.int32), keep.astype(np.int32), judge.astype(np.int32)
    )
    events = Events(steps, *(np.repeat(array, 2, axis=0) for array in (inline.x, inline.target, inline.unit)))
    net, twin = network(4, pool=1, dtype="float64"), network(4, dtype="float64")
    np.testing.assert_allclose(net.advance(*events)[::2], twin.advance(*inline), rtol=0, atol=1e-12)
    assert net.updates == twin.updates == n


@pytest.mark.parametrize("horizon", [0, 2])
def test_a_prediction_does_not_know_its_own_label(horizon):
    """Planting a leak (learning before the step of an inline label) moves the outputs."""
    events = stream(100, horizon=horizon)
    judged = np.flatnonzero(events.steps.back >= 0)
    last = judged[-1]
    changed = events.target.copy()
    changed[last] += 1.0
    one = network(2, horizon=horizon).advance(*events)
    other = network(2, horizon=horizon).advance(*events._replace(target=changed))
    known_from = last + 1 if horizon == 0 else last  # a late label is known before its event's own prediction
    assert np.array_equal(one[:known_from], other[:known_from])
    assert (one[known_from:] != other[known_from:]).all()


def test_a_strided_network_updates_once_per_stride_or_when_a_label_would_leave_its_window():
    def updates(back: list[int], window: int, stride: int) -> list[int]:
        net = network(window, stride=stride)
        counts = []
        for e, judged in enumerate(back):
            target = np.array([[0.5 if judged == 0 else np.nan]])
            steps = stepping(np.zeros(1), np.array([e == 0]), np.array([judged]))
            event = Events(steps, np.ones((1, 3)), target, np.ones((1, 1)))
            net.advance(*event)
            counts.append(net.updates)
        return counts

    assert updates([0] * 7, window=5, stride=3) == [0, 0, 1, 1, 1, 2, 2]
    assert updates([0, -1, -1, -1, -1, -1], window=4, stride=2) == [0, 0, 0, 1, 1, 1]
    assert updates([0, -1, 0, -1, 0, 0], window=3, stride=3) == [0, 0, 1, 1, 1, 1]


def test_a_slot_begun_anew_forgets_its_key_but_not_what_was_learned():
    events = stream(80, keys=1)
    net, twin = network(3), network(3)
    net.advance(*events)
    twin.advance(*events)
    state = twin.state()
    state |= {name: np.zeros_like(array) for name, array in state.items() if name.startswith("keys/")}
    twin.load(state)
    more = stream(1, keys=1, seed=1)
    assert more.steps.fresh[0]
    assert net.advance(*more) == twin.advance(*more)
    assert same(net.parameters(), twin.parameters())


def test_a_gradient_that_is_not_finite_is_skipped_before_anything_moves():
    events = stream(60, keys=1, labelled=1.0)
    poisoned = events.target.copy()
    poisoned[30] = np.inf
    net, twin = network(), network()
    net.advance(*events._replace(target=poisoned).between(0, 31))
    twin.advance(*events.between(0, 30))
    assert (net.labelled, net.updates, net.skipped) == (31, 30, 1)
    assert net.gradient_norm == twin.gradient_norm, "of the last finite one: no infinity enters the state"
    for name, array in twin.state().items():
        if name.startswith(("parameters", "optimiser")):
            assert array.tobytes() == net.state()[name].tobytes()
    assert np.isfinite(net.advance(*events.between(31, 60))).all()


@pytest.mark.parametrize(
    ("cell", "depth"),
    [("elman", {}), ("gru", {}), ("lstm", {"layers": 2, "head": (4,)})],
    ids=["elman", "gru", "deep lstm"],
)
def test_to_keep_the_gradient_of_a_step_changes_nothing(cell, depth):
    """Adam takes it whole, or as its two factors."""
    events = stream(100)
    shape = {"cell": cell, "dtype": "float64", "clip": 0.3, **depth}
    kept, factors = (network(keep_gradient=kept, **shape) for kept in (True, False))
    np.testing.assert_allclose(kept.advance(*events), factors.advance(*events), rtol=0, atol=1e-13)
    assert kept.gradient_norm == pytest.approx(factors.gradient_norm, rel=1e-12)
    assert kept.gradient()["weight_ih_l0"].any()


def test_the_norm_of_the_last_gradient_is_what_numpy_says():
    for window in (1, 5, 9):
        net = network(window, dtype="float64", keep_gradient=True)
        net.advance(*stream(100))
        flat = np.concatenate([array.ravel() for array in net.gradient().values()])
        assert net.gradient_norm == pytest.approx(np.linalg.norm(flat), rel=1e-13)


def test_learns_a_memory_that_one_step_cannot_hold():
    """The label is the input of three steps ago: the error falls far below that of a rule without memory."""
    random = np.random.default_rng(0)
    n = 12_000
    x = random.choice([-1.0, 1.0], size=(n, INPUTS))
    target = np.concatenate([np.zeros(3), x[:-3, 0]])
    steps = stepping(np.zeros(n), np.arange(n) == 0, np.zeros(n))
    net = network(6, hidden=24, schedule=Schedule(rate=3e-3, warmup=0))
    out = net.advance(steps, x, target[:, np.newaxis], np.ones((n, 1)))[:, 0]
    assert np.mean((out - target)[-2000:] ** 2) < 0.1


def error_on_waves(keys: int, window: int) -> float:
    """Mean absolute error over the second half of a forecast one step ahead; each key is a noisy wave."""
    events = 60_000
    random = np.random.default_rng(0)
    time = np.arange(events // keys + 1)[:, np.newaxis]
    wave = np.sin(random.uniform(0, 2 * np.pi, keys) + 0.3 * time) + 0.1 * random.normal(
        size=(len(time), keys)
    )
    change = np.diff(wave, axis=0)
    first = np.arange(events) < keys
    block = Events(
        steps=stepping(np.tile(np.arange(keys), events // keys), first, np.where(first, -1, 1)),
        x=np.repeat(wave[:-1].reshape(-1, 1), INPUTS, axis=1),
        target=np.concatenate([np.full(keys, np.nan), change[:-1].ravel()])[:, np.newaxis],
        unit=np.ones((events, 1)),
    )
    out = network(window, horizon=1, hidden=16, schedule=Schedule()).advance(*block)[:, 0]
    return float(np.abs(out - change.ravel())[events // 2 :].mean())


@pytest.mark.parametrize("window", [1, 16])
def test_a_thousand_keys_with_late_labels_are_forecast_as_well_as_ten(window):
    """Learning from what was active at prediction time diverges here."""
    few, many = error_on_waves(10, window), error_on_waves(1000, window)
    assert many < 1.2 * few
    assert few < 0.7 * 0.2, "0.2 is the mean change"


# --- the window -------------------------------------------------------------------------------------


def test_a_growing_window_looks_at_exact_counts_of_labelled_events():
    events = stream(400)
    net = network(Window(1, 8, by="count", every=50))
    labelled = np.cumsum(events.steps.back >= 0)
    for e in range(400):
        net.advance(*events.between(e, e + 1))
        assert net.window_now == min(2 ** (labelled[e] // 50), 8)


def test_a_plateau_is_judged_by_published_errors_in_user_units():
    events = stream(400, horizon=2)
    window = Window(1, 8, every=40)
    net = network(window, horizon=2)
    own, errors, history = Window(1, 8, every=40), 0.0, {}
    for e in range(400):
        slot = int(events.steps.slots[e])
        if events.steps.fresh[e]:
            history[slot] = []
        if events.steps.back[e] >= 0:
            missed = np.float32(history[slot][-2]) - np.float32(events.target[e, 0])
            errors += abs(float(missed)) * events.unit[e, 0]
            if own.learned(1, errors):
                errors = 0.0
        history[slot].append(net.advance(*events.between(e, e + 1))[0, 0])
        assert net.window_now == own.now
    assert net.window_now > 1


# --- saving and restoring -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_goes_on_from_a_snapshot_as_if_nothing_had_happened(shape):
    events = events_of(shape)
    net, twin = shaped(shape), shaped(shape, seed=7)
    net.reserve(100, 20)
    net.advance(*events.between(0, 170))
    twin.load(net.state())
    assert same(net.state(), twin.state())
    ours, theirs = (one.advance(*events.between(170, 300)) for one in (net, twin))
    assert ours.tobytes() == theirs.tobytes()
    assert same(net.state(), twin.state())
    assert twin.window_now == net.window_now


def test_a_state_is_of_the_slots_that_are_reserved_however_they_came_to_be():
    events = stream(100)
    net, roomy = network(), network()
    for slots in (1, 2, 4, 5):
        net.reserve(slots, 0)
    roomy.reserve(5, 0)
    net.advance(*events)
    roomy.advance(*events)
    assert net.state()["keys/steps"].shape == (5,)
    assert same(net.state(), roomy.state())


def test_a_state_is_a_copy():
    net = network()
    net.advance(*stream(20))
    state = net.state()
    before = {name: array.copy() for name, array in state.items()}
    net.advance(*stream(20, seed=1))
    assert same(state, before)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda state: state.pop("optimiser/first"), "optimiser/first is not there"),
        (lambda state: state.update(extra=np.zeros(1)), "extra is not expected"),
        (
            lambda state: state.update(parameters=np.zeros(3, np.float32)),
            r"parameters has dtype float32 and shape \(3,\)",
        ),
        (
            lambda state: state.update({"keys/steps": state["keys/steps"].astype(float)}),
            "keys/steps has dtype float64",
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_the_name_of_the_array(spoil, says):
    net = network()
    net.advance(*stream(20))
    before = net.state()
    state = net.state()
    spoil(state)
    with pytest.raises(SnapshotError, match=says):
        net.load(state)
    assert same(net.state(), before)


def test_bytes_per_key_are_what_a_key_adds_to_the_state():
    net = network(4)
    sizes = []
    for keys in (10, 20):
        net.advance(*stream(400, keys=keys))
        sizes.append(sum(array.nbytes for array in net.state().values()))
    assert sizes[1] - sizes[0] == 10 * net.bytes_per_key


def test_bytes_per_row_are_what_a_label_by_id_adds_to_the_state():
    sizes = []
    for rows in (10, 20):
        net = network(4, pool=20)
        net.reserve(3, rows)
        sizes.append(sum(array.nbytes for array in net.state().values()))
    assert sizes[1] - sizes[0] == 10 * net.bytes_per_row > 0
    assert network(4).bytes_per_row == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"window": 2, "stride": 3}, "net: window 2 is shorter than stride 3"),
        ({"window": 4, "stride": 2, "pool": 5}, "net: labels by id .* stride of 2"),
        ({"settings": {"momentum": 0.9}}, "net: adam has no setting momentum"),
    ],
)
def test_what_cannot_be_is_refused_with_the_name_of_the_network(options, says):
    with pytest.raises(ValueError, match=says):
        network(**options)


def test_the_moments_of_an_input_that_fell_silent_end_at_zero_not_in_subnormal_numbers():
    n = 3000
    random = np.random.default_rng(0)
    x = random.normal(size=(n, INPUTS))
    x[10:, 1] = 0.0
    net = network(schedule=Schedule(rate=1e-3))
    steps = stepping(np.zeros(n), np.arange(n) == 0, np.zeros(n))
    net.advance(steps, x, x[:, :1], np.ones((n, 1)))
    state = net.state()
    moments = np.abs(np.concatenate([state["optimiser/first"], state["optimiser/second"]]))
    assert not ((moments > 0) & (moments < np.finfo(np.float32).tiny)).any()
