"""Weights come from torch's modules and go back to them by name."""

import numpy as np
import pytest

from streamrnn.core.cells import CELLS
from streamrnn.errors import ConfigError
from tests.core.streams import INPUTS, network, same, stream

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

MODULES = {"elman": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


class Model(torch.nn.Module):
    """As a user would write it: names of their own, a head with a hidden layer."""

    def __init__(self, cell: str, layers: int) -> None:
        super().__init__()
        self.rnn = MODULES[cell](INPUTS, 5, layers, dtype=torch.float64)
        self.readout = torch.nn.Sequential(
            torch.nn.Linear(5, 4, dtype=torch.float64),
            torch.nn.Tanh(),
            torch.nn.Linear(4, 1, dtype=torch.float64),
        )


def given(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: array.numpy() for name, array in module.state_dict().items()}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_a_module_goes_in_and_its_function_comes_out(cell, layers):
    module, net = Model(cell, layers), network(cell=cell, layers=layers, head=(4,), dtype="float64")
    net.take(given(module))
    out = net.torch_state()
    twin = Model(cell, layers)
    twin.rnn.load_state_dict({n: torch.from_numpy(a) for n, a in out.items() if not n.startswith("head")})
    x = torch.randn(7, INPUTS, dtype=torch.float64)
    torch.testing.assert_close(twin.rnn(x)[0], module.rnn(x)[0], rtol=0, atol=1e-14)
    for ours, theirs in (("head.0", module.readout[0]), ("head.1", module.readout[2])):
        assert np.array_equal(out[f"{ours}.weight"], theirs.weight.detach())
        assert np.array_equal(out[f"{ours}.bias"], theirs.bias.detach())
    if cell != "gru":
        assert not out["bias_hh_l0"].any()


@pytest.mark.parametrize("cell", CELLS)
def test_what_goes_out_comes_in_again(cell):
    net, other = (network(cell=cell, layers=2, head=(4,), seed=seed) for seed in (1, 2))
    assert not same(net.parameters(), other.parameters())
    other.take(net.torch_state())
    assert same(net.parameters(), other.parameters())
    other = network(cell=cell, layers=2, head=(4,), seed=2)
    other.take(net.parameters())
    assert same(net.parameters(), other.parameters())


def test_a_single_cell_comes_in_by_its_own_names_and_leaves_the_head_as_it_is():
    cell, net = torch.nn.GRUCell(INPUTS, 5, dtype=torch.float64), network(dtype="float64")
    net.advance(*stream(20))
    head = net.parameters()["head.0.weight"].copy()
    net.take(given(cell))
    for name, array in given(cell).items():
        assert np.array_equal(net.parameters()[f"{name}_l0"], array)
    assert np.array_equal(net.parameters()["head.0.weight"], head)


def test_layers_of_a_head_are_ordered_by_number():
    net = network(head=(4,) * 11)
    shuffled = dict(reversed(net.parameters().items()))
    other = network(head=(4,) * 11, seed=3)
    other.take(shuffled)
    assert same(net.parameters(), other.parameters())


def changed(**arrays: np.ndarray | None) -> dict[str, np.ndarray]:
    weights = network().torch_state()
    weights |= {name.replace("__", "."): array for name, array in arrays.items()}
    return {name: array for name, array in weights.items() if array is not None}


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (changed(weight_hh_l0=None), "array weight_hh_l0 is not there; given are bias_hh_l0, bias_ih_l0, "),
        (
            changed(weight_ih_l0=np.zeros((15, 4))),
            r"weight_ih_l0 has shape \(15, 4\); this network has \(15, 3\)",
        ),
        (changed(weight_ih_l1=np.zeros((15, 5))), "array weight_ih_l1 has no counterpart"),
        (changed(bias_ih_l0=np.full(15, np.nan)), "array bias_ih_l0 holds a number that is not finite"),
        (
            changed(other__weight_ih_l0=np.zeros((15, 3))),
            "other.weight_ih_l0, weight_ih_l0 are both weight_ih_l0",
        ),
        (changed(head__0__bias=None), "the head is of head.0.weight, head.0.bias; given are head.0.weight"),
        (
            changed(embedding__weight=np.zeros((2, 2))),
            "given are embedding.weight, head.0.weight, head.0.bias",
        ),
        ({}, "array weight_ih_l0 is not there; given are none of a cell"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(weights, says):
    net = network()
    before = net.state()
    with pytest.raises(ConfigError, match=says):
        net.take(weights)
    assert same(net.state(), before)
