"""The long short-term memory with a forget gate (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    i = σ(Wᵢ x + bᵢ + Uᵢ h)    f = σ(W_f x + b_f + U_f h)    o = σ(Wₒ x + bₒ + Uₒ h)
    g = tanh(W_g x + b_g + U_g h)
    c′ = f ⊙ c + i ⊙ g
    h′ = o ⊙ tanh c′

One bias: torch keeps two and adds them. Gates stand in torch's order i, f, g, o. Letters: d inputs, n hidden,
k steps of the window.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.aligned import zeros
from streamrnn.core.linear import add_product, add_transposed, affine, copy, fill
from streamrnn.core.numerics import apart, jit, like, sigmoid, tanh

Array = npt.NDArray[np.floating]


class LSTMTrace(NamedTuple):
    """What one run over a window leaves for its way back; `…_gates` is the same memory seen gate by gate."""

    inputs: Array
    """(k, d) x of each step."""
    states: Array
    """(k + 1, n) row t is the state h that step t enters with, row t + 1 the one it leaves."""
    cells: Array
    """(k + 1, n) the same of c."""
    gates: Array
    """(k, 5, n) i, f, g, o and tanh c′ of each step."""
    sums: Array
    """(4n,) what inputs and state send to the gates in the step at hand."""
    sums_gates: Array
    """(4, n)"""
    deltas: Array
    """(k, 4n) ∂L/∂(W x + b + U h)."""
    deltas_gates: Array
    """(k, 4, n)"""
    dh: Array
    """(n,) ∂L/∂h′ of the step at hand."""
    dc: Array
    """(n,) ∂L/∂c′ by way of the later steps."""


def size(inputs: int, hidden: int) -> int:
    """Number of parameters: W and b as (d + 1, 4n), then U as (n, 4n)."""
    return 4 * hidden * (inputs + hidden + 1)


def carried(hidden: int) -> int:
    """h, then c."""
    return 2 * hidden


def initialise(random: np.random.Generator, inputs: int, hidden: int) -> npt.NDArray[np.float64]:
    """Uniform within ±1/√n, torch's default; the bias is the sum of two such."""
    bound = hidden**-0.5
    born = random.uniform(-bound, bound, size(inputs, hidden))
    views(born, inputs, hidden)[0][-1] += random.uniform(-bound, bound, 4 * hidden)
    return born


def named(parameters: Array, inputs: int, hidden: int) -> dict[str, Array]:
    """Views of the flat parameters by the names of `torch.nn.LSTMCell`; `bias` is the sum of its two."""
    w, u = views(parameters, inputs, hidden)
    return {"weight_ih": w[:-1].T, "weight_hh": u.T, "bias": w[-1]}


def trace(steps: int, inputs: int, hidden: int, dtype: npt.DTypeLike) -> LSTMTrace:
    """Room for a window of `steps`."""

    def room(*shape: int) -> Any:
        return zeros(shape, dtype)

    sums, deltas = room(4 * hidden), room(steps, 4 * hidden)
    return LSTMTrace(
        inputs=room(steps, inputs),
        states=room(steps + 1, hidden),
        cells=room(steps + 1, hidden),
        gates=room(steps, 5, hidden),
        sums=sums,
        sums_gates=sums.reshape(4, hidden),
        deltas=deltas,
        deltas_gates=deltas.reshape(steps, 4, hidden),
        dh=room(hidden),
        dc=room(hidden),
    )


def views(flat: Array, inputs: int, hidden: int) -> tuple[Array, Array]:
    """(W with b, U) as matrices over a flat vector: parameters or a gradient."""
    split = 4 * hidden * (inputs + 1)
    return flat[:split].reshape(inputs + 1, 4 * hidden), flat[split:].reshape(hidden, 4 * hidden)


@jit
def enter(trace: LSTMTrace, row: Array) -> None:
    """The run begins with the values in `row`."""
    n = trace.dh.shape[0]
    copy(row[:n], trace.states[0])
    copy(row[n:], trace.cells[0])


@jit
def leave(trace: LSTMTrace, t: int, row: Array) -> None:
    """What step t enters with goes to `row`."""
    n = trace.dh.shape[0]
    copy(trace.states[t], row[:n])
    copy(trace.cells[t], row[n:])


@jit
def forward(weights: tuple[Array, Array], trace: LSTMTrace, steps: int) -> None:
    """Steps 0 to `steps` − 1, each from rows t of `inputs`, `states`, `cells` to rows t + 1 of the latter."""
    for t in range(steps):
        affine(weights[0], trace.inputs, t, trace.sums)
        add_product(weights[1], trace.states, t, trace.sums)
        _open_gates(trace.sums_gates, trace.gates, trace.states, trace.cells, t)


@apart
def _open_gates(sums: Array, gates: Array, states: Array, cells: Array, t: int) -> None:
    """The gates, the cell and the state of step t.

    Compiled apart: over all steps together a cell is both written and read, and would not be vectorised.
    """
    for j in range(states.shape[1]):
        i = sigmoid(sums[0, j])
        f = sigmoid(sums[1, j])
        g = tanh(sums[2, j])
        o = sigmoid(sums[3, j])
        c = f * cells[t, j] + i * g
        squashed = tanh(c)
        gates[t, 0, j] = i
        gates[t, 1, j] = f
        gates[t, 2, j] = g
        gates[t, 3, j] = o
        gates[t, 4, j] = squashed
        cells[t + 1, j] = c
        states[t + 1, j] = o * squashed


@jit
def begin(trace: LSTMTrace) -> None:
    """Nothing is asked of the last state and cell yet."""
    fill(trace.dh, 0.0)
    fill(trace.dc, 0.0)


@jit
def backward(weights: tuple[Array, Array], trace: LSTMTrace, t: int, further: bool) -> None:
    """Step t on the way back: `dh`, `dc` are ∂L/∂h′, ∂L/∂c′ and become ∂L/∂h, ∂L/∂c if it goes `further`."""
    gates, deltas, cells, dh, dc = trace.gates, trace.deltas_gates, trace.cells, trace.dh, trace.dc
    for j in range(dh.shape[0]):
        i = gates[t, 0, j]
        f = gates[t, 1, j]
        g = gates[t, 2, j]
        o = gates[t, 3, j]
        squashed = gates[t, 4, j]
        one = like(i, 1.0)
        dc_here = dc[j] + dh[j] * o * (one - squashed * squashed)
        deltas[t, 0, j] = dc_here * g * i * (one - i)
        deltas[t, 1, j] = dc_here * cells[t, j] * f * (one - f)
        deltas[t, 2, j] = dc_here * i * (one - g * g)
        deltas[t, 3, j] = dh[j] * squashed * o * (one - o)
        dc[j] = dc_here * f
        dh[j] = like(i, 0.0)
    if further:
        add_transposed(weights[1], trace.deltas, t, dh)


@jit
def add_input_gradient(weights: tuple[Array, Array], trace: LSTMTrace, t: int, dx: Array) -> None:
    """dx += ∂L/∂x of step t."""
    add_transposed(weights[0], trace.deltas, t, dx)


@jit
def factors(trace: LSTMTrace) -> Any:
    """(inputs, deltas) of each matrix: its gradient is Σₜ inputs[t] deltas[t]ᵀ, with 1 for the bias row."""
    return (trace.inputs, trace.deltas), (trace.states, trace.deltas)
