"""Products with a matrix kept by columns: row j is what input j sends to all m outputs.

Shapes: weights (d, m), or (d + 1, m) with the bias as last row; inputs (k, d) and deltas (k, m), one row per
step of the window; vectors out (m,). Loops run over m innermost, on contiguous memory with an index straight
from `range`, which is what the compiler vectorises.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import FIRST, apart, jit, like

Matrix = npt.NDArray[np.floating]
Vector = npt.NDArray[np.floating]


@apart
def copy(source: Vector, out: Vector) -> None:
    """out = source, in the type of `out`."""
    for i in range(out.shape[0]):
        out[i] = source[i]


@apart
def fill(out: Vector, value: float) -> None:
    """Every element becomes `value`."""
    for i in range(out.shape[0]):
        out[i] = value


@apart
def affine(weights: Matrix, inputs: Matrix, t: int, out: Vector) -> None:
    """out = bias + Wᵀ x for the inputs of step t."""
    copy(weights[inputs.shape[1]], out)
    add_product(weights, inputs, t, out)


@apart
def add_product(weights: Matrix, inputs: Matrix, t: int, out: Vector) -> None:
    """out += Wᵀ x for the inputs of step t.

    Four rows at a time, to touch `out` less; four inputs that are all 0 (one-hot, masks) cost nothing.
    """
    d, m = inputs.shape[1], out.shape[0]
    zero = like(out[0], 0.0)
    whole = d - d % 4
    for j in range(0, whole, 4):
        x0, x1, x2, x3 = inputs[t, j], inputs[t, j + 1], inputs[t, j + 2], inputs[t, j + 3]
        if x0 != zero or x1 != zero or x2 != zero or x3 != zero:
            for i in range(m):
                out[i] += (
                    x0 * weights[j, i]
                    + x1 * weights[j + 1, i]
                    + x2 * weights[j + 2, i]
                    + x3 * weights[j + 3, i]
                )
    for j in range(whole, d):
        x = inputs[t, j]
        if x != zero:
            for i in range(m):
                out[i] += x * weights[j, i]


@apart
def add_transposed(weights: Matrix, deltas: Matrix, t: int, out: Vector) -> None:
    """out += W δ for the deltas of step t: what the outputs ask of each input (the bias row has none)."""
    n, m = out.shape[0], deltas.shape[1]
    whole = n - n % 4
    for j in range(0, whole, 4):  # four sums share each delta that is read
        s0 = like(out[0], 0.0)
        s1, s2, s3 = s0, s0, s0
        for i in range(m):
            delta = deltas[t, i]
            s0 += weights[j, i] * delta
            s1 += weights[j + 1, i] * delta
            s2 += weights[j + 2, i] * delta
            s3 += weights[j + 3, i] * delta
        out[j] += s0
        out[j + 1] += s1
        out[j + 2] += s2
        out[j + 3] += s3
    for j in range(whole, n):
        total = like(out[0], 0.0)
        for i in range(m):
            total += weights[j, i] * deltas[t, i]
        out[j] += total


@apart
def outer_sum(gradient: Matrix, inputs: Matrix, deltas: Matrix, steps: int) -> Any:
    """gradient = Σₜ xₜ δₜᵀ over the first `steps` rows, with xₜ = 1 for a bias row; returns Σ gradient².

    Eight steps at a time: as many streams of deltas as the compiler still proves apart from the gradient.
    """
    if steps == 1:
        return _outer(gradient, inputs, deltas)
    rows, m = gradient.shape
    total = like(gradient[0, 0], 0.0)
    for j in range(rows):
        for i in range(m):
            gradient[j, i] = like(total, 0.0)
    eights = steps - steps % 8
    fours = steps - steps % 4
    for t in range(0, eights, 8):
        for j in range(rows):
            _add_eight(gradient, inputs, deltas, j, t)
    for t in range(eights, fours, 4):
        for j in range(rows):
            _add_four(gradient, inputs, deltas, j, t)
    for t in range(fours, steps):
        for j in range(rows):
            x = _factor(inputs, t, j)
            for i in range(m):
                gradient[j, i] += x * deltas[t, i]
    for j in range(rows):
        for i in range(m):
            total += gradient[j, i] * gradient[j, i]
    return total


@jit
def _outer(gradient: Matrix, inputs: Matrix, deltas: Matrix) -> Any:
    """The case of one step: gradient = x δᵀ, and Σ gradient² = |x|² |δ|²."""
    rows, m = gradient.shape
    squares = like(gradient[0, 0], 0.0)
    other = squares
    for i in range(m):
        other += deltas[0, i] * deltas[0, i]
    for j in range(rows):
        x = _factor(inputs, FIRST, j)
        squares += x * x
        for i in range(m):
            gradient[j, i] = x * deltas[0, i]
    return squares * other


@jit
def _factor(inputs: Matrix, t: int, j: int) -> Any:
    """What row j of the gradient takes of the deltas of step t: the input, or 1 for the bias."""
    return inputs[t, j] if j < inputs.shape[1] else like(inputs[0, 0], 1.0)


@jit
def _add_four(gradient: Matrix, inputs: Matrix, deltas: Matrix, j: int, t: int) -> None:
    """Row j of the gradient takes in steps t to t + 3."""
    x0, x1 = _factor(inputs, t, j), _factor(inputs, t + 1, j)
    x2, x3 = _factor(inputs, t + 2, j), _factor(inputs, t + 3, j)
    for i in range(deltas.shape[1]):
        gradient[j, i] += (
            x0 * deltas[t, i] + x1 * deltas[t + 1, i] + x2 * deltas[t + 2, i] + x3 * deltas[t + 3, i]
        )


@jit
def _add_eight(gradient: Matrix, inputs: Matrix, deltas: Matrix, j: int, t: int) -> None:
    """Row j of the gradient takes in steps t to t + 7."""
    x0, x1 = _factor(inputs, t, j), _factor(inputs, t + 1, j)
    x2, x3 = _factor(inputs, t + 2, j), _factor(inputs, t + 3, j)
    x4, x5 = _factor(inputs, t + 4, j), _factor(inputs, t + 5, j)
    x6, x7 = _factor(inputs, t + 6, j), _factor(inputs, t + 7, j)
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
