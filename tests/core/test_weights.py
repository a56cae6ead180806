"""Weights by torch's names in a file: out of a network, into another engine and into torch's own modules."""

import numpy as np
import pytest
import safetensors.numpy

from streamrnn.arrays import Steps
from streamrnn.core import weights
from streamrnn.core.network import Network
from streamrnn.core.schedule import Schedule
from streamrnn.core.window import Window
from streamrnn.errors import ConfigError

INPUTS = 3


def network(**changed) -> Network:
    options = {
        "name": "net",
        "inputs": INPUTS,
        "hidden": 5,
        "layers": 2,
        "head": (4,),
        "loss": "squared",
        "horizon": 0,
        "window": Window.fixed(1),
        "schedule": Schedule(),
    }
    return Network(**(options | changed))


@pytest.mark.torch
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_a_file_goes_into_torchs_modules_and_back_into_a_network(tmp_path, cell):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    net, path = network(cell=cell), tmp_path / "w.safetensors"
    weights.write(path, net.torch_state(), {"cell": cell})
    held = load_file(path)
    kind = {"elman": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]
    layers, dense = kind(INPUTS, 5, num_layers=2), [torch.nn.Linear(5, 4), torch.nn.Linear(4, 1)]
    layers.load_state_dict({name: held[name] for name in held if not name.startswith("head.")})
    heads = torch.nn.ModuleList(dense)
    heads.load_state_dict({name[5:]: held[name] for name in held if name.startswith("head.")})
    save_file({f"model.{name}": tensor for name, tensor in held.items()}, path)
    other = network(cell=cell, seed=1)
    weights.start_from(other, path)
    assert other.state()["parameters"].tobytes() == net.state()["parameters"].tobytes()


def test_a_bias_that_torch_keeps_in_two_parts_is_summed(tmp_path):
    net, path = network(cell="elman"), tmp_path / "w.safetensors"
    held = net.torch_state()
    assert not held["bias_hh_l0"].any()
    held["bias_hh_l0"] = np.full_like(held["bias_ih_l0"], 0.25)
    weights.write(path, held, {})
    other = network(cell="elman", seed=1)
    weights.start_from(other, path)
    np.testing.assert_array_equal(other.torch_state()["bias_ih_l0"], held["bias_ih_l0"] + np.float32(0.25))


def test_the_first_prediction_is_that_of_the_weights(tmp_path):
    """float64 weights into a float32 network."""
    plain = {"layers": 1, "head": ()}
    net = network(dtype="float64", **plain)
    held = {name: np.random.default_rng(0).normal(size=a.shape) for name, a in net.torch_state().items()}
    net.take(held)
    path = tmp_path / "w.safetensors"
    weights.write(path, net.torch_state(), {})
    other = network(**plain)
    weights.start_from(other, path)
    none = np.full(1, -1, np.int32)
    steps = Steps(np.zeros(1, np.int32), np.ones(1, np.bool_), np.ones(1, np.bool_), none, none, none)
    x, unknown = np.ones((1, INPUTS)), np.full((1, 1), np.nan)
    expected = net.advance(steps, x, unknown, unknown)
    np.testing.assert_allclose(other.advance(steps, x, unknown, unknown), expected, rtol=1e-5)
    assert abs(expected) > 1e-3


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda w: w.pop("weight_hh_l1"), "weight_hh_l1"),
        (lambda w: w.update(more=np.zeros(1, np.float32)), "more"),
        (lambda w: w.update({"head.1.bias": np.zeros(2, np.float32)}), r"head\.1\.bias"),
        (lambda w: w["bias_ih_l0"].fill(np.nan), "bias_ih_l0 is not finite"),
        (
            lambda w: w.update(bias_ih_l0=w["bias_ih_l0"].astype(np.int32)),
            "bias_ih_l0 is of type int32; weights are float32 or float64",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_file_and_array(tmp_path, spoil, says):
    net, path = network(), tmp_path / "w.safetensors"
    held = net.torch_state()
    spoil(held)
    weights.write(path, held, {})
    before = net.state()["parameters"]
    with pytest.raises(ConfigError, match=f"^{path}: .*{says}"):
        weights.start_from(net, path)
    assert net.state()["parameters"].tobytes() == before.tobytes()


def test_what_is_no_such_file_is_refused_by_its_name(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(ConfigError, match=f"^{path}: weights cannot be read: "):
        weights.read(path)
    path.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match=f"^{path}: weights cannot be read: "):
        weights.read(path)


def test_integers_and_booleans_are_read_as_they_are(tmp_path):
    path = tmp_path / "w.safetensors"
    held = {
        "count": np.array(3, np.int64),
        "mask": np.array([True, False]),
        "bytes": np.arange(2, dtype="u1"),
    }
    weights.write(path, held, {})
    for name, array in weights.read(path).items():
        assert (array.dtype, array.tolist()) == (held[name].dtype, held[name].tolist())


def test_a_type_that_is_not_known_is_refused_with_the_cure(tmp_path):
    path = tmp_path / "w.safetensors"
    head = b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    path.write_bytes(len(head).to_bytes(8, "little") + head + b"\0\0")
    with pytest.raises(ConfigError, match=r"NumPy cannot hold these weights .*; save them as float32"):
        weights.read(path)


def test_facts_stand_beside_the_weights(tmp_path):
    path = tmp_path / "w.safetensors"
    weights.write(path, {"a": np.ones((2, 3)).T}, {"cell": "gru"})
    with safetensors.safe_open(path, "numpy") as file:
        assert file.metadata() == {"format": "pt", "cell": "gru"}
    np.testing.assert_array_equal(weights.read(path)["a"], np.ones((3, 2)))
