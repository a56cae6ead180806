"""The compiler's options, constants of the right type, and exp, sigmoid and tanh that vectorise.

Kernels' parts are compiled by `jit`, `apart`, `merged` or `exact`, so that the flags stand in one place.
`reassoc` lets sums be vectorised; `nnan` and `ninf` are left out, so that a NaN stays one and can be refused.

The elementary functions share one reduction, x = k·ln 2 + r with |r| ≤ ln 2 / 2, and one polynomial
q(r) ≈ (eʳ − 1) / r, interpolated at Chebyshev nodes (relative error 3e-8 in float32, 3e-17 in float64).
They are compiled with `contract` alone: another order of summation would cost the accuracy they are made for.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
    "nogil": True,
    "_nrt": False,
}
"""Options of everything compiled.

`error_model` drops the test for a zero divisor, which stops vectorising. `_nrt` drops the counting of
references: kernels own no memory, and counting costs a third of the time at 32 hidden values.
"""

INLINED: dict[str, Any] = OPTIONS | {
    "forceinline": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
"""Options of a kernel's parts.

Inlined, because their many arguments would go through the stack; without wrappers, which take long to
compile, so that only compiled code may call them.
"""

APART: dict[str, Any] = INLINED | {"forceinline": False}
"""Options of parts with few arguments and long loops: a call is nothing beside them, a copy takes seconds."""

MERGED: dict[str, Any] = OPTIONS | {"inline": "always"}
"""Options of parts that one place calls: put into their caller before it is compiled, not compiled twice."""

EXACT: dict[str, Any] = INLINED | {"fastmath": {"contract"}}
"""Options of the parts whose order of operations matters."""

ZERO, ONE = np.int64(0), np.int64(1)
"""To call the parts with: a bare number is a type of its own, and compiles a part once more."""

jit = numba.njit(**INLINED)
apart = numba.njit(**APART)
merged = numba.njit(**MERGED)
exact = numba.njit(**EXACT)

by_type = partial(overload, jit_options=EXACT, strict=False)
"""Registers the compiled form of a function by the types of its arguments."""

SINGLE = (1.0, 0.5, 0.16666505, 0.041666467, 0.008369155, 0.001393365)
DOUBLE = (
    1.0,
    0.5000000000000006,
    0.1666666666666667,
    0.041666666666573066,
    0.008333333333326136,
    0.001388888893251478,
    0.00019841269874820627,
    2.480150431378554e-05,
    2.7557255400206422e-06,
    2.7626371065696354e-07,
    2.5105217004720745e-08,
)
LOG2_E = 1.4426950408889634
LN_2_HIGH = 0.693359375
"""Ten bits of ln 2, so that k times it is exact; `LN_2_LOW` is the rest."""
LN_2_LOW = -2.1219444005469057e-4


def like(x: Any, value: float) -> Any:
    """`value` in the type of `x`: a bare literal would turn float32 arithmetic into float64."""
    return type(x)(value)


@by_type(like)
def _like(x: Any, value: Any) -> Callable[..., Any] | None:
    if x == types.float32:
        return lambda x, value: np.float32(value)
    if x == types.float64:
        return lambda x, value: np.float64(value)
    return None


def power_of_two(k: Any) -> Any:
    """2ᵏ for an integer-valued float k within the exponents of its type."""
    return type(k)(2.0) ** k


@by_type(power_of_two)
def _power_of_two(k: Any) -> Callable[..., Any] | None:
    if k == types.float32:
        return lambda k: np.int32(np.int32(np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
    if k == types.float64:  # through int32: AVX2 has no conversion from float64 to int64
        return lambda k: np.int64(np.int64(np.int32(k) + np.int32(1023)) << np.int64(52)).view(np.float64)
    return None


def polynomial(r: Any) -> Any:
    """q(r) ≈ (eʳ − 1) / r for |r| ≤ ln 2 / 2."""
    value = type(r)(0.0)
    for coefficient in reversed(SINGLE if isinstance(r, np.float32) else DOUBLE):
        value = value * r + type(r)(coefficient)
    return value


@by_type(polynomial)
def _polynomial(r: Any) -> Callable[..., Any] | None:
    if r == types.float32:
        c0, c1, c2, c3, c4, c5 = (np.float32(c) for c in SINGLE)
        return lambda r: ((((c5 * r + c4) * r + c3) * r + c2) * r + c1) * r + c0
    if r == types.float64:
        d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10 = DOUBLE
        return lambda r: (
            (
                ((((((((d10 * r + d9) * r + d8) * r + d7) * r + d6) * r + d5) * r + d4) * r + d3) * r + d2)
                * r
                + d1
            )
            * r
            + d0
        )
    return None


def largest(x: Any) -> Any:
    """The bound of |x| within which 2ᵏ neither overflows nor vanishes."""
    return type(x)(87.0 if isinstance(x, np.float32) else 708.0)


@by_type(largest)
def _largest(x: Any) -> Callable[..., Any] | None:
    if x == types.float32:
        return lambda x: np.float32(87.0)
    if x == types.float64:
        return lambda x: np.float64(708.0)
    return None


@exact
def bounded(x: Any) -> Any:
    """x, held within ±`largest`; written so that NaN passes."""
    bound = largest(x)
    x = -bound if x < -bound else x
    return bound if x > bound else x


@exact
def exp(x: Any) -> Any:
    """eˣ, with x held within ±87 (float32) or ±708 (float64)."""
    x = bounded(x)
    k = np.rint(x * like(x, LOG2_E))
    r = (x - k * like(x, LN_2_HIGH)) - k * like(x, LN_2_LOW)
    return power_of_two(k) * (like(x, 1.0) + r * polynomial(r))


@exact
def expm1(x: Any) -> Any:
    """eˣ − 1 without cancellation near 0; same bounds as `exp`."""
    x = bounded(x)
    k = np.rint(x * like(x, LOG2_E))
    r = (x - k * like(x, LN_2_HIGH)) - k * like(x, LN_2_LOW)
    scale = power_of_two(k)
    return scale * (r * polynomial(r)) + (scale - like(x, 1.0))


@exact
def sigmoid(x: Any) -> Any:
    """1 / (1 + e⁻ˣ)."""
    return like(x, 1.0) / (like(x, 1.0) + exp(-x))


@exact
def tanh(x: Any) -> Any:
    """tanh x = e / (e + 2) with e = e²ˣ − 1."""
    e = expm1(like(x, 2.0) * bounded_tanh(x))
    return e / (e + like(x, 2.0))


@exact
def bounded_tanh(x: Any) -> Any:
    """x within ±20, where tanh is ±1 in both types; e²ˣ stays far from overflow, and NaN passes."""
    bound = like(x, 20.0)
    x = -bound if x < -bound else x
    return bound if x > bound else x
