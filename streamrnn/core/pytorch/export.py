"""One step of a network as a file that others can run: `.safetensors`, `.pt2` or `.onnx`.

What is exported is (x, state) → (output, next state), with x as the network sees it (scaled features) and the
output as the network gives it (in the loss's scale). A file takes its name only after it was read back
and has given what the network itself gives over a few steps.
"""

import copy
import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from streamrnn.arrays import Steps
from streamrnn.core import weights
from streamrnn.core.network import Network
from streamrnn.core.pytorch.cells import CARRIED, Recurrent
from streamrnn.core.pytorch.network import TorchNetwork
from streamrnn.errors import ConfigError

Array = npt.NDArray[Any]
Runner = Callable[[Array, list[Array]], tuple[Array, list[Array]]]
"""One step: x (1, d), state → output (1, o), next state."""

STEPS = 20
"""Steps that a file is compared over."""
TOLERANCE = {"float32": 1e-5, "float64": 1e-8}
"""Greatest difference of an output, as a share of the greatest output or 1; onnxruntime's gelu has 1e-9."""


def built_in(
    network: Network, *, cell: str, hidden: int, layers: int, head: tuple[int, ...], activation: str
) -> Recurrent:
    """A compiled network as a torch module; the arguments are those that it was made with."""
    module = Recurrent(network.inputs, network.outputs, cell, hidden, layers, head, activation)
    module.to(torch.float64 if network.dtype == np.float64 else torch.float32)
    module.load_state_dict({name: torch.tensor(array) for name, array in network.torch_state().items()})
    return module


def export(network: Network | TorchNetwork, module: Any, path: Path) -> float:
    """Write the step of `network`, which is `module`; returns the greatest difference found.

    The network is left as it was. Raises ConfigError for an unknown ending or a missing library, and if the
    module cannot be exported or the file gives other outputs than the network.
    """
    writer = _WRITERS.get(path.suffix)
    if writer is None:
        raise ConfigError(f"{path}: unknown ending {path.suffix or '(none)'}; use {', '.join(_WRITERS)}")
    module = copy.deepcopy(module).cpu().eval()
    x = np.random.default_rng(0).normal(size=(STEPS, 1, network.inputs)).astype(network.dtype)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            new = Path(folder) / path.name
            run = writer(module, x[0], new)
            difference = _difference(_run(network, x), _run_file(run, _first(module, x[0]), x))
            if not difference <= TOLERANCE[network.dtype.name]:
                raise ConfigError(
                    f"{path}: not written; read back, it gives other outputs, by {difference:.1e}"
                )
            new.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error
    return difference


# --- the comparison -------------------------------------------------------------------------------------


def _run(network: Network | TorchNetwork, x: Array) -> Array:
    """(steps, o) of a new key without labels; the network is put back afterwards."""
    before = network.state()
    slot = len(before["keys/steps"])
    none = np.full(STEPS, -1, np.int32)
    steps = Steps(
        slots=np.full(STEPS, slot, np.int32),
        fresh=np.arange(STEPS) == 0,
        moves=np.ones(STEPS, np.bool_),
        back=none,
        keep=none,
        judge=none,
    )
    unknown = np.full((STEPS, network.targets), np.nan)
    try:
        return network.advance(steps, x[:, 0], unknown, unknown)
    finally:
        network.load(before)


def _run_file(run: Runner, state: list[Array], x: Array) -> Array:
    outputs = []
    for row in x:
        output, state = run(row, state)
        outputs.append(output[0])
    return np.array(outputs)


def _difference(ours: Array, theirs: Array) -> float:
    return float(np.max(np.abs(ours - theirs)) / max(1.0, np.max(np.abs(ours))))


def _first(module: Any, x: Array) -> list[Array]:
    return [part.detach().numpy() for part in _listed(_state(module, torch.tensor(x), 1))]


def _state(module: Any, x: Any, batch: int) -> Any:
    """What a new key enters with, floating parts in the type of `x`."""
    if hasattr(module, "initial_state"):
        state = module.initial_state(batch)
    else:
        with torch.no_grad():
            _, after = copy.deepcopy(module)(x, None)
        state = _like(after, [torch.zeros_like(part) for part in _listed(after)])
    typed = [part.to(x.dtype) if part.is_floating_point() else part for part in _listed(state)]
    return _like(state, typed)


def _listed(state: Any) -> list[Any]:
    return [state] if isinstance(state, torch.Tensor) else list(state)


def _like(state: Any, parts: list[Any]) -> Any:
    return parts[0] if isinstance(state, torch.Tensor) else tuple(parts)


# --- one writer per ending --------------------------------------------------------------------------------


def _safetensors(module: Any, x: Array, path: Path) -> Runner:
    """Weights by torch's names; what they are of stands beside them."""
    held = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    weights.write(path, held, _facts(module))
    again = copy.deepcopy(module)
    again.load_state_dict(load_file(path))
    return _runner(again, _state(module, torch.tensor(x), 1))


def _facts(module: Any) -> Mapping[str, str]:
    if not isinstance(module, Recurrent):
        return {"module": f"{type(module).__module__}:{type(module).__name__}"}
    names = ("cell", "hidden", "layers", "activation")
    return {name: str(getattr(module, name)) for name in names}


def _pt2(module: Any, x: Array, path: Path) -> Runner:
    """A `torch.export` program; read it with `torch.export.load(path).module()`."""
    torch.export.save(_program(module, x), path)
    return _runner(torch.export.load(path).module(), _state(module, torch.tensor(x), 1))


def _program(module: Any, x: Array) -> Any:
    """A built-in step takes any number of keys at once; a user's takes one, as the engine calls it."""
    many = isinstance(module, Recurrent)
    inputs = torch.tensor(x).expand(2 if many else 1, -1).clone()
    state = _state(module, torch.tensor(x), len(inputs))
    rows = {0: torch.export.Dim("keys")}
    shapes = {"x": rows, "state": _like(state, [rows] * len(_listed(state)))} if many else None
    try:
        return torch.export.export(module, (inputs, state), dynamic_shapes=shapes)
    except RuntimeError as error:  # torch's own word for what it cannot trace
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{type(module).__name__} cannot be exported: {type(error).__name__}: {reason}"
        ) from error


def _runner(step: Any, form: Any) -> Runner:
    def run(x: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        with torch.no_grad():
            output, after = step(torch.tensor(x), _like(form, [torch.tensor(part) for part in state]))
        return output.numpy(), [part.numpy() for part in _listed(after)]

    return run


def _onnx(module: Any, x: Array, path: Path) -> Runner:
    """Inputs `x` and the state's parts (`h`, `c`, or numbered); outputs `output` and each part's `…_next`."""
    for library in ("onnx", "onnxscript"):
        if importlib.util.find_spec(library) is None:
            raise ConfigError(f"{path.name}: needs {library}. Install it with: pip install 'streamrnn[onnx]'")
    states = _names(module, len(_listed(_state(module, torch.tensor(x), 1))))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # else a line for each library that is not there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # onnxscript's, of its own functions
        torch.onnx.export(
            _program(module, x),
            f=path,
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["x", *states],
            output_names=["output", *(f"{name}_next" for name in states)],
        )
    session = _session(path)

    def run(x: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        output, *after = session.run(None, {"x": x, **dict(zip(states, state, strict=True))})
        return output, after

    return run


def _names(module: Any, parts: int) -> list[str]:
    if isinstance(module, Recurrent):
        return ["h", "c"][: CARRIED[module.cell]]
    return ["state"] if parts == 1 else [f"state_{index}" for index in range(parts)]


def _session(path: Path) -> Any:
    """onnxruntime if it is installed, else the reference of onnx itself."""
    if importlib.util.find_spec("onnxruntime") is not None:
        onnxruntime = importlib.import_module("onnxruntime")
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return importlib.import_module("onnx.reference").ReferenceEvaluator(path)


_WRITERS: dict[str, Callable[[Any, Array, Path], Runner]] = {
    ".safetensors": _safetensors,
    ".pt2": _pt2,
    ".onnx": _onnx,
}
