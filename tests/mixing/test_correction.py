import numba
import numpy as np
import pytest

from streamrnn.mixing import Mixture
from streamrnn.mixing.correction import RIDGE, _solve
from tests.mixing.streams import one_key


def of_one_key(label, answers, horizon=0):
    mix = Mixture(kind="number", networks=[f"net{j}" for j in range(answers.shape[1])], horizon=horizon)
    mix.reserve(1, horizon)
    return mix, mix.score(one_key(label, horizon), label, answers)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_regression_is_ridge_regression(size):
    rng = np.random.default_rng(size)
    differences = rng.normal(size=(30, size))
    differences[:, -1] = differences[:, 0]  # alike members leave it well posed
    inner, remedies = differences.T @ differences, rng.normal(size=size)
    factor, theta = np.empty((size, size)), np.empty(size)
    numba.njit(_solve.py_func)(inner, remedies, factor, theta)
    expected = np.linalg.solve(inner + RIDGE * np.eye(size), remedies)
    np.testing.assert_allclose(theta, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("horizon", [0, 3])
def test_errors_that_are_alike_cancel_beyond_any_mean_of_the_members(horizon):
    rng = np.random.default_rng(0)
    target = 10 * rng.normal(size=3000)
    error = rng.normal(size=3000)
    label = np.roll(target, horizon)
    # 2 (y + e) − (y + 2 e) = y, but every mean of the two is off by e or more
    _, scored = of_one_key(label, np.stack([target + error, target + 2 * error], axis=1), horizon)
    later = slice(1500, None)
    assert np.nanmean(scored.losses[later, 0]) < 0.3 * np.nanmean(scored.losses[later, 1])


def test_where_nothing_is_to_be_corrected_it_costs_next_to_nothing():
    rng = np.random.default_rng(1)
    label = rng.normal(size=5000)
    plain = label + rng.normal(size=5000)
    mix, _ = of_one_key(label, np.stack([plain, plain], axis=1))
    naive = mix.quality()["mean"]["mae"]
    assert mix.quality()["mix"]["mae"] < 1.02 * min(naive, mix.quality()["net0"]["mae"])


def test_units_do_not_matter():
    rng = np.random.default_rng(2)
    label, answers = rng.normal(size=300), rng.normal(size=(300, 2))
    small, large = of_one_key(label, answers)[1], of_one_key(1024.0 * label, 1024.0 * answers)[1]
    np.testing.assert_allclose(1024.0 * small.published, large.published, rtol=1e-9)


def test_wild_members_leave_it_finite():
    rng = np.random.default_rng(3)
    label = rng.normal(size=500)
    answers = rng.normal(size=(500, 2)) * 10.0 ** rng.integers(-300, 99, (500, 2))
    mix, scored = of_one_key(label, answers)
    assert np.isfinite(scored.published).all()
    assert all(np.isfinite(array).all() for array in mix.state().values())
