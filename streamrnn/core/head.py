"""The head: dense layers from the top layer's state to the outputs ŷ, with a nonlinearity between them.

No hidden layers make it linear. The last layer begins at zero, so that a new network answers 0 whatever it
sees. Weights are kept as torch keeps them, (outputs, inputs): there are often few outputs, and then it is the
inputs that fill a vector.

The head is run for judged steps alone: row j of its trace is the j-th of them, whichever step that is.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.core.linear import add_product, copy, dot, fill, outer, outer_sum
from streamrnn.core.numerics import jit, like, tanh

Array = npt.NDArray[np.floating]

ACTIVATIONS = ("tanh", "relu", "gelu")
"""gelu is torch's gelu(approximate="tanh") (Hendrycks and Gimpel 2016)."""
TANH, RELU = 0, 1

GELU_SCALE = 0.7978845608028654
"""√(2 / π)"""
GELU_CUBIC = 0.044715


class Dense(NamedTuple):
    """The parameters of one layer, or their gradient."""

    weight: Array
    """(m, d)"""
    bias: Array
    """(m,)"""


class HeadTrace(NamedTuple):
    """What each layer took, gave and is asked for; one row per judged step."""

    inputs: tuple[Array, ...]
    """(k, d) of each layer."""
    sums: tuple[Array, ...]
    """(k, m) W x + b of each layer; the last one's are ŷ."""
    deltas: tuple[Array, ...]
    """(k, m) ∂L/∂(W x + b)."""


def size(widths: tuple[int, ...]) -> int:
    """Number of parameters; `widths` are the state's, those of hidden layers, and the outputs'."""
    return sum((d + 1) * m for d, m in pairwise(widths))


def initialise(random: np.random.Generator, widths: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Hidden layers uniform within ±1/√d, torch's default; the last one 0."""
    *hidden, last = pairwise(widths)
    born = [random.uniform(-(d**-0.5), d**-0.5, (d + 1) * m) for d, m in hidden]
    return np.concatenate([*born, np.zeros((last[0] + 1) * last[1])])


def views(flat: Array, widths: tuple[int, ...]) -> tuple[Dense, ...]:
    """The layers over a flat vector: of each the weight, then the bias."""
    layers, begin = [], 0
    for d, m in pairwise(widths):
        middle, end = begin + d * m, begin + (d + 1) * m
        layers.append(Dense(flat[begin:middle].reshape(m, d), flat[middle:end]))
        begin = end
    return tuple(layers)


def named(flat: Array, widths: tuple[int, ...]) -> dict[str, Array]:
    """Views by the names and shapes of `torch.nn.Linear`: `head.0.weight`, `head.0.bias`, `head.1.…`"""
    return {
        f"head.{i}.{name}": array
        for i, layer in enumerate(views(flat, widths))
        for name, array in layer._asdict().items()
    }


def trace(rows: int, widths: tuple[int, ...], dtype: npt.DTypeLike) -> HeadTrace:
    """Room for so many judged steps."""

    def room(width: int) -> Array:
        return np.zeros((rows, width), dtype)

    return HeadTrace(
        inputs=tuple(room(d) for d in widths[:-1]),
        sums=tuple(room(m) for m in widths[1:]),
        deltas=tuple(room(m) for m in widths[1:]),
    )


@jit
def forward(
    layers: tuple[Dense, ...], trace: HeadTrace, activation: int, states: Array, step: int, row: int
) -> None:
    """ŷ of the state in row `step` of `states`, into the trace's `row`."""
    copy(states[step], trace.inputs[0][row])
    for layer in range(len(layers)):
        weight, bias, sums = layers[layer].weight, layers[layer].bias, trace.sums[layer][row]
        for i in range(sums.shape[0]):
            sums[i] = bias[i] + dot(weight[i], trace.inputs[layer][row])
        if layer + 1 < len(layers):
            _activate(activation, sums, trace.inputs[layer + 1][row])


@jit
def backward(layers: tuple[Dense, ...], trace: HeadTrace, activation: int, row: int, dh: Array) -> None:
    """∂L/∂h is added to `dh`; ∂L/∂ŷ stands in `row` of the last layer's deltas, the others' follow."""
    for layer in range(len(layers) - 1, 0, -1):
        below = trace.deltas[layer - 1][row]
        fill(below, 0.0)
        add_product(layers[layer].weight, trace.deltas[layer], row, below)
        _scale_by_slope(activation, trace.sums[layer - 1][row], below)
    add_product(layers[0].weight, trace.deltas[0], row, dh)


@jit
def accumulate(gradients: tuple[Dense, ...], trace: HeadTrace, rows: int) -> None:
    """The gradient of every layer from the deltas of the first `rows` rows."""
    for layer in range(len(gradients)):
        bias, deltas = gradients[layer].bias, trace.deltas[layer]
        if rows == 1:  # by far the most frequent, and not worth a call
            outer(gradients[layer].weight, deltas[0], trace.inputs[layer][0])
        else:
            outer_sum(gradients[layer].weight, deltas, trace.inputs[layer], rows)
        copy(deltas[0], bias)
        for row in range(1, rows):
            for i in range(bias.shape[0]):
                bias[i] += deltas[row, i]


@jit
def _activate(activation: int, sums: Array, out: Array) -> None:
    """The nonlinearity of each sum."""
    zero, half, one = like(sums[0], 0.0), like(sums[0], 0.5), like(sums[0], 1.0)
    if activation == TANH:
        for i in range(sums.shape[0]):
            out[i] = tanh(sums[i])
    elif activation == RELU:
        for i in range(sums.shape[0]):
            out[i] = zero if sums[i] < zero else sums[i]
    else:
        for i in range(sums.shape[0]):
            out[i] = half * sums[i] * (one + tanh(_gelu_argument(sums[i])))


@jit
def _scale_by_slope(activation: int, sums: Array, deltas: Array) -> None:
    """Each delta times the nonlinearity's derivative at its sum; relu's is 0 at 0, as torch has it."""
    zero, half, one = like(sums[0], 0.0), like(sums[0], 0.5), like(sums[0], 1.0)
    if activation == TANH:
        for i in range(sums.shape[0]):
            y = tanh(sums[i])
            deltas[i] *= one - y * y
    elif activation == RELU:
        for i in range(sums.shape[0]):
            deltas[i] = zero if sums[i] <= zero else deltas[i]
    else:
        for i in range(sums.shape[0]):
            x = sums[i]
            y = tanh(_gelu_argument(x))
            inner = like(x, GELU_SCALE) * (one + like(x, 3.0 * GELU_CUBIC) * x * x)
            deltas[i] *= half * (one + y + x * (one - y * y) * inner)


@jit
def _gelu_argument(x: Any) -> Any:
    """√(2 / π) (x + 0.044715 x³)."""
    return like(x, GELU_SCALE) * (x + like(x, GELU_CUBIC) * x * x * x)
