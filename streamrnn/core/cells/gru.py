"""The gated recurrent unit in torch's form: the reset gate acts after the product (Cho et al. 2014; cuDNN).

    r  = σ(Wᵣ x + bᵣ + Uᵣ h + cᵣ)
    z  = σ(W_z x + b_z + U_z h + c_z)
    m  = Uₙ h + cₙ
    n  = tanh(Wₙ x + bₙ + r ⊙ m)
    h′ = (1 − z) ⊙ n + z ⊙ h

Both biases are kept, as torch keeps them, so that an optimiser moves them as torch's would. Gates stand in
torch's order r, z, n. Letters: d inputs, n hidden, k steps of the window.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.aligned import zeros
from streamrnn.core.linear import add_transposed, affine, copy, fill
from streamrnn.core.numerics import apart, jit, like, sigmoid, tanh

Array = npt.NDArray[np.floating]


class GRUTrace(NamedTuple):
    """What one run over a window leaves for its way back; `…_gates` is the same memory seen gate by gate."""

    inputs: Array
    """(k, d) x of each step."""
    states: Array
    """(k + 1, n) row t is the state that step t enters with, row t + 1 the one it leaves."""
    gates: Array
    """(k, 4, n) r, z, n and m of each step."""
    sums: Array
    """(2, 3n) what inputs and state send to the gates in the step at hand."""
    sums_gates: Array
    """(2, 3, n)"""
    deltas: Array
    """(k, 3n) ∂L/∂(W x + b)."""
    deltas_gates: Array
    """(k, 3, n)"""
    recurrent: Array
    """(k, 3n) ∂L/∂(U h + c)."""
    recurrent_gates: Array
    """(k, 3, n)"""
    dh: Array
    """(n,) ∂L/∂h′ of the step at hand."""


def size(inputs: int, hidden: int) -> int:
    """Number of parameters: W and b as (d + 1, 3n), then U and c as (n + 1, 3n)."""
    return 3 * hidden * (inputs + hidden + 2)


def carried(hidden: int) -> int:
    """The state."""
    return hidden


def initialise(random: np.random.Generator, inputs: int, hidden: int) -> npt.NDArray[np.float64]:
    """Uniform within ±1/√n, torch's default."""
    bound = hidden**-0.5
    return random.uniform(-bound, bound, size(inputs, hidden))


def named(parameters: Array, inputs: int, hidden: int) -> dict[str, Array]:
    """Views of the flat parameters by the names and shapes of `torch.nn.GRUCell`."""
    w, u = views(parameters, inputs, hidden)
    return {"weight_ih": w[:-1].T, "weight_hh": u[:-1].T, "bias_ih": w[-1], "bias_hh": u[-1]}


def trace(steps: int, inputs: int, hidden: int, dtype: npt.DTypeLike) -> GRUTrace:
    """Room for a window of `steps`."""

    def room(*shape: int) -> Any:
        return zeros(shape, dtype)

    sums, deltas, recurrent = room(2, 3 * hidden), room(steps, 3 * hidden), room(steps, 3 * hidden)
    return GRUTrace(
        inputs=room(steps, inputs),
        states=room(steps + 1, hidden),
        gates=room(steps, 4, hidden),
        sums=sums,
        sums_gates=sums.reshape(2, 3, hidden),
        deltas=deltas,
        deltas_gates=deltas.reshape(steps, 3, hidden),
        recurrent=recurrent,
        recurrent_gates=recurrent.reshape(steps, 3, hidden),
        dh=room(hidden),
    )


def views(flat: Array, inputs: int, hidden: int) -> tuple[Array, Array]:
    """(W with b, U with c) as matrices over a flat vector: parameters or a gradient."""
    split = 3 * hidden * (inputs + 1)
    return (
        flat[:split].reshape(inputs + 1, 3 * hidden),
        flat[split : size(inputs, hidden)].reshape(hidden + 1, 3 * hidden),
    )


@jit
def enter(trace: GRUTrace, row: Array) -> None:
    """The run begins with the state in `row`."""
    copy(row, trace.states[0])


@jit
def leave(trace: GRUTrace, t: int, row: Array) -> None:
    """The state that step t enters with goes to `row`."""
    copy(trace.states[t], row)


@jit
def forward(weights: tuple[Array, Array], trace: GRUTrace, steps: int) -> None:
    """Steps 0 to `steps` − 1, each from `inputs[t]` and `states[t]` to `states[t + 1]`; gates are kept."""
    for t in range(steps):
        affine(weights[0], trace.inputs, t, trace.sums[0])
        affine(weights[1], trace.states, t, trace.sums[1])
        _open_gates(trace.sums_gates, trace.gates, trace.states, t)


@apart
def _open_gates(sums: Array, gates: Array, states: Array, t: int) -> None:
    """The gates and the state of step t.

    Compiled apart: over all steps together a state is both written and read, and would not be vectorised.
    """
    for i in range(states.shape[1]):
        r = sigmoid(sums[0, 0, i] + sums[1, 0, i])
        z = sigmoid(sums[0, 1, i] + sums[1, 1, i])
        m = sums[1, 2, i]
        n = tanh(sums[0, 2, i] + r * m)
        gates[t, 0, i] = r
        gates[t, 1, i] = z
        gates[t, 2, i] = n
        gates[t, 3, i] = m
        states[t + 1, i] = (like(z, 1.0) - z) * n + z * states[t, i]


@jit
def begin(trace: GRUTrace) -> None:
    """Nothing is asked of the last state yet."""
    fill(trace.dh, 0.0)


@jit
def backward(weights: tuple[Array, Array], trace: GRUTrace, t: int, further: bool) -> None:
    """Step t on the way back: `dh` is ∂L/∂h′ and becomes ∂L/∂h if the way goes `further`; deltas are kept."""
    gates, deltas, recurrent, states = trace.gates, trace.deltas_gates, trace.recurrent_gates, trace.states
    dh = trace.dh
    # one loop for each value: of many written at once the compiler does not prove that they lie apart
    hidden, one = dh.shape[0], like(dh[0], 1.0)
    for i in range(hidden):
        z, n = gates[t, 1, i], gates[t, 2, i]
        deltas[t, 2, i] = dh[i] * (one - z) * (one - n * n)
    for i in range(hidden):
        z, n = gates[t, 1, i], gates[t, 2, i]
        deltas[t, 1, i] = dh[i] * (states[t, i] - n) * z * (one - z)
    for i in range(hidden):
        r, m = gates[t, 0, i], gates[t, 3, i]
        deltas[t, 0, i] = deltas[t, 2, i] * m * r * (one - r)
    for i in range(hidden):
        recurrent[t, 2, i] = deltas[t, 2, i] * gates[t, 0, i]
    for i in range(2 * hidden):
        trace.recurrent[t, i] = trace.deltas[t, i]
    for i in range(hidden):
        dh[i] *= gates[t, 1, i]
    if further:
        add_transposed(weights[1], trace.recurrent, t, dh)


@jit
def add_input_gradient(weights: tuple[Array, Array], trace: GRUTrace, t: int, dx: Array) -> None:
    """dx += ∂L/∂x of step t."""
    add_transposed(weights[0], trace.deltas, t, dx)


@jit
def factors(trace: GRUTrace) -> Any:
    """(inputs, deltas) of each matrix: its gradient is Σₜ inputs[t] deltas[t]ᵀ, with 1 for the bias row."""
    return (trace.inputs, trace.deltas), (trace.states, trace.recurrent)
