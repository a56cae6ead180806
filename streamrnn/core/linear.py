"""Products with a matrix kept by columns: row j holds what input j sends to every output; the last row is
the bias.

Shapes: weights (d + 1, m); inputs (k, d) and outputs (k, m), one row per step of the window. Loops run over m
innermost, on contiguous memory with an index straight from `range`, which is what the compiler vectorises.
"""

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like

Matrix = npt.NDArray[np.floating]
Vector = npt.NDArray[np.floating]


@jit
def affine_sparse(weights: Matrix, inputs: Matrix, t: int, out: Vector) -> None:
    """out = bias + Wᵀ x for the inputs of step t, where an input that is 0 (one-hot, mask) costs nothing."""
    d, m = inputs.shape[1], out.shape[0]
    for i in range(m):
        out[i] = weights[d, i]
    for j in range(d):
        x = inputs[t, j]
        if x != like(x, 0.0):
            for i in range(m):
                out[i] += x * weights[j, i]


@jit
def affine(weights: Matrix, inputs: Matrix, t: int, out: Vector) -> None:
    """out = bias + Wᵀ x for the inputs of step t; four rows at a time, to touch `out` less."""
    d, m = inputs.shape[1], out.shape[0]
    for i in range(m):
        out[i] = weights[d, i]
    whole = d - d % 4
    for j in range(0, whole, 4):
        x0, x1, x2, x3 = inputs[t, j], inputs[t, j + 1], inputs[t, j + 2], inputs[t, j + 3]
        for i in range(m):
            out[i] += (
                x0 * weights[j, i] + x1 * weights[j + 1, i] + x2 * weights[j + 2, i] + x3 * weights[j + 3, i]
            )
    for j in range(whole, d):
        x = inputs[t, j]
        for i in range(m):
            out[i] += x * weights[j, i]


@jit
def add_transposed(weights: Matrix, deltas: Matrix, t: int, out: Vector) -> None:
    """out += W δ for the deltas of step t: what the outputs ask of each input (the bias row has none)."""
    m = deltas.shape[1]
    for j in range(out.shape[0]):
        total = like(out[j], 0.0)
        for i in range(m):
            total += weights[j, i] * deltas[t, i]
        out[j] += total


@jit
def outer_sum(gradient: Matrix, inputs: Matrix, deltas: Matrix, steps: int) -> None:
    """gradient = Σₜ xₜ δₜᵀ over the first `steps` rows, with xₜ = 1 for the bias row.

    Two rows by four steps at a time: as many factors as the sixteen vector registers of AVX2 hold.
    """
    d, m = inputs.shape[1], deltas.shape[1]
    head = steps % 4 if steps % 4 else min(4, steps)
    _first(gradient, inputs, deltas, head)
    for t in range(head, steps, 4):
        for j in range(0, d - d % 2, 2):
            a0, a1, a2, a3 = inputs[t, j], inputs[t + 1, j], inputs[t + 2, j], inputs[t + 3, j]
            b0, b1, b2, b3 = (
                inputs[t, j + 1],
                inputs[t + 1, j + 1],
                inputs[t + 2, j + 1],
                inputs[t + 3, j + 1],
            )
            for i in range(m):
                e0, e1, e2, e3 = deltas[t, i], deltas[t + 1, i], deltas[t + 2, i], deltas[t + 3, i]
                gradient[j, i] += a0 * e0 + a1 * e1 + a2 * e2 + a3 * e3
                gradient[j + 1, i] += b0 * e0 + b1 * e1 + b2 * e2 + b3 * e3
        if d % 2:
            a0, a1, a2, a3 = (
                inputs[t, d - 1],
                inputs[t + 1, d - 1],
                inputs[t + 2, d - 1],
                inputs[t + 3, d - 1],
            )
            for i in range(m):
                gradient[d - 1, i] += (
                    a0 * deltas[t, i] + a1 * deltas[t + 1, i] + a2 * deltas[t + 2, i] + a3 * deltas[t + 3, i]
                )
        for i in range(m):
            gradient[d, i] += deltas[t, i] + deltas[t + 1, i] + deltas[t + 2, i] + deltas[t + 3, i]


@jit
def _first(gradient: Matrix, inputs: Matrix, deltas: Matrix, steps: int) -> None:
    """The first one to four steps: they set the gradient, so that it need not be cleared."""
    d, m = inputs.shape[1], deltas.shape[1]
    if steps == 4:
        for j in range(d):
            x0, x1, x2, x3 = inputs[0, j], inputs[1, j], inputs[2, j], inputs[3, j]
            for i in range(m):
                gradient[j, i] = x0 * deltas[0, i] + x1 * deltas[1, i] + x2 * deltas[2, i] + x3 * deltas[3, i]
        for i in range(m):
            gradient[d, i] = deltas[0, i] + deltas[1, i] + deltas[2, i] + deltas[3, i]
        return
    for j in range(d):
        x = inputs[0, j]
        for i in range(m):
            gradient[j, i] = x * deltas[0, i]
    for i in range(m):
        gradient[d, i] = deltas[0, i]
    for t in range(1, steps):
        for j in range(d):
            x = inputs[t, j]
            for i in range(m):
                gradient[j, i] += x * deltas[t, i]
        for i in range(m):
            gradient[d, i] += deltas[t, i]


@jit
def squared_norm(vector: Vector) -> float:
    """Σᵢ vᵢ², in the vector's own type."""
    total = like(vector[0], 0.0)
    for i in range(vector.shape[0]):
        total += vector[i] * vector[i]
    return total  # type: ignore[no-any-return]
