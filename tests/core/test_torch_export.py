"""Exported steps: read back by others' readers, the same as the network's own; no file unless it is."""

import importlib.util

import numpy as np
import pytest

from streamrnn.core import weights
from streamrnn.core.network import Network
from streamrnn.core.schedule import Schedule
from streamrnn.core.window import Window
from streamrnn.errors import ConfigError

torch = pytest.importorskip("torch")

from streamrnn.core.pytorch import export as torch_export  # noqa: E402
from streamrnn.core.pytorch.cells import Recurrent  # noqa: E402
from streamrnn.core.pytorch.network import TorchNetwork  # noqa: E402
from tests.core.torch_twin import INPUTS, stream  # noqa: E402

pytestmark = pytest.mark.torch

MODULES = "tests.core.torch_modules:"
NEEDS_ONNX = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript")),
    reason="onnx and onnxscript are not installed (extra `onnx`)",
)
ENDINGS = [".safetensors", ".pt2", pytest.param(".onnx", marks=NEEDS_ONNX)]


def users(module: str, **changed) -> TorchNetwork:
    net = TorchNetwork(
        name="net",
        module=module,
        inputs=INPUTS,
        loss="squared",
        horizon=0,
        window=Window.fixed(2),
        schedule=Schedule(rate=0.05, warmup=0),
        **changed,
    )
    net.advance(*stream(40))
    return net


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_a_compiled_network_goes_out_and_gives_the_same(tmp_path, cell, ending):
    many = cell != "gru"
    dtype = "float64" if many else "float32"
    shape = {
        "cell": cell,
        "hidden": 6,
        "layers": 1 + many,
        "head": (4,) * many,
        "activation": "gelu",
    }
    net = Network(
        name="net",
        inputs=INPUTS,
        loss="squared",
        horizon=0,
        window=Window.fixed(2),
        schedule=Schedule(rate=0.05, warmup=0),
        dtype=dtype,
        **shape,
    )
    net.advance(*stream(40))
    before, path = net.state(), tmp_path / f"model{ending}"
    difference = torch_export.export(net, torch_export.built_in(net, **shape), path)
    assert 0 <= difference < torch_export.TOLERANCE[dtype]
    assert path.exists()
    assert list(tmp_path.iterdir()) == [path], "nothing is left beside it"
    after = net.state()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before), "the network is as it was"


def test_a_program_steps_many_keys_at_once(tmp_path):
    net, path = users("streamrnn.core.pytorch.cells:Recurrent", args={"hidden": 6}), tmp_path / "model.pt2"
    torch_export.export(net, net.module, path)
    step = torch.export.load(path).module()
    x, h = torch.randn(7, INPUTS), torch.randn(7, 1, 6)
    module = net.module.eval()
    many = step(x, h)
    for key in range(7):
        one = module(x[key : key + 1], h[key : key + 1])
        for part, whole in zip(one, many, strict=True):
            torch.testing.assert_close(part[0], whole[key], rtol=0, atol=1e-6)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_users_module_goes_out_and_gives_the_same(tmp_path, ending):
    net, path = users(MODULES + "Leaky"), tmp_path / f"model{ending}"
    assert torch_export.export(net, net.module, path) < 1e-5


def test_weights_say_what_they_are_of(tmp_path):
    from safetensors import safe_open

    net, path = (
        users("streamrnn.core.pytorch.cells:Recurrent", args={"hidden": 6}),
        tmp_path / "w.safetensors",
    )
    torch_export.export(net, net.module, path)
    with safe_open(path, "numpy") as file:
        facts = file.metadata()
    assert facts == {"format": "pt", "cell": "gru", "hidden": "6", "layers": "1", "activation": "tanh"}
    module = Recurrent(INPUTS, 1, hidden=6)
    module.load_state_dict({name: torch.tensor(array) for name, array in weights.read(path).items()})


def test_what_is_no_parameter_goes_out_and_into_another_network(tmp_path):
    net, path = users(MODULES + "Everything"), tmp_path / "w.safetensors"
    other = users(MODULES + "Everything", seed=1)
    net.advance(*stream(10))
    held = net.torch_state()
    assert held["calls"].dtype == np.int64 and held["calls"] > other.torch_state()["calls"]
    torch_export.export(net, net.module, path)
    weights.start_from(other, path)
    for name, array in other.torch_state().items():
        assert (array.dtype, array.tobytes()) == (held[name].dtype, held[name].tobytes()), name


def test_a_file_that_would_give_other_outputs_is_not_written(tmp_path):
    net, path = users(MODULES + "Leaky"), tmp_path / "model.pt2"
    other = users(MODULES + "Leaky", seed=1)
    path.write_text("what was there before")
    with pytest.raises(ConfigError, match=f"^{path}: not written; read back, it gives other outputs, by "):
        torch_export.export(net, other.module, path)
    assert path.read_text() == "what was there before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_step_that_is_not_finite_is_not_written(tmp_path):
    net = users(MODULES + "Leaky")
    state = net.state()
    state["parameters"] = np.full_like(state["parameters"], np.inf)
    net.load(state)
    for path in (tmp_path / "model.pt2", tmp_path / "w.safetensors"):
        with pytest.raises(
            ConfigError, match=f"^{path}: not written; read back, it gives other outputs, by "
        ):
            torch_export.export(net, net.module, path)


def test_an_unknown_ending_is_refused_with_those_that_are_known(tmp_path):
    net = users(MODULES + "Leaky")
    with pytest.raises(ConfigError, match=r"unknown ending \.pth; use \.safetensors, \.pt2, \.onnx"):
        torch_export.export(net, net.module, tmp_path / "model.pth")


def test_a_folder_that_is_not_there_is_refused_by_the_files_name(tmp_path):
    net, path = users(MODULES + "Leaky"), tmp_path / "no" / "model.pt2"
    with pytest.raises(ConfigError, match=f"^{path}: cannot be written: "):
        torch_export.export(net, net.module, path)


def test_onnx_that_is_not_installed_is_asked_for(tmp_path, monkeypatch):
    net = users(MODULES + "Leaky")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs onnx\. Install it with: pip install 'streamrnn\[onnx\]'"):
        torch_export.export(net, net.module, tmp_path / "model.onnx")
