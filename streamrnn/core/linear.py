"""Products with a matrix kept by columns: row j holds what input j sends to every output; the last row is
the bias.

Shapes: weights (d + 1, m); inputs (k, d) and outputs (k, m), one row per step of the window. Loops run over m
innermost, on contiguous memory with an index straight from `range`, which is what the compiler vectorises.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import jit, like

Matrix = npt.NDArray[np.floating]
Vector = npt.NDArray[np.floating]


@jit
def affine_sparse(weights: Matrix, inputs: Matrix, t: int, out: Matrix, row: int) -> None:
    """out[row] = bias + Wᵀ x for the inputs of step t, where an input that is 0 (one-hot, mask) costs nothing."""
    d, m = inputs.shape[1], out.shape[1]
    for i in range(m):
        out[row, i] = weights[d, i]
    for j in range(d):
        x = inputs[t, j]
        if x != like(x, 0.0):
            for i in range(m):
                out[row, i] += x * weights[j, i]


@jit
def affine(weights: Matrix, inputs: Matrix, t: int, out: Matrix, row: int) -> None:
    """out[row] = bias + Wᵀ x for the inputs of step t; four rows at a time, to touch `out` less."""
    d, m = inputs.shape[1], out.shape[1]
    for i in range(m):
        out[row, i] = weights[d, i]
    whole = d - d % 4
    for j in range(0, whole, 4):
        x0, x1, x2, x3 = inputs[t, j], inputs[t, j + 1], inputs[t, j + 2], inputs[t, j + 3]
        for i in range(m):
            out[row, i] += (
                x0 * weights[j, i] + x1 * weights[j + 1, i] + x2 * weights[j + 2, i] + x3 * weights[j + 3, i]
            )
    for j in range(whole, d):
        x = inputs[t, j]
        for i in range(m):
            out[row, i] += x * weights[j, i]


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
def outer_sum(gradient: Matrix, inputs: Matrix, deltas: Matrix, steps: int) -> Any:
    """gradient = Σₜ xₜ δₜᵀ over the first `steps` rows, with xₜ = 1 for the bias row; returns Σ gradient².

    Row by row, so that a row of the gradient stays in the nearest cache while all steps are added to it, eight
    steps at a time: as many streams as the compiler still proves apart.
    """
    if steps == 1:
        return _outer(gradient, inputs, deltas)
    d, m = inputs.shape[1], deltas.shape[1]
    whole = steps - steps % 8
    total = like(gradient[0, 0], 0.0)
    for j in range(d + 1):
        for i in range(m):
            gradient[j, i] = like(total, 0.0)
        for t in range(0, whole, 8):
            _add_eight(gradient, inputs, deltas, j, t)
        for t in range(whole, steps):
            x = inputs[t, j] if j < d else like(total, 1.0)
            for i in range(m):
                gradient[j, i] += x * deltas[t, i]
        for i in range(m):
            total += gradient[j, i] * gradient[j, i]
    return total


@jit
def _add_eight(gradient: Matrix, inputs: Matrix, deltas: Matrix, j: int, t: int) -> None:
    """Row j of the gradient takes in steps t to t + 7."""
    one = like(gradient[j, 0], 1.0)
    x0, x1, x2, x3, x4, x5, x6, x7 = one, one, one, one, one, one, one, one
    if j < inputs.shape[1]:
        x0, x1, x2, x3 = inputs[t, j], inputs[t + 1, j], inputs[t + 2, j], inputs[t + 3, j]
        x4, x5, x6, x7 = inputs[t + 4, j], inputs[t + 5, j], inputs[t + 6, j], inputs[t + 7, j]
    for i in range(deltas.shape[1]):
        gradient[j, i] += (
            x0 * deltas[t, i]
            + x1 * deltas[t + 1, i]
            + x2 * deltas[t + 2, i]
            + x3 * deltas[t + 3, i]
            + x4 * deltas[t + 4, i]
            + x5 * deltas[t + 5, i]
            + x6 * deltas[t + 6, i]
            + x7 * deltas[t + 7, i]
        )


@jit
def _outer(gradient: Matrix, inputs: Matrix, deltas: Matrix) -> Any:
    """The case of one step: gradient = x δᵀ, and Σ gradient² = |x|² |δ|²."""
    d, m = inputs.shape[1], deltas.shape[1]
    one = like(gradient[0, 0], 1.0)
    squares, other = one, like(one, 0.0)
    for i in range(m):
        gradient[d, i] = deltas[0, i]
        other += deltas[0, i] * deltas[0, i]
    for j in range(d):
        x = inputs[0, j]
        squares += x * x
        for i in range(m):
            gradient[j, i] = x * deltas[0, i]
    return squares * other
