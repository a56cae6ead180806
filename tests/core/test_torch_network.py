"""The torch engine: BPTT(k; s) as defined, the same bits from any cut and snapshot, clear refusals."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.core.losses import LOSSES
from streamrnn.core.network import Network
from streamrnn.core.optimisers import OPTIMISERS
from streamrnn.core.schedule import Schedule
from streamrnn.core.window import Window
from streamrnn.errors import ConfigError, SnapshotError

torch = pytest.importorskip("torch")

from streamrnn.core.pytorch import losses as torch_losses  # noqa: E402
from streamrnn.core.pytorch import optimisers as torch_optimisers  # noqa: E402
from streamrnn.core.pytorch.cells import Recurrent  # noqa: E402
from streamrnn.core.pytorch.network import TorchNetwork  # noqa: E402
from tests.core import torch_modules  # noqa: E402
from tests.core.torch_twin import INPUTS, Stream, Twin, stream  # noqa: E402

pytestmark = pytest.mark.torch

HERE = "tests.core.torch_modules:"
BUILT_IN = "streamrnn.core.pytorch.cells:Recurrent"


def network(window: Window | int = 1, module: str = HERE + "Everything", **changed) -> TorchNetwork:
    options = {
        "name": "net",
        "module": module,
        "inputs": INPUTS,
        "loss": "squared",
        "horizon": 0,
        "window": Window.fixed(window) if isinstance(window, int) else window,
        "schedule": Schedule(rate=0.01, warmup=10),
    }
    return TorchNetwork(**(options | changed))


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Bit for bit; NaN equals NaN."""
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


# --- independent oracles ----------------------------------------------------------------------------

SHAPES = {
    "one-step": {"window": 1},
    "sliding": {"window": 5},
    "strided": {"window": 6, "stride": 3},
    "late": {"window": 1, "horizon": 2},
    "late, strided": {"window": 4, "stride": 4, "horizon": 3},
    "by id": {"window": 3, "pooled": True},
}
TORCHS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, momentum=0.5),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-6),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.05),
}
SETTINGS = {
    "sgd": {"momentum": 0.9, "weight_decay": 0.1},
    "rmsprop": {"alpha": 0.9, "momentum": 0.5},
    "adam": {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6},
    "adamw": {"weight_decay": 0.05},
}


def half_squared(output, target):
    """The mean over two fields; one that is not known is no part of the sum."""
    known = [0.5 * (y - label) ** 2 for y, label in zip(output, target, strict=True) if not label.isnan()]
    return sum(known) / len(target)


@pytest.mark.parametrize(
    ("shape", "optimiser"),
    [*((shape, "adam") for shape in SHAPES), *(("strided", name) for name in OPTIMISERS if name != "adam")],
)
def test_moves_as_its_definition_with_torch_moves(shape, optimiser):
    """A twin of plain lists; the worst difference of any output or weight over 70 events is below 1e-12."""
    options = dict(SHAPES[shape])
    pooled, horizon = options.pop("pooled", False), options.get("horizon", 0)
    events = stream(70, horizon=horizon, pooled=pooled, targets=2)
    ours = network(
        module=BUILT_IN,
        args={"cell": "lstm", "hidden": 4},
        targets=2,
        pool=8 * pooled,
        optimiser=optimiser,
        settings=SETTINGS[optimiser],
        schedule=Schedule(rate=0.01, warmup=0),
        clip=0.5,
        dtype="float64",
        **options,
    )
    module = Recurrent(INPUTS, 2, "lstm", 4)
    weights = {name: torch.tensor(array) for name, array in ours.torch_state().items()}
    module.double().load_state_dict(weights)
    twin = Twin(
        module, TORCHS[optimiser](module.parameters()), half_squared, pooled=pooled, clip=0.5, **options
    )
    np.testing.assert_allclose(ours.advance(*events), twin.advance(events), rtol=0, atol=1e-12)
    for name, array in ours.parameters().items():
        theirs = module.get_parameter(name).detach().numpy()
        np.testing.assert_allclose(array, theirs, rtol=0, atol=1e-12)
    assert 0 < ours.clipped < ours.updates


def test_every_loss_and_optimiser_of_the_compiled_engine_is_there():
    assert torch_losses.LOSSES.keys() == LOSSES.keys()
    assert torch_optimisers.OPTIMISERS.keys() == OPTIMISERS.keys()


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_has_the_gradient_of_its_formula_and_counts_unknown_fields_as_nothing(loss):
    """Against central differences of formulas that are written down here."""
    random = np.random.default_rng(0)
    levels = (0.1, 0.5, 0.8)
    output, target = random.normal(size=3), np.array([0.3, np.nan, 2.0])
    if loss == "quantile":
        output = random.normal(size=9)
    if loss in ("logistic", "softmax"):
        output, target = (output[:1], np.ones(1)) if loss == "logistic" else (output, np.array([2.0]))

    def pinball(y, label):
        e = label - y
        return sum(max(level * d, (level - 1) * d) for level, d in zip(levels, e, strict=True)) / 3

    formulas = {
        "squared": lambda y, label: 0.5 * (y - label) ** 2,
        "absolute": lambda y, label: abs(y - label),
        "huber": lambda y, label: 0.5 * (y - label) ** 2 if abs(y - label) <= 1 else abs(y - label) - 0.5,
        "quantile": pinball,
        "logistic": lambda y, label: np.log1p(np.exp(y)) - label * y,
        "poisson": lambda y, label: np.exp(y) - label * y,
    }

    def value(y):
        if loss == "softmax":
            return np.log(np.exp(y).sum()) - y[int(target[0])]
        fields = y.reshape(len(target), -1) if loss == "quantile" else y
        pairs = zip(fields, target, strict=True)
        return sum(formulas[loss](*pair) for pair in pairs if not np.isnan(pair[1])) / len(target)

    leaf = torch.tensor(output, requires_grad=True)
    torch_losses.LOSSES[loss].value(leaf, torch.tensor(target), levels).backward()
    moved = 1e-6 * np.eye(len(output))
    expected = [(value(output + step) - value(output - step)) / 2e-6 for step in moved]
    np.testing.assert_allclose(leaf.grad.numpy(), expected, rtol=0, atol=1e-9)


def test_errors_are_in_the_users_unit_or_in_nats():
    levels = (0.1, 0.6)
    two, unit = np.array([1.0, 3.0]), np.array([10.0, 2.0])

    def error(loss, output, target, unit=unit):
        return torch_losses.LOSSES[loss].error(np.array(output), np.array(target), unit, levels)

    for loss in ("squared", "absolute", "huber"):
        assert error(loss, two, [1.5, 2.0]) == (0.5 * 10 + 1.0 * 2) / 2
        assert error(loss, two, [np.nan, 2.0]) == 2.0
        assert np.isnan(error(loss, two, [np.nan, np.nan]))
    assert error("quantile", [9.0, 1.0, 9.0, 3.0], [1.5, np.nan]) == 5.0
    assert error("poisson", [0.0, 0.0], [3.0, 1.0]) == 10.0
    assert error("logistic", [0.0], [1.0]) == pytest.approx(np.log(2), abs=1e-15)
    assert error("softmax", [0.0, 0.0, 0.0], [2.0]) == pytest.approx(np.log(3), abs=1e-15)


# --- the same bits ------------------------------------------------------------------------------------

FORMS = {
    "all at once": {"window": 4, "stride": 2},
    "by id": {"window": 3, "pool": 8},
    "late, growing": {"window": (1, 8, "count", 20), "horizon": 2, "module": HERE + "Leaky"},
    "the example": {"window": 3, "horizon": 1, "module": "examples.torch_module:Timescales"},
}


def formed(form: str, **changed) -> TorchNetwork:
    options = dict(FORMS[form]) | changed
    window = options.pop("window")
    return network(Window(*window) if isinstance(window, tuple) else window, **options)


def events_of(form: str, events: int = 80, seed: int = 0) -> Stream:
    return stream(events, horizon=FORMS[form].get("horizon", 0), pooled="pool" in FORMS[form], seed=seed)


@pytest.mark.parametrize("form", FORMS)
def test_blocks_cut_anywhere_and_snapshots_anywhere_give_the_same_bits(form):
    """Dropout draws random numbers, buffers change with every call: all of it goes on."""
    events = events_of(form)
    whole = formed(form)
    expected = whole.advance(*events)
    assert np.isfinite(expected[events.steps.moves]).all()
    assert np.isnan(expected[~events.steps.moves]).all()

    @settings(max_examples=4, deadline=None, database=None)
    @given(st.dictionaries(st.integers(1, 79), st.booleans(), max_size=5))
    def check(cuts):
        net = formed(form)
        outputs = []
        for begin, end in pairwise([0, *sorted(cuts), 80]):
            if cuts.get(begin):
                twin = formed(form, seed=7)
                twin.load(net.state())
                net = twin
            outputs.append(net.advance(*events.between(begin, end)))
        assert np.concatenate(outputs).tobytes() == expected.tobytes()
        assert same(net.state(), whole.state())

    check()


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_every_optimiser_goes_on_from_a_snapshot(optimiser):
    momentum = {"momentum": 0.9} if optimiser in ("sgd", "rmsprop") else {}
    net, twin = (network(2, optimiser=optimiser, settings=momentum, seed=seed) for seed in (0, 1))
    fresh = net.state()
    events = stream(60)
    net.advance(*events.between(0, 30))
    twin.load(net.state())
    assert net.advance(*events.between(30, 60)).tobytes() == twin.advance(*events.between(30, 60)).tobytes()
    assert same(net.state(), twin.state())
    assert fresh.keys() == net.state().keys(), "a state has one form from its genesis on"


def test_its_random_numbers_are_its_own():
    """Neither others' draws nor its own move what the other side sees; threads and modes are put back."""
    events = stream(40)
    expected = network().advance(*events)
    torch.manual_seed(5)
    torch.rand(3)
    torch.use_deterministic_algorithms(False)
    threads, numbers = torch.get_num_threads(), torch.get_rng_state()
    net = network()
    assert net.advance(*events).tobytes() == expected.tobytes()
    assert torch.equal(torch.get_rng_state(), numbers)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_seed_decides_the_first_weights():
    one, other, third = network(seed=1), network(seed=1), network(seed=2)
    assert same(one.state(), other.state())
    assert not same(one.state(), third.state())


def test_a_prediction_does_not_know_its_own_label():
    events = stream(60)
    last = int(np.flatnonzero(events.steps.back == 0)[-1])
    changed = events.target.copy()
    changed[last] += 1.0
    one, other = network(2), network(2)
    out = one.advance(*events.between(0, last + 1))
    assert out.tobytes() == other.advance(*events._replace(target=changed).between(0, last + 1)).tobytes()
    assert not same(one.parameters(), other.parameters())


# --- what must not break it ------------------------------------------------------------------------------


def test_a_gradient_that_is_not_finite_is_skipped_before_anything_moves():
    events = stream(60, keys=1)
    judged = np.flatnonzero(events.steps.back == 0)[-1]
    poisoned = events.target.copy()
    poisoned[judged] = np.inf
    net = network(module=HERE + "Leaky")
    net.advance(*events.between(0, judged))
    before = net.state()
    net.advance(*events._replace(target=poisoned).between(judged, judged + 1))
    assert net.skipped == 1
    after = net.state()
    for name in before:
        if name.startswith(("parameters", "optimiser")):
            assert before[name].tobytes() == after[name].tobytes()
    assert after["tally/sums"][-1] == before["tally/sums"][-1], "the norm kept is of the last finite gradient"
    assert np.isfinite(net.advance(*events.between(judged + 1, 60))).all()


def test_neither_a_state_nor_a_buffer_that_is_not_finite_is_carried_on():
    events = stream(30, keys=1)
    x = events.x.copy()
    x[10, 0] = 4.0
    net = network(2, module=HERE + "Exploding")
    assert np.isfinite(net.advance(*events._replace(x=x))).all()
    state = net.state()
    assert np.isfinite(state["keys/entries/0"]).all()
    assert np.isfinite(state["fixed/total"]).all()
    sound = network(2, module=HERE + "Exploding")
    sound.advance(*events)
    assert state["fixed/calls"] < sound.state()["fixed/calls"], (
        "what left infinity behind is undone as a whole"
    )


def test_learns_a_memory_that_one_step_cannot_hold():
    """The label is the input of two steps ago."""
    random = np.random.default_rng(0)
    n = 450
    x = random.choice([-1.0, 1.0], size=(n, INPUTS))
    events = stream(n, keys=1)
    steps = events.steps._replace(back=np.zeros(n, np.int32), fresh=np.arange(n) == 0)
    target = np.concatenate([np.zeros(2), x[:-2, 0]])[:, np.newaxis]
    fast = Schedule(rate=0.03, warmup=0)
    net = network(3, module=BUILT_IN, args={"hidden": 8}, schedule=fast)
    out = net.advance(steps, x, target, np.ones((n, 1)))
    assert np.mean((out - target)[-100:] ** 2) < 0.3, "1 is the error of a rule without memory"


# --- rows, bytes, counts --------------------------------------------------------------------------------


def test_state_has_the_rows_that_were_reserved_and_bytes_say_what_they_cost():
    net = network(4, pool=1)
    sizes = {}
    for slots, rows in ((0, 0), (10, 0), (10, 6), (3, 2)):
        net.reserve(slots, rows)
        state = net.state()
        sizes[slots, rows] = sum(array.nbytes for array in state.values())
    assert sizes[10, 0] - sizes[0, 0] == 10 * net.bytes_per_key
    assert sizes[10, 6] - sizes[10, 0] == 6 * net.bytes_per_row
    assert sizes[3, 2] == sizes[10, 6], "room that was asked for stays"
    assert state["keys/steps"].shape == (10,)
    assert state["pool/lengths"].shape == (6,)


def test_capacity_does_not_show():
    events = stream(50)
    net, roomy = network(), network()
    for slots in range(3):
        roomy.reserve(slots)
    net.advance(*events)
    roomy.advance(*events)
    assert same(net.state(), roomy.state())


def test_an_empty_block_changes_nothing():
    net = network()
    net.advance(*stream(20))
    before = net.state()
    assert net.advance(*stream(20).between(0, 0)).shape == (0, 1)
    assert same(net.state(), before)


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
        (lambda state: state.pop("optimiser/exp_avg"), "optimiser/exp_avg is not there"),
        (lambda state: state.update(extra=np.zeros(1)), "extra is not expected"),
        (
            lambda state: state.update({"fixed/mean": np.zeros(2)}),
            r"fixed/mean has dtype float64 and shape \(2,\)",
        ),
        (lambda state: state.pop("random/0"), "random/0 is not there"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_the_name_of_the_array(spoil, says):
    net = network()
    net.advance(*stream(20))
    before, state = net.state(), net.state()
    spoil(state)
    with pytest.raises(SnapshotError, match=says):
        net.load(state)
    assert same(net.state(), before)


def test_growing_looks_at_exact_counts_of_labelled_events():
    events = stream(150, horizon=2)
    net = network(Window(1, 8, by="count", every=20), module=HERE + "Leaky", horizon=2)
    labelled = np.cumsum(events.steps.back >= 0)
    for e in range(150):
        net.advance(*events.between(e, e + 1))
        assert net.window_now == min(2 ** (labelled[e] // 20), 8)
    assert net.labelled == labelled[-1]


# --- which module -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("no_colon", "expected package.module:Class"),
        ("no.such:Class", "module no.such cannot be imported"),
        (HERE + "Nothing", "has no Nothing"),
        (HERE + "no_module", "is no torch.nn.Module"),
        (HERE + "Broken", r"its forward\(x, state\) fails with no state \(None\): RuntimeError"),
        (HERE + "Bare", r"it must return \(output, state\)"),
        (HERE + "Stubborn", "depends on no parameter"),
        (HERE + "Complex", "state of type torch.complex64 cannot be kept"),
    ],
)
def test_a_module_that_does_not_fit_is_refused_by_its_name(module, says):
    with pytest.raises(ConfigError, match=f"^{module}.*{says}"):
        network(module=module)


def test_arguments_that_do_not_fit_are_shown():
    with pytest.raises(ConfigError, match=r"Leaky\(inputs=3, outputs=1, hiden=5\) fails: TypeError.*hiden"):
        network(module=HERE + "Leaky", args={"hiden": 5})


def test_a_users_own_width_wins_and_is_checked():
    with pytest.raises(ConfigError, match=r"its output has shape \(1, 2\) .* needs \(1, 1\)"):
        network(module=HERE + "Leaky", args={"outputs": 2})


def test_only_a_window_that_holds_the_stride_and_stride_1_with_labels_by_id():
    with pytest.raises(ValueError, match="window 2 is shorter than stride 3"):
        network(2, stride=3)
    with pytest.raises(ValueError, match="stride must be 1"):
        network(2, stride=2, pool=4)
    with pytest.raises(ValueError, match="optimiser sgd has no setting beta_1"):
        network(optimiser="sgd", settings={"beta_1": 0.5})


def test_torch_is_imported_only_where_it_is_used_and_asked_for_where_it_is_missing():
    code = """
import sys
from streamrnn.core.pytorch.network import TorchNetwork
from streamrnn.core import Schedule, Window
from streamrnn.errors import ConfigError
assert "torch" not in sys.modules
sys.modules["torch"] = None
try:
    TorchNetwork(name="net", module="a:B", inputs=1, loss="squared", horizon=0, window=Window.fixed(1),
                 schedule=Schedule())
except ConfigError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("network net: needs torch (")
    assert said.endswith("Install it with: pip install 'streamrnn[torch]'\n")


def test_the_hash_follows_the_modules_file(tmp_path, monkeypatch):
    source = "from tests.core.torch_modules import Leaky\nclass Mine(Leaky): ...\n"
    monkeypatch.syspath_prepend(tmp_path)

    def hashed(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        net = network(module=f"{name}:Mine")
        net._module.path = "the same"
        return net.kernel_hash

    assert hashed("mine_1", source) == hashed("mine_2", source)
    assert hashed("mine_3", source + "# another\n") != hashed("mine_1", source)


# --- weights by torch's names -------------------------------------------------------------------------------


def test_weights_go_out_and_in_by_name():
    one, other = network(seed=1), network(seed=2)
    one.advance(*stream(30))
    other.take(one.torch_state())
    assert same(one.parameters(), other.parameters())
    assert same(one.torch_state(), other.torch_state())
    module = torch_modules.Everything(INPUTS, 1)
    module.load_state_dict({name: torch.tensor(array) for name, array in one.torch_state().items()})


def test_weights_of_a_part_of_a_greater_module_are_taken():
    one, other = (network(module=HERE + "Leaky", seed=seed) for seed in (1, 2))
    greater = {f"model.rnn.{name}": array for name, array in one.torch_state().items()}
    other.take({**greater, "model.other.weight": np.zeros(3)})
    assert same(one.parameters(), other.parameters())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda w: w.pop("take.bias"), "array take.bias is not there"),
        (lambda w: w.update(more=np.zeros(1)), "array more is not one of"),
        (
            lambda w: w.update({"give.bias": np.zeros(2)}),
            r"array give.bias has shape \(2,\); .*Leaky has \(1,\)",
        ),
        (
            lambda w: w.update({"give.bias": np.zeros(1, np.int64)}),
            r"array give.bias is of type int64; .*Leaky has torch.float32",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(spoil, says):
    net = network(module=HERE + "Leaky")
    before, weights = net.state(), net.torch_state()
    spoil(weights)
    with pytest.raises(ConfigError, match=says):
        net.take(weights)
    assert same(net.state(), before)


# --- beside the compiled engine -----------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_agrees_with_the_compiled_engine_over_a_thousand_live_events(cell):
    """Outputs and weights in float64, while both learn: the worst difference is below 1e-10."""
    shape = {"inputs": INPUTS, "hidden": 6, "layers": 2, "head": (4,), "activation": "gelu"}
    options = {
        "name": "net",
        "loss": "huber",
        "targets": 2,
        "horizon": 2,
        "stride": 2,
        "schedule": Schedule(rate=0.01, warmup=50),
        "clip": 0.5,
        "dtype": "float64",
    }
    window = [Window(2, 8, by="plateau", every=100) for _ in range(2)]
    compiled = Network(cell=cell, window=window[0], **shape, **options)
    args = {"cell": cell} | {name: value for name, value in shape.items() if name != "inputs"}
    ours = TorchNetwork(module=BUILT_IN, args=args, inputs=INPUTS, window=window[1], **options)
    ours.take(compiled.torch_state())
    events = stream(1000, horizon=2, targets=2)
    np.testing.assert_allclose(ours.advance(*events), compiled.advance(*events), rtol=0, atol=1e-10)
    assert ours.window_now == compiled.window_now > 2
    assert (ours.labelled, ours.updates, ours.clipped) == (
        compiled.labelled,
        compiled.updates,
        compiled.clipped,
    )
    taken = TorchNetwork(module=BUILT_IN, args=args, inputs=INPUTS, window=Window.fixed(2), **options)
    taken.take(compiled.torch_state())
    more = stream(50, horizon=2, targets=2, seed=1)
    unlabelled = more._replace(steps=more.steps._replace(back=np.full(50, -1, np.int32)))
    answers = [net.advance(*unlabelled) for net in (taken, ours)]
    np.testing.assert_allclose(*answers, rtol=0, atol=1e-10)
