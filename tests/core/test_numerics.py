"""exp, sigmoid and tanh against mpmath-exact values in numpy's longest type, in units in the last place."""

import numba
import numpy as np
import pytest

from streamrnn.core.numerics import OPTIONS, exp, sigmoid, tanh

compiled = numba.njit(**OPTIONS)


@compiled
def exp_of(x, out):
    for i in range(x.shape[0]):
        out[i] = exp(x[i])


@compiled
def sigmoid_of(x, out):
    for i in range(x.shape[0]):
        out[i] = sigmoid(x[i])


@compiled
def tanh_of(x, out):
    for i in range(x.shape[0]):
        out[i] = tanh(x[i])


def exact_sigmoid(x):
    return 1 / (1 + np.exp(-x))


CASES = [(exp_of, np.exp, 2), (sigmoid_of, exact_sigmoid, 3), (tanh_of, np.tanh, 4)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("function", "exact", "ulps"), CASES, ids=["exp", "sigmoid", "tanh"])
def test_within_a_few_units_in_the_last_place(function, exact, ulps, dtype):
    ordinary = np.linspace(-30, 30, 100_001)
    tiny = np.geomspace(1e-30, 1, 10_001)
    x = np.concatenate([ordinary, tiny, -tiny]).astype(dtype)
    out = np.empty_like(x)
    function(x, out)
    truth = exact(x.astype(np.longdouble))
    error = np.abs(out - truth) / np.spacing(np.abs(truth).astype(dtype))
    assert error.max() <= ulps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("function", "exact", "_ulps"), CASES, ids=["exp", "sigmoid", "tanh"])
def test_far_out_nothing_overflows_and_nan_stays_nan(function, exact, _ulps, dtype):
    x = np.array([np.nan, 1e30, -1e30, np.inf, -np.inf, 0.0] * 3, dtype)
    out = np.empty_like(x)
    function(x, out)
    assert np.isnan(out[0::6]).all()
    assert np.isfinite(out[~np.isnan(x)]).all()
    assert (out[5::6] == exact(np.zeros(1))).all()
