"""A `torch.nn.Module` as the torch engine holds it: parameters in one flat vector, states as plain lists.

    class Mine(torch.nn.Module):
        def forward(self, x, state): ...          # x (B, d) → output (B, o), the state to go on with
        def initial_state(self, batch): ...       # only if zeros would not do

A state is a tensor or a tuple of tensors, batch first. The engine steps one event at a time, B = 1.
"""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from streamrnn.arrays import State
from streamrnn.core.pytorch.losses import Levels, Loss
from streamrnn.errors import ConfigError

Array = npt.NDArray[Any]

USERS_FAULTS = (
    TypeError,
    ValueError,
    AttributeError,
    LookupError,
    RuntimeError,
    ArithmeticError,
    AssertionError,
)
"""What a module that does not fit may raise when it is made or first called."""
KEPT = frozenset(
    [torch.bool, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.float32, torch.float64]
)
"""Types that a snapshot can hold."""


class Module:
    """A module made from its class's name, with what autograd makes of it. It is told when to learn.

    Letters: d inputs, o outputs, p learnable parameters.
    """

    def __init__(
        self,
        path: str,
        args: Mapping[str, Any],
        *,
        inputs: int,
        outputs: int,
        dtype: npt.DTypeLike,
        device: str,
        seed: int,
    ) -> None:
        """Raises ConfigError that begins with `path` if there is no such class or it does not fit."""
        self.path, self.inputs, self.outputs = path, inputs, outputs
        self.dtype = torch.float64 if np.dtype(dtype) == np.float64 else torch.float32
        self.device = _device(path, device)
        self.random = Random(seed, self.device)
        with self.random.alone():
            self.module = _made(path, args, inputs, outputs).to(self.dtype).to(self.device)
            self._tuple = False
            self._zeros: list[Array] | None = None
            self._probe()
        self._learned = {name: p for name, p in self.module.named_parameters() if p.requires_grad}
        self.flat = self._flatten()
        self._moving = [name for name, tensor in self.fixed().items() if tensor.is_floating_point()]

    # --- one step ---------------------------------------------------------------------------------

    def begin(self) -> list[Array]:
        """The state that a new key enters its first step with."""
        if self._zeros is not None:
            return self._zeros
        with torch.no_grad():
            return self._kept(self._listed(self.module.initial_state(1)))

    def predict(self, x: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        """(o,) outputs and the next state from x (d,); the module is in evaluation mode."""
        self.module.eval()
        with torch.no_grad(), self._sound():
            output, after = self._step(self._tensor(x)[None], self._tensors(state))
            return output[0].cpu().numpy(), self._kept(after)

    def gradient(self, entry: list[Array], inputs: Array, targets: Array, loss: Loss, levels: Levels) -> Any:
        """(p,) of the mean loss over the labels of a window; the module is in training mode.

        `entry` is the state that the window begins with, a constant: there the gradient is cut; inputs
        (k, d); `targets` (k, w) are NaN in rows without a label.
        """
        self.module.train()
        state, losses = self._tensors(entry), []
        x, labels = self._tensor(inputs), self._tensor(targets)
        with self._sound():
            for t, target in enumerate(targets):
                output, state = self._step(x[t : t + 1], state)
                if not np.isnan(target).all():
                    losses.append(loss.value(output[0], labels[t], levels))
            mean = sum(losses) / len(losses)
            found = torch.autograd.grad(mean, list(self._learned.values()), materialize_grads=True)
        return torch.cat([part.reshape(-1) for part in found])

    def _step(self, x: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        output, after = self.module(x, tuple(state) if self._tuple else state[0])
        return output, self._listed(after)

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """What calls leave in buffers stays only if all of it is finite."""
        if not self._moving:
            yield
            return
        before = {name: tensor.clone() for name, tensor in self.fixed().items()}
        yield
        after = self.fixed()
        if not all(torch.isfinite(after[name]).all() for name in self._moving):
            with torch.no_grad():
                for name, tensor in after.items():
                    tensor.copy_(before[name])

    # --- its form -----------------------------------------------------------------------------------

    def _probe(self) -> None:
        """Learn the form of states and outputs from one call, which leaves buffers as they were."""
        self.module.eval()
        buffers = {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        x = torch.zeros(1, self.inputs, dtype=self.dtype, device=self.device)
        own = hasattr(self.module, "initial_state")
        with self._naming("its forward(x, state) fails" + ("" if own else " with no state (None)")):
            state = self.module.initial_state(1) if own else None
            answer = self.module(x, self._placed(state) if own else None)
            if not isinstance(answer, tuple) or len(answer) != 2:
                raise TypeError("it must return (output, state)")
            output, after = answer
            self._tuple = not isinstance(after, torch.Tensor)
            states = self._kept(self._listed(after))
            if own:
                self._same_form(self._kept(self._listed(state)), states)
        self._check(output)
        if not own:
            self._zeros = [np.zeros_like(array) for array in states]
        with torch.no_grad():
            for name, buffer in self.module.named_buffers():
                if name in buffers:
                    buffer.copy_(buffers[name])

    def _check(self, output: Any) -> None:
        if tuple(output.shape) != (1, self.outputs):
            raise ConfigError(
                f"{self.path}: its output has shape {tuple(output.shape)} for x of shape "
                f"(1, {self.inputs}); the task needs (1, {self.outputs})"
            )
        if not output.requires_grad:
            raise ConfigError(f"{self.path}: its output depends on no parameter; nothing can be learned")

    def _same_form(self, first: list[Array], then: list[Array]) -> None:
        forms = [[(array.shape, array.dtype.name) for array in state] for state in (first, then)]
        if forms[0] != forms[1]:
            raise TypeError(f"initial_state has the form {forms[0]}, the next state {forms[1]}")

    def _listed(self, state: Any) -> list[Any]:
        """A state as a list of tensors, floating ones in the network's type."""
        parts = [state] if isinstance(state, torch.Tensor) else list(state)
        for part in parts:
            if not isinstance(part, torch.Tensor):
                raise TypeError(f"a state is a tensor or a tuple of tensors, not of {type(part).__name__}")
        return [self._placed(part) for part in parts]

    def _placed(self, part: Any) -> Any:
        if not isinstance(part, torch.Tensor):
            return tuple(self._placed(each) for each in part)
        part = part.to(self.device)
        return part.to(self.dtype) if part.is_floating_point() else part

    def _kept(self, state: list[Any]) -> list[Array]:
        for part in state:
            if part.dtype not in KEPT:
                raise TypeError(f"a state of type {part.dtype} cannot be kept; torch.view_as_real helps")
        return [part.detach().cpu().numpy() for part in state]

    def _tensor(self, array: Array) -> Any:
        """A copy: torch's own memory is aligned alike at all times, and so the bits are the same."""
        return torch.tensor(array, device=self.device)

    def _tensors(self, state: list[Array]) -> list[Any]:
        return [self._tensor(array) for array in state]

    @contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        try:
            yield
        except USERS_FAULTS as error:
            raise ConfigError(f"{self.path}: {what}: {type(error).__name__}: {error}") from error

    def _flatten(self) -> Any:
        """All learnable parameters become views of one vector, so that clipping and optimisers see one."""
        if odd := [name for name, p in self._learned.items() if p.dtype != self.dtype]:
            raise ConfigError(
                f"{self.path}: parameter {odd[0]} has type {self._learned[odd[0]].dtype}; "
                "only real ones can be learned"
            )
        flat = torch.cat([p.detach().reshape(-1) for p in self._learned.values()])
        for p, view in zip(self._learned.values(), self._views(flat).values(), strict=True):
            p.data = view
        return flat.requires_grad_()

    def _views(self, flat: Any) -> dict[str, Any]:
        views, begin = {}, 0
        for name, p in self._learned.items():
            views[name] = flat.detach()[begin : begin + p.numel()].view(p.shape)
            begin += p.numel()
        return views

    # --- what it holds ------------------------------------------------------------------------------

    def parameters(self) -> dict[str, Array]:
        """The learnable ones by the module's names; views where the device is the CPU."""
        return {name: view.cpu().numpy() for name, view in self._views(self.flat).items()}

    def fixed(self) -> dict[str, Any]:
        """Everything else that may shape the future: buffers, and parameters that are not learned."""
        frozen = {name: p for name, p in self.module.named_parameters() if name not in self._learned}
        fixed = {**frozen, **dict(self.module.named_buffers())}
        if odd := [name for name, tensor in fixed.items() if tensor.dtype not in KEPT]:
            raise ConfigError(f"{self.path}: {odd[0]} of type {fixed[odd[0]].dtype} cannot be kept")
        return fixed

    def torch_state(self) -> State:
        """Copies of what torch calls the module's state, by its names."""
        held = self.module.state_dict()
        return {name: np.array(tensor.detach().cpu().numpy()) for name, tensor in held.items()}

    def take(self, weights: Mapping[str, Array]) -> None:
        """Begin with these weights, by the names of `torch_state`; buffers may be left out.

        Raises ConfigError naming the first array that is missing, unknown, or of another shape or kind.
        """
        own = self.module.state_dict(keep_vars=True)
        needed = [name for name, _ in self.module.named_parameters()]
        weights = _without_prefix(weights, needed)
        if missing := [name for name in needed if name not in weights]:
            raise ConfigError(f"weights: array {missing[0]} is not there")
        if unknown := [name for name in weights if name not in own]:
            raise ConfigError(f"weights: array {unknown[0]} is not one of {self.path}")
        for name, array in weights.items():
            if array.shape != tuple(own[name].shape):
                raise ConfigError(
                    f"weights: array {name} has shape {array.shape}; {self.path} has {tuple(own[name].shape)}"
                )
            if (array.dtype.kind == "f") != own[name].is_floating_point():
                raise ConfigError(
                    f"weights: array {name} is of type {array.dtype}; {self.path} has {own[name].dtype}"
                )
        self.put({name: own[name] for name in weights}, weights)

    @staticmethod
    def put(tensors: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Give each tensor the values of the array of its name."""
        with torch.no_grad():
            for name, tensor in tensors.items():
                tensor.copy_(torch.tensor(arrays[name]))

    @property
    def source_hash(self) -> str:
        """Of torch's version and the files of all classes in the module that are not torch's own."""
        digest = hashlib.sha256(repr((torch.__version__, self.device.type, self.path)).encode())
        kinds = {type(part) for part in self.module.modules()}
        files = {inspect.getsourcefile(kind) for kind in kinds if not kind.__module__.startswith("torch.")}
        for file in sorted(file for file in files if file is not None):
            digest.update(hashlib.sha256(Path(file).read_bytes()).digest())
        return digest.hexdigest()


class Random:
    """torch's random numbers, as one module alone draws them."""

    def __init__(self, seed: int, device: Any) -> None:
        self._cuda = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(self._cuda):
            torch.manual_seed(seed)
            self._keep()

    def _keep(self) -> None:
        self._states = [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in self._cuda)]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Its own random numbers, one thread, deterministic algorithms; then all is put back.

        On CUDA an operation that has no deterministic form warns and goes on.
        """
        threads, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
        warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        with torch.random.fork_rng(self._cuda):
            torch.set_num_threads(1)
            torch.use_deterministic_algorithms(True, warn_only=bool(self._cuda))
            torch.set_rng_state(self._states[0])
            for device, state in zip(self._cuda, self._states[1:], strict=True):
                torch.cuda.set_rng_state(state, device)
            try:
                yield
            finally:
                self._keep()
                torch.use_deterministic_algorithms(exact, warn_only=warn_only)
                torch.set_num_threads(threads)

    def state(self) -> State:
        return {str(index): state.numpy().copy() for index, state in enumerate(self._states)}

    def load(self, state: State) -> None:
        self._states = [torch.tensor(state[str(index)]) for index in range(len(self._states))]


# --- from a name to a module ----------------------------------------------------------------------


def _device(path: str, name: str) -> Any:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"{path}: device: cuda is not there; write device: cpu")
    return torch.device("cuda", torch.cuda.current_device()) if name == "cuda" else torch.device(name)


def norm(gradient: Any) -> float:
    """In double precision, whatever the type."""
    return float(torch.linalg.vector_norm(gradient, dtype=torch.float64))


def _made(path: str, args: Mapping[str, Any], inputs: int, outputs: int) -> Any:
    """An instance; `inputs` and `outputs` are given where its constructor has parameters of these names."""
    kind = _class(path)
    given = {"inputs": inputs, "outputs": outputs}
    wanted = {name: value for name, value in given.items() if _takes(kind, name)} | dict(args)
    try:
        return kind(**wanted)
    except USERS_FAULTS as error:
        shown = ", ".join(f"{name}={value!r}" for name, value in wanted.items())
        raise ConfigError(f"{path}({shown}) fails: {type(error).__name__}: {error}") from error


def _takes(kind: Callable[..., Any], name: str) -> bool:
    return name in inspect.signature(kind).parameters


def _class(path: str) -> Any:
    """The class `package.module:Class`, found as Python finds modules; the working directory comes last."""
    where, _, name = path.partition(":")
    if not where or not name.isidentifier():
        raise ConfigError(f"{path}: expected package.module:Class")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(where)
    except ImportError as error:
        raise ConfigError(f"{path}: module {where} cannot be imported: {error}") from error
    if not hasattr(module, name):
        raise ConfigError(f"{path}: module {where} has no {name}")
    kind = getattr(module, name)
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise ConfigError(f"{path} is no torch.nn.Module")
    return kind


def _without_prefix(weights: Mapping[str, Array], needed: Iterable[str]) -> Mapping[str, Array]:
    """The weights of a part of a greater module, `model.gru.weight_ih_l0`, by the part's own names."""
    needed = list(needed)
    if not needed or any(name in weights for name in needed):
        return weights
    ends = [name.removesuffix(needed[0]) for name in weights if name.endswith(f".{needed[0]}")]
    prefix = ends[0] if len(ends) == 1 else ""
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}
