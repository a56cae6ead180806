"""Are the gradients right? A live run, whose weights move at every update, beside autograd and differences.

A network learns a small random stream of interleaved keys in float64, event by event. At each update the
gradient that the kernel used is compared with torch autograd of the window's function (DESIGN of
`gradients.tbptt`) at the weights of that moment, and at the last few updates also with central differences
of a NumPy twin. Who takes part in the window is decided here a second time, from plain lists.

For one-step learning there are two derivatives to speak of: with the entering state held constant, which
is what it follows, and the total one through the key's whole past, which is what it leaves out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.network import Network
from streamrnn.core.schedule import Schedule
from streamrnn.core.window import Window
from streamrnn.errors import ConfigError

Array = npt.NDArray[np.float64]
Parameters = dict[str, Array]

HIDDEN = (3, 8)
WINDOWS = ((1, 1), (2, 1), (5, 1), (20, 1), (5, 5), (20, 4))
"""(k; s) of BPTT(k; s)."""
LOSSES = ("squared", "huber", "logistic")
HORIZONS = (0, 3)
"""Labels of the same event, and labels three steps late."""

AUTOGRAD_TOLERANCE = 1e-10
DIFFERENCES_TOLERANCE = 1e-6
TOTAL_LEAST = 1e-3
"""For k = 1 the total derivative must differ by more, or the check does not tell the two apart."""

INPUTS, KEYS, EVENTS = 3, 3, 90
DIFFERENCED = 3
"""Updates of each run that are compared with central differences: the last ones."""
STEP = 1e-5


class Row(NamedTuple):
    """One case: greatest errors relative to the greatest component of the gradient."""

    hidden: int
    window: int
    stride: int
    loss: str
    horizon: int
    updates: int
    output: float
    """Greatest difference of a published output from torch's."""
    autograd: float
    """From torch autograd, with the entering state held constant."""
    differences: float
    """From central differences of the same function."""
    total: float | None
    """From the total derivative, through the key's whole past; only for k = 1, where it must differ."""

    @property
    def passed(self) -> bool:
        told_apart = self.total is None or self.total > TOTAL_LEAST
        return (
            self.updates > 0
            and self.autograd <= AUTOGRAD_TOLERANCE
            and self.output <= AUTOGRAD_TOLERANCE
            and self.differences <= DIFFERENCES_TOLERANCE
            and told_apart
        )


def gradcheck(
    *,
    cell: str = "gru",
    hidden: Iterable[int] = HIDDEN,
    windows: Iterable[tuple[int, int]] = WINDOWS,
    losses: Iterable[str] = LOSSES,
    horizons: Iterable[int] = HORIZONS,
    seed: int = 0,
) -> Iterator[Row]:
    """One row per case, as it is checked; needs torch."""
    for n, (k, s), loss, horizon in product(hidden, windows, losses, horizons):
        yield _check(cell, n, k, s, loss, horizon, seed)


# --- one case ------------------------------------------------------------------------------------


@dataclass
class _Key:
    """What a key went through, as plain lists: step j has an input and an entry state."""

    inputs: list[Array] = field(default_factory=list)
    entries: list[Array] = field(default_factory=list)
    pending: list[tuple[int, float]] = field(default_factory=list)
    """(step, label) still to be learned."""
    state: Array = field(default_factory=lambda: np.zeros(0))


class _Window(NamedTuple):
    """The function whose gradient an update follows."""

    entry: Array
    inputs: list[Array]
    labels: list[tuple[int, float]]
    """(row of `inputs`, label); their losses are averaged."""
    past: list[Array]
    """Inputs before the window, from the key's first step."""


class _Update(NamedTuple):
    """The gradient that the kernel used, the parameters that it was taken at, and of what."""

    gradient: Array
    parameters: Parameters
    window: _Window


def _check(cell: str, n: int, k: int, s: int, loss: str, horizon: int, seed: int) -> Row:
    twin = _Twin(cell, n, loss)
    run = _Run(twin, _network(cell, n, k, s, loss, horizon, seed))
    for event in _stream(loss, seed):
        run.event(*event)
    learned = run.learned
    total = _worst(_error(u.gradient, twin.gradient(u, total=True)) for u in learned) if k == 1 else None
    return Row(
        hidden=n,
        window=k,
        stride=s,
        loss=loss,
        horizon=horizon,
        updates=len(learned),
        output=_worst(run.output_errors),
        autograd=_worst(_error(u.gradient, twin.gradient(u)) for u in learned),
        differences=_worst(_error(u.gradient, _differences(cell, loss, u)) for u in learned[-DIFFERENCED:]),
        total=total,
    )


def _network(cell: str, n: int, k: int, s: int, loss: str, horizon: int, seed: int) -> Network:
    """With a rate at which the weights move far from update to update."""
    return Network(
        name="gradcheck",
        cell=cell,
        inputs=INPUTS,
        hidden=n,
        loss=loss,
        horizon=horizon,
        window=Window.fixed(k),
        stride=s,
        schedule=Schedule(rate=0.02, warmup=0),
        dtype="float64",
        seed=seed,
    )


class _Run:
    """The network's live run, with what its updates should have been made of."""

    def __init__(self, twin: "_Twin", network: Network) -> None:
        self._twin, self._network = twin, network
        self._keys: dict[int, _Key] = {}
        self.output_errors: list[float] = []
        self.learned: list[_Update] = []

    def event(self, slot: int, fresh: bool, label: float | None, x: Array) -> None:
        if fresh:
            self._keys[slot] = _Key(state=np.zeros(self._network.hidden))
        key, horizon = self._keys[slot], self._network.horizon
        judged = len(key.inputs) - horizon
        if judged < 0:
            label = None
        updates, before = self._network.updates, _copied(self._network.parameters())
        out = _advance(self._network, slot, fresh, -1 if label is None else horizon, x, label)
        if horizon:  # a late label is learned before the step, with the weights that the step then uses
            window = self._learnable(key, judged, label)
            self._step(key, x, _copied(self._network.parameters()), out)
        else:
            self._step(key, x, before, out)
            window = self._learnable(key, judged, label)
        if self._network.updates - updates != (window is not None):
            raise AssertionError(
                f"key {slot}, step {len(key.inputs)}: an update came when none was due, or did not"
            )
        if window is not None:
            self.learned.append(_Update(_flat(self._network.gradient()), before, window))

    def _step(self, key: _Key, x: Array, parameters: Parameters, out: float) -> None:
        key.inputs.append(x)
        key.entries.append(key.state)
        key.state, expected = self._twin.step(parameters, x, key.state)
        self.output_errors.append(abs(out - expected))

    def _learnable(self, key: _Key, judged: int, label: float | None) -> _Window | None:
        """The window to learn now: s labels wait, or the oldest would leave the window at the next step."""
        k, s = self._network.window_now, self._network.stride
        if label is not None:
            key.pending.append((judged, label))
        if not key.pending or (len(key.pending) < s and key.pending[0][0] > judged - k + 1):
            return None
        first = max(judged - k + 1, 0)
        labels = [(step - first, label) for step, label in key.pending]
        key.pending = []
        return _Window(key.entries[first], key.inputs[first : judged + 1], labels, key.inputs[:first])


def _stream(loss: str, seed: int) -> Iterator[tuple[int, bool, float | None, Array]]:
    """(slot, fresh, label or none, x): keys at random, some labels missing, one slot begun anew."""
    random = np.random.default_rng(seed)
    seen: set[int] = set()
    for event in range(EVENTS):
        slot = int(random.integers(KEYS))
        fresh = slot not in seen or event == EVENTS // 4
        seen.add(slot)
        x = random.normal(size=INPUTS)
        label = float(random.integers(2)) if loss == "logistic" else float(2 * random.normal())
        yield slot, fresh, label if random.random() < 0.85 else None, x


def _advance(network: Network, slot: int, fresh: bool, back: int, x: Array, label: float | None) -> float:
    out = network.advance(
        np.array([slot], np.int32),
        np.array([fresh]),
        np.array([back], np.int32),
        x[np.newaxis],
        np.array([np.nan if label is None else label]),
        np.ones(1),
    )
    return float(out[0])


def _error(gradient: Array, other: Array) -> float:
    """Greatest difference relative to the greatest component."""
    return float(np.max(np.abs(gradient - other)) / np.max(np.abs(other)))


def _worst(errors: Iterable[float]) -> float:
    """The greatest; NaN if one is, which `max` would hide behind a number that came first."""
    return float(np.max(list(errors)))


def _copied(parameters: Mapping[str, npt.NDArray[Any]]) -> Parameters:
    return {name: array.copy() for name, array in parameters.items()}


def _flat(parameters: Mapping[str, npt.NDArray[Any]]) -> Array:
    return np.concatenate([array.ravel() for array in parameters.values()])


# --- the torch twin ------------------------------------------------------------------------------


class _Twin:
    """torch's own cell, head and losses, differentiated by autograd."""

    def __init__(self, cell: str, hidden: int, loss: str) -> None:
        try:
            import torch
        except ImportError as error:
            raise ConfigError(
                "gradcheck needs torch as its oracle. Install it with: pip install 'streamrnn[torch]'"
            ) from error
        self._torch = torch
        self._cell = getattr(torch.nn, CELLS[cell].torch)(INPUTS, hidden, dtype=torch.float64)
        self._head = torch.nn.Linear(hidden, 1, dtype=torch.float64)
        functions = torch.nn.functional
        losses: dict[str, Callable[[Any, Any], Any]] = {
            "squared": lambda y, label: 0.5 * functions.mse_loss(y, label),
            "huber": functions.huber_loss,
            "logistic": functions.binary_cross_entropy_with_logits,
        }
        self._loss = losses[loss]

    def _take(self, parameters: Parameters) -> dict[str, Any]:
        own = {
            **dict(self._cell.named_parameters()),
            "head.weight": self._head.weight,
            "head.bias": self._head.bias,
        }
        with self._torch.no_grad():
            for name, array in parameters.items():
                own[name].copy_(self._torch.from_numpy(np.ascontiguousarray(array)))
        return own

    def step(self, parameters: Parameters, x: Array, h: Array) -> tuple[Array, float]:
        """(h′, ŷ)"""
        self._take(parameters)
        with self._torch.no_grad():
            state = self._run(self._row(h), [x])[0]
            return state[0].numpy(), float(self._head(state))

    def gradient(self, update: _Update, total: bool = False) -> Array:
        """Of the window's mean loss; `total`: the entering state moves with the weights, through the past."""
        own, window = self._take(update.parameters), update.window
        entry = self._row(window.entry)
        if total:
            through = self._run(self._torch.zeros_like(entry), window.past)
            moving = through[-1] if through else self._torch.zeros_like(entry)
            entry = entry + moving - moving.detach()
        states = self._run(entry, window.inputs)
        losses = [
            self._loss(self._head(states[row])[0], self._torch.tensor([label], dtype=self._torch.float64))
            for row, label in window.labels
        ]
        wanted = [own[name] for name in update.parameters]
        found = self._torch.autograd.grad(sum(losses) / len(losses), wanted)
        return np.concatenate([gradient.numpy().ravel() for gradient in found])

    def _run(self, h: Any, inputs: list[Array]) -> list[Any]:
        states = []
        for x in inputs:
            h = self._cell(self._row(x), h)
            states.append(h)
        return states

    def _row(self, vector: Array) -> Any:
        return self._torch.from_numpy(vector)[None]


# --- central differences --------------------------------------------------------------------------


def _gru(parameters: Parameters, x: Array, h: Array) -> Array:
    """h′ for many sets of parameters at once: weights (b, 3n, ·), h (b, n)."""
    a = parameters["weight_ih"] @ x + parameters["bias_ih"]
    b = np.einsum("bij,bj->bi", parameters["weight_hh"], h) + parameters["bias_hh"]
    n = h.shape[1]
    r = 1.0 / (1.0 + np.exp(-a[:, :n] - b[:, :n]))
    z = 1.0 / (1.0 + np.exp(-a[:, n : 2 * n] - b[:, n : 2 * n]))
    new = np.tanh(a[:, 2 * n :] + r * b[:, 2 * n :])
    return np.asarray((1.0 - z) * new + z * h)


class Oracle(NamedTuple):
    """Where else a cell is written down."""

    torch: str
    """Its class in `torch.nn`."""
    step: Callable[[Parameters, Array, Array], Array]
    """(parameters, x, h) → h′ in NumPy, for many sets of parameters at once."""


CELLS = {"gru": Oracle("GRUCell", _gru)}
_LOSSES: dict[str, Callable[[Array, float], Array]] = {
    "squared": lambda y, label: 0.5 * (y - label) ** 2,
    "huber": lambda y, label: np.where(abs(y - label) <= 1, 0.5 * (y - label) ** 2, abs(y - label) - 0.5),
    "logistic": lambda y, label: np.logaddexp(0.0, y) - label * y,
}


def _differences(cell: str, loss: str, update: _Update) -> Array:
    """The window's gradient by (f(θ + ε) − f(θ − ε)) / 2ε, every component at once."""
    window, flat = update.window, _flat(update.parameters)
    moved = np.concatenate([flat + STEP * np.eye(flat.size), flat - STEP * np.eye(flat.size)])
    many, begin = {}, 0
    for name, array in update.parameters.items():
        many[name] = moved[:, begin : begin + array.size].reshape(-1, *array.shape)
        begin += array.size
    h = np.broadcast_to(window.entry, (len(moved), window.entry.size))
    outputs = []
    for x in window.inputs:
        h = CELLS[cell].step(many, x, h)
        outputs.append(np.einsum("boj,bj->b", many["head.weight"], h) + many["head.bias"][:, 0])
    value = np.mean([_LOSSES[loss](outputs[row], label) for row, label in window.labels], axis=0)
    return np.asarray((value[: flat.size] - value[flat.size :]) / (2 * STEP))
