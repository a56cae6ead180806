"""Products with a matrix kept by columns: row j is what input j sends to all m outputs.

Shapes: weights (d, m), or (d + 1, m) with the bias as last row; inputs (k, d) and deltas (k, m), one row per
step of the window; vectors out (m,). Loops run over m innermost, on contiguous memory with an index straight
from `range`, which is what the compiler vectorises.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import apart, jit, like

STORED = np.int64(-1)
"""In place of the step whose factors make a gradient: it is stored as such."""

NEAR = 4096
"""How many values of a gradient are summed at a time: they stay in the nearest cache."""

Matrix = npt.NDArray[np.floating]
Vector = npt.NDArray[np.floating]


@jit
def copy(source: Vector, out: Vector) -> None:
    """out = source, in the type of `out`."""
    for i in range(out.shape[0]):
        out[i] = source[i]


@jit
def fill(out: Vector, value: float) -> None:
    """Every element becomes `value`."""
    for i in range(out.shape[0]):
        out[i] = value


@jit
def affine(weights: Matrix, inputs: Matrix, t: int, out: Vector) -> None:
    """out = bias + Wᵀ x for the inputs of step t."""
    copy(weights[inputs.shape[1]], out)
    add_product(weights, inputs, t, out)


@jit
def add_product(weights: Matrix, inputs: Matrix, t: int, out: Vector) -> None:
    """out += Wᵀ x for the inputs of step t.

    Eight rows at a time, to touch `out` less; eight inputs that are all 0 (one-hot, masks) cost nothing.
    """
    d, m = inputs.shape[1], out.shape[0]
    zero = like(out[0], 0.0)
    whole = d - d % 8
    for j in range(0, whole, 8):
        x0, x1, x2, x3 = inputs[t, j], inputs[t, j + 1], inputs[t, j + 2], inputs[t, j + 3]
        x4, x5, x6, x7 = inputs[t, j + 4], inputs[t, j + 5], inputs[t, j + 6], inputs[t, j + 7]
        some = x0 != zero or x1 != zero or x2 != zero or x3 != zero
        if some or x4 != zero or x5 != zero or x6 != zero or x7 != zero:
            for i in range(m):
                out[i] += (
                    x0 * weights[j, i]
                    + x1 * weights[j + 1, i]
                    + x2 * weights[j + 2, i]
                    + x3 * weights[j + 3, i]
                    + x4 * weights[j + 4, i]
                    + x5 * weights[j + 5, i]
                    + x6 * weights[j + 6, i]
                    + x7 * weights[j + 7, i]
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


@jit
def dot(left: Vector, right: Vector) -> Any:
    """Σ left · right."""
    total = like(left[0], 0.0)
    for i in range(left.shape[0]):
        total += left[i] * right[i]
    return total


@jit
def outer(gradient: Matrix, left: Vector, right: Vector) -> None:
    """gradient = left rightᵀ."""
    for j in range(gradient.shape[0]):
        for i in range(gradient.shape[1]):
            gradient[j, i] = left[j] * right[i]


@apart
def outer_sum(gradient: Matrix, inputs: Matrix, deltas: Matrix, steps: int) -> None:
    """gradient = Σₜ xₜ δₜᵀ over the first `steps` rows, with xₜ = 1 for a bias row.

    Two rows by four steps at a time, in blocks of rows that stay in the nearest cache. The two rows come from
    the two halves of a block, so that one look per block tells that what is written and read lies apart.
    """
    rows, m = gradient.shape
    pairs, fours = inputs.shape[1] - inputs.shape[1] % 2, steps - steps % 4
    most = max(1, NEAR // (2 * m))
    for first in range(0, pairs, 2 * most):
        half = min(most, (pairs - first) // 2)
        upper, lower = gradient[first : first + half], gradient[first + half : first + 2 * half]
        _clear(upper)
        _clear(lower)
        for t in range(0, fours, 4):
            _add_four(upper, lower, inputs, first, deltas, t)
        for t in range(fours, steps):
            _add_one(upper, lower, inputs, first, deltas, t)
    _clear(gradient[pairs:])
    for j in range(pairs, rows):
        for t in range(steps):
            x = factor(inputs, t, j)
            for i in range(m):
                gradient[j, i] += x * deltas[t, i]


@jit
def _clear(rows: Matrix) -> None:
    """Every element becomes 0."""
    for j in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            rows[j, i] = like(rows[0, 0], 0.0)


@jit
def _add_four(upper: Matrix, lower: Matrix, inputs: Matrix, first: int, deltas: Matrix, t: int) -> None:
    """The two halves of the block of rows from `first` take in steps t to t + 3."""
    half = upper.shape[0]
    for j in range(half):
        u, v = first + j, first + half + j
        x0, x1, x2, x3 = inputs[t, u], inputs[t + 1, u], inputs[t + 2, u], inputs[t + 3, u]
        y0, y1, y2, y3 = inputs[t, v], inputs[t + 1, v], inputs[t + 2, v], inputs[t + 3, v]
        for i in range(upper.shape[1]):
            d0, d1, d2, d3 = deltas[t, i], deltas[t + 1, i], deltas[t + 2, i], deltas[t + 3, i]
            upper[j, i] += x0 * d0 + x1 * d1 + x2 * d2 + x3 * d3
            lower[j, i] += y0 * d0 + y1 * d1 + y2 * d2 + y3 * d3


@jit
def _add_one(upper: Matrix, lower: Matrix, inputs: Matrix, first: int, deltas: Matrix, t: int) -> None:
    """The same for step t alone."""
    half = upper.shape[0]
    for j in range(half):
        x, y = inputs[t, first + j], inputs[t, first + half + j]
        for i in range(upper.shape[1]):
            delta = deltas[t, i]
            upper[j, i] += x * delta
            lower[j, i] += y * delta


@jit
def sum_of_squares(vector: Vector) -> Any:
    """Σ v²."""
    total = like(vector[0], 0.0)
    for i in range(vector.shape[0]):
        total += vector[i] * vector[i]
    return total


@jit
def factor(inputs: Matrix, t: int, j: int) -> Any:
    """What row j of the gradient takes of the deltas of step t: the input, or 1 for the bias."""
    return inputs[t, j] if j < inputs.shape[1] else like(inputs[0, 0], 1.0)


@jit
def outer_squares(inputs: Matrix, deltas: Matrix, rows: int) -> Any:
    """Σ gradient² of the first step alone, without the gradient: |x|² |δ|²; `rows` counts a bias row too."""
    squares = like(inputs[0, 0], rows - inputs.shape[1])
    other = like(inputs[0, 0], 0.0)
    for j in range(inputs.shape[1]):
        squares += inputs[0, j] * inputs[0, j]
    for i in range(deltas.shape[1]):
        other += deltas[0, i] * deltas[0, i]
    return squares * other
