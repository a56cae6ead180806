"""What gradients are compared with: the same function of a window in torch, by autograd, and in NumPy.

Both write cells, head and losses down a second and a third time. A window is what `gradients.tbptt` learns
from: an entry state held constant, inputs, and labels at some of its steps, whose losses are averaged.

Letters: b updates at once, d inputs, n hidden, o outputs, w targets, c carried values of all layers together.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.errors import ConfigError

Array = npt.NDArray[np.float64]
Parameters = Mapping[str, Any]

LEVELS = (0.1, 0.5, 0.9)
"""Of a quantile loss."""


class Form(NamedTuple):
    """What a network computes."""

    cell: str
    layers: int
    hidden: int
    head: tuple[int, ...]
    activation: str
    loss: str


class Window(NamedTuple):
    """What one update learned from."""

    entry: Array
    """(c,)"""
    inputs: list[Array]
    """(d,) of each step."""
    labels: dict[int, Array]
    """Row of `inputs` → (w,), NaN where unknown."""
    past: list[Array]
    """Inputs before the window, from the key's first step."""


class Cell(NamedTuple):
    """Where else a cell is written down."""

    torch: str
    """A function of torch: (x, state, weight_ih, weight_hh, bias_ih, bias_hh) → state."""
    numpy: Callable[[Array, Array, Array], Array]
    """(W x + b, U h + b, carried values) → carried values; one row per update."""
    carried: int
    """c / n of one layer: h, or h and c."""


def carried(form: Form) -> int:
    """c"""
    return form.layers * CELLS[form.cell].carried * form.hidden


# --- torch ----------------------------------------------------------------------------------------------


class TorchOracle:
    """torch's own cells and losses, differentiated by its autograd, for many updates at once."""

    def __init__(self, form: Form) -> None:
        try:
            import torch
        except ImportError as error:
            raise ConfigError(
                "gradcheck needs torch as its oracle. Install it with: pip install 'streamrnn[torch]'"
            ) from error
        self._torch, self._form = torch, form
        self._cell = getattr(torch, CELLS[form.cell].torch)
        self._loss = getattr(self, f"_{form.loss}")

    def step(self, parameters: Mapping[str, Array], x: Array, state: Array) -> tuple[Array, Array]:
        """(carried values (c,), ŷ (o,)) after one step."""
        torch = self._torch
        with torch.no_grad():
            own = {name: torch.from_numpy(array) for name, array in parameters.items()}
            after = self._step(own, torch.from_numpy(x), torch.from_numpy(state))
            return after.numpy(), self._answer(own, after).numpy()

    def gradients(
        self, parameters: Mapping[str, Array], windows: Sequence[Window], total: bool = False
    ) -> dict[str, Array]:
        """(b, …) of each window's mean loss, at b sets of parameters.

        `total`: the entering state moves with the weights, through the key's whole past.
        """
        torch = self._torch
        inputs, valid = _padded([window.inputs for window in windows])
        past, passed = _padded([window.past if total else [] for window in windows])
        labels = _labels(windows, inputs.shape[1])
        judged = [t for t in range(inputs.shape[1]) if not np.isnan(labels[:, t]).all()]
        entries = np.stack([window.entry for window in windows])
        gradient = torch.func.grad(partial(self._value, judged))
        arrays = (entries, inputs, valid, labels, past, passed)
        found = torch.func.vmap(gradient)(
            {name: torch.from_numpy(array) for name, array in parameters.items()},
            *(torch.from_numpy(array) for array in arrays),
        )
        return {name: array.numpy() for name, array in found.items()}

    def _value(
        self,
        judged: list[int],
        parameters: Parameters,
        entry: Any,
        inputs: Any,
        valid: Any,
        labels: Any,
        past: Any,
        passed: Any,
    ) -> Any:
        """The mean loss of one window, whose first steps may be padding."""
        torch = self._torch
        moving = torch.zeros_like(entry)
        for x, here in zip(past, passed, strict=True):
            moving = torch.where(here, self._step(parameters, x, moving), moving)
        state = entry + moving - moving.detach()
        total, count = 0.0, 0.0
        for t, (x, here) in enumerate(zip(inputs, valid, strict=True)):
            state = torch.where(here, self._step(parameters, x, state), state)
            if t in judged:
                known = ~torch.isnan(labels[t])
                losses = self._loss(self._answer(parameters, state), torch.nan_to_num(labels[t]))
                total = total + torch.where(known, losses, 0.0).mean()
                count = count + known.any()
        return total / count

    def _step(self, parameters: Parameters, x: Any, carried: Any) -> Any:
        form, after, width = self._form, [], carried.shape[0] // self._form.layers
        for layer in range(form.layers):
            weights = [parameters[f"weight_{part}_l{layer}"] for part in ("ih", "hh")]
            if f"bias_l{layer}" in parameters:
                bias = parameters[f"bias_l{layer}"]
                weights += [bias, self._torch.zeros_like(bias)]
            else:
                weights += [parameters[f"bias_{part}_l{layer}"] for part in ("ih", "hh")]
            state = carried[layer * width : (layer + 1) * width].reshape(-1, 1, form.hidden)
            found = self._cell(x[None], state[0] if len(state) == 1 else tuple(state), *weights)
            after += [found] if len(state) == 1 else [*found]
            x = after[-len(state)][0]
        return self._torch.cat(after, dim=1)[0]

    def _answer(self, parameters: Parameters, carried: Any) -> Any:
        """ŷ from the top layer's h."""
        form, functions = self._form, self._torch.nn.functional
        activations = {
            "tanh": self._torch.tanh,
            "relu": functions.relu,
            "gelu": lambda sums: functions.gelu(sums, approximate="tanh"),
        }
        top = (form.layers - 1) * CELLS[form.cell].carried * form.hidden
        y = carried[top : top + form.hidden]
        for layer in range(len(form.head) + 1):
            y = functions.linear(y, parameters[f"head.{layer}.weight"], parameters[f"head.{layer}.bias"])
            if layer < len(form.head):
                y = activations[form.activation](y)
        return y

    # each (ŷ (o,), labels (w,)) → (w,)

    def _squared(self, y: Any, label: Any) -> Any:
        return 0.5 * self._torch.nn.functional.mse_loss(y, label, reduction="none")

    def _absolute(self, y: Any, label: Any) -> Any:
        return self._torch.nn.functional.l1_loss(y, label, reduction="none")

    def _huber(self, y: Any, label: Any) -> Any:
        return self._torch.nn.functional.huber_loss(y, label, reduction="none")

    def _quantile(self, y: Any, label: Any) -> Any:
        levels = self._torch.tensor(LEVELS, dtype=label.dtype)
        missed = label[:, None] - y.reshape(-1, len(LEVELS))
        return self._torch.maximum(levels * missed, (levels - 1) * missed).mean(dim=1)

    def _logistic(self, y: Any, label: Any) -> Any:
        functions = self._torch.nn.functional
        return functions.binary_cross_entropy_with_logits(y, label, reduction="none")

    def _softmax(self, y: Any, label: Any) -> Any:
        functions = self._torch.nn.functional
        return functions.cross_entropy(y[None], label.long(), reduction="none")

    def _poisson(self, y: Any, label: Any) -> Any:
        return self._torch.nn.functional.poisson_nll_loss(y, label, reduction="none")


def _padded(windows: Sequence[Sequence[Array]]) -> tuple[Array, npt.NDArray[np.bool_]]:
    """(b, T, d) with zeros in front of what is shorter, and (b, T) what is not padding."""
    longest = max(len(inputs) for inputs in windows)
    width = next((inputs[0].size for inputs in windows if inputs), 0)
    rows, valid = np.zeros((len(windows), longest, width)), np.zeros((len(windows), longest), np.bool_)
    for row, here, inputs in zip(rows, valid, windows, strict=True):
        if inputs:
            row[-len(inputs) :], here[-len(inputs) :] = inputs, True
    return rows, valid


def _labels(windows: Sequence[Window], steps: int) -> Array:
    """(b, T, w) NaN where there is none; padded as the inputs are."""
    width = next(label.size for window in windows for label in window.labels.values())
    labels = np.full((len(windows), steps, width), np.nan)
    for row, window in zip(labels, windows, strict=True):
        for t, label in window.labels.items():
            row[steps - len(window.inputs) + t] = label
    return labels


# --- NumPy ----------------------------------------------------------------------------------------------


def differences(form: Form, parameters: Mapping[str, Array], window: Window, step: float) -> Array:
    """The window's gradient by (f(θ + ε) − f(θ − ε)) / 2ε, every component at once, flat."""
    flat = np.concatenate([array.ravel() for array in parameters.values()])
    moved = np.concatenate([flat + step * np.eye(flat.size), flat - step * np.eye(flat.size)])
    many, begin = {}, 0
    for name, array in parameters.items():
        many[name] = moved[:, begin : begin + array.size].reshape(-1, *array.shape)
        begin += array.size
    value = _value(form, many, window)
    return np.asarray((value[: flat.size] - value[flat.size :]) / (2 * step))


def _value(form: Form, parameters: Mapping[str, Array], window: Window) -> Array:
    """(b,) the window's mean loss at b sets of parameters."""
    sets = len(next(iter(parameters.values())))
    width = window.entry.size // form.layers
    states = [
        np.broadcast_to(window.entry[layer * width : (layer + 1) * width], (sets, width))
        for layer in range(form.layers)
    ]
    losses = []
    for t, row in enumerate(window.inputs):
        x = np.broadcast_to(row, (sets, row.size))
        for layer, state in enumerate(states):
            h = state[:, : form.hidden]
            sums = _affine(parameters, f"ih_l{layer}", x), _affine(parameters, f"hh_l{layer}", h)
            states[layer] = CELLS[form.cell].numpy(*_with_bias(parameters, layer, *sums), state)
            x = states[layer][:, : form.hidden]
        if t in window.labels:
            losses.append(_loss(form.loss, _answer(form, parameters, x), window.labels[t]))
    return np.asarray(np.mean(losses, axis=0))


def _affine(parameters: Mapping[str, Array], name: str, x: Array) -> Array:
    """(b, m) weight · x, and the bias of the same name if there is one."""
    product = np.einsum("bij,bj->bi", parameters[f"weight_{name}"], x)
    return np.asarray(product + parameters.get(f"bias_{name}", 0.0))


def _with_bias(parameters: Mapping[str, Array], layer: int, a: Array, b: Array) -> tuple[Array, Array]:
    """The one bias of a cell that has no two."""
    return np.asarray(a + parameters.get(f"bias_l{layer}", 0.0)), b


def _answer(form: Form, parameters: Mapping[str, Array], h: Array) -> Array:
    for layer in range(len(form.head) + 1):
        weight, bias = parameters[f"head.{layer}.weight"], parameters[f"head.{layer}.bias"]
        h = np.einsum("bij,bj->bi", weight, h) + bias
        if layer < len(form.head):
            h = _ACTIVATIONS[form.activation](h)
    return h


def _loss(loss: str, y: Array, label: Array) -> Array:
    """(b,) mean over the fields of which the label is known."""
    known = ~np.isnan(label)
    losses = _LOSSES[loss](y, np.nan_to_num(label))
    return np.asarray(np.where(known, losses, 0.0).mean(axis=1))


def _sigmoid(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _elman(a: Array, b: Array, state: Array) -> Array:
    return np.tanh(a + b)


def _gru(a: Array, b: Array, state: Array) -> Array:
    n = state.shape[1]
    r, z = _sigmoid(a[:, :n] + b[:, :n]), _sigmoid(a[:, n : 2 * n] + b[:, n : 2 * n])
    new = np.tanh(a[:, 2 * n :] + r * b[:, 2 * n :])
    return np.asarray((1.0 - z) * new + z * state)


def _lstm(a: Array, b: Array, state: Array) -> Array:
    n = state.shape[1] // 2
    i, f, g, o = np.split(a + b, 4, axis=1)
    c = _sigmoid(f) * state[:, n:] + _sigmoid(i) * np.tanh(g)
    return np.concatenate([_sigmoid(o) * np.tanh(c), c], axis=1)


def _pinball(y: Array, label: Array) -> Array:
    levels = np.array(LEVELS)
    missed = label[:, np.newaxis] - y.reshape(len(y), label.size, levels.size)
    return np.asarray(np.maximum(levels * missed, (levels - 1.0) * missed).mean(axis=2))


def _half_then_straight(y: Array, label: Array) -> Array:
    missed = abs(y - label)
    return np.where(missed <= 1.0, 0.5 * missed**2, missed - 0.5)


CELLS = {
    "elman": Cell("rnn_tanh_cell", _elman, 1),
    "gru": Cell("gru_cell", _gru, 1),
    "lstm": Cell("lstm_cell", _lstm, 2),
}
_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "gelu": lambda x: 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3))),
}
_LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "squared": lambda y, label: 0.5 * (y - label) ** 2,
    "absolute": lambda y, label: abs(y - label),
    "huber": _half_then_straight,
    "quantile": _pinball,
    "logistic": lambda y, label: np.logaddexp(0.0, y) - label * y,
    "softmax": lambda y, label: np.logaddexp.reduce(y, axis=1)[:, None] - y[:, label.astype(int)],
    "poisson": lambda y, label: np.exp(y) - label * y,
}
"""(ŷ (b, o), labels (w,)) → (b, w)"""
