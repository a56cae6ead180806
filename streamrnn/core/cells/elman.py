"""The simple recurrent network (Elman 1990): h′ = tanh(W x + b + U h).

One bias: torch keeps two and adds them. Letters: d inputs, n hidden, k steps of the window.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.aligned import zeros
from streamrnn.core.linear import add_product, add_transposed, affine, copy, fill
from streamrnn.core.numerics import jit, like, tanh

Array = npt.NDArray[np.floating]


class ElmanTrace(NamedTuple):
    """What one run over a window leaves for its way back."""

    inputs: Array
    """(k, d) x of each step."""
    states: Array
    """(k + 1, n) row t is the state that step t enters with, row t + 1 the one it leaves."""
    sums: Array
    """(n,) W x + b + U h of the step at hand."""
    deltas: Array
    """(k, n) ∂L/∂(W x + b + U h)."""
    dh: Array
    """(n,) ∂L/∂h′ of the step at hand."""


def size(inputs: int, hidden: int) -> int:
    """Number of parameters: W and b as (d + 1, n), then U as (n, n)."""
    return hidden * (inputs + hidden + 1)


def carried(hidden: int) -> int:
    """The state."""
    return hidden


def initialise(random: np.random.Generator, inputs: int, hidden: int) -> npt.NDArray[np.float64]:
    """Uniform within ±1/√n, torch's default; the bias is the sum of two such."""
    bound = hidden**-0.5
    born = random.uniform(-bound, bound, size(inputs, hidden))
    views(born, inputs, hidden)[0][-1] += random.uniform(-bound, bound, hidden)
    return born


def named(parameters: Array, inputs: int, hidden: int) -> dict[str, Array]:
    """Views of the flat parameters by the names of `torch.nn.RNNCell`; `bias` is the sum of its two."""
    w, u = views(parameters, inputs, hidden)
    return {"weight_ih": w[:-1].T, "weight_hh": u.T, "bias": w[-1]}


def trace(steps: int, inputs: int, hidden: int, dtype: npt.DTypeLike) -> ElmanTrace:
    """Room for a window of `steps`."""
    return ElmanTrace(
        inputs=zeros((steps, inputs), dtype),
        states=zeros((steps + 1, hidden), dtype),
        sums=zeros(hidden, dtype),
        deltas=zeros((steps, hidden), dtype),
        dh=zeros(hidden, dtype),
    )


def views(flat: Array, inputs: int, hidden: int) -> tuple[Array, Array]:
    """(W with b, U) as matrices over a flat vector: parameters or a gradient."""
    split = hidden * (inputs + 1)
    return flat[:split].reshape(inputs + 1, hidden), flat[split:].reshape(hidden, hidden)


@jit
def enter(trace: ElmanTrace, row: Array) -> None:
    """The run begins with the state in `row`."""
    copy(row, trace.states[0])


@jit
def leave(trace: ElmanTrace, t: int, row: Array) -> None:
    """The state that step t enters with goes to `row`."""
    copy(trace.states[t], row)


@jit
def forward(weights: tuple[Array, Array], trace: ElmanTrace, steps: int) -> None:
    """Steps 0 to `steps` − 1, each from `inputs[t]` and `states[t]` to `states[t + 1]`."""
    for t in range(steps):
        affine(weights[0], trace.inputs, t, trace.sums)
        add_product(weights[1], trace.states, t, trace.sums)
        for i in range(trace.sums.shape[0]):
            trace.states[t + 1, i] = tanh(trace.sums[i])


@jit
def begin(trace: ElmanTrace) -> None:
    """Nothing is asked of the last state yet."""
    fill(trace.dh, 0.0)


@jit
def backward(weights: tuple[Array, Array], trace: ElmanTrace, t: int, further: bool) -> None:
    """Step t on the way back: `dh` is ∂L/∂h′ and becomes ∂L/∂h if the way goes `further`; deltas are kept."""
    deltas, states, dh = trace.deltas, trace.states, trace.dh
    for i in range(dh.shape[0]):
        h = states[t + 1, i]
        deltas[t, i] = dh[i] * (like(h, 1.0) - h * h)
        dh[i] = like(h, 0.0)
    if further:
        add_transposed(weights[1], deltas, t, dh)


@jit
def add_input_gradient(weights: tuple[Array, Array], trace: ElmanTrace, t: int, dx: Array) -> None:
    """dx += ∂L/∂x of step t."""
    add_transposed(weights[0], trace.deltas, t, dx)


@jit
def factors(trace: ElmanTrace) -> Any:
    """(inputs, deltas) of each matrix: its gradient is Σₜ inputs[t] deltas[t]ᵀ, with 1 for the bias row."""
    return (trace.inputs, trace.deltas), (trace.states, trace.deltas)
