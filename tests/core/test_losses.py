"""Losses against torch: derivatives by autograd, errors by the same formula written out."""

import importlib
import math

import numba
import numpy as np
import pytest

from streamrnn.core.losses import LOSSES
from streamrnn.core.numerics import OPTIONS

LEVELS = np.array([0.05, 0.4, 0.9])
TARGETS = {"logistic": 1, "softmax": 1}
CLASSES = 5
K = 40
NUMBERS = ["squared", "absolute", "huber", "quantile", "poisson"]


def compiled(name):
    """All steps of a window at once: (dys (k, o), errors (k,))."""
    loss = importlib.import_module(LOSSES[name])
    derivative, error = loss.derivative, loss.error

    @numba.njit(**OPTIONS)
    def run(outputs, targets, unit, levels, share, dys, errors):
        for t in range(outputs.shape[0]):
            derivative(outputs, t, targets[t], levels, share, dys)
            errors[t] = error(outputs[t], targets[t], unit, levels)

    def both(outputs, targets, unit, share=1.0):
        dys, errors = np.full_like(outputs, 7.0), np.full(len(outputs), 7.0)
        typed = outputs.dtype.type
        run(outputs, targets.astype(typed), unit, LEVELS, typed(share), dys, errors)
        return dys, errors

    return both


@pytest.fixture(scope="module")
def losses():
    return {name: compiled(name) for name in LOSSES}


def case(name, seed=0):
    """Outputs (k, o) and targets (k, w) of a kind that the loss is for."""
    random = np.random.default_rng(seed)
    w = TARGETS.get(name, 3)
    o = importlib.import_module(LOSSES[name]).outputs(w, CLASSES, tuple(LEVELS))
    outputs = 2 * random.standard_normal((K, o))
    targets = {
        "logistic": random.integers(0, 2, (K, w)),
        "softmax": random.integers(0, CLASSES, (K, w)),
        "poisson": random.poisson(2.0, (K, w)),
    }.get(name, random.standard_normal((K, w)))
    return outputs, targets.astype(np.float64)


def by_torch(torch, name, outputs, target):
    """torch's loss of one step; the mean over its fields, of which all are known."""
    functional = torch.nn.functional
    y = torch.tensor(target)
    if name == "quantile":
        missing = y[:, None] - outputs.reshape(len(y), -1)
        levels = torch.tensor(LEVELS)
        return torch.maximum(levels * missing, (levels - 1) * missing).mean()
    return {
        "squared": lambda: 0.5 * functional.mse_loss(outputs, y),
        "absolute": lambda: functional.l1_loss(outputs, y),
        "huber": lambda: functional.huber_loss(outputs, y),
        "logistic": lambda: functional.binary_cross_entropy_with_logits(outputs, y),
        "softmax": lambda: functional.cross_entropy(outputs, y[0].long()),
        "poisson": lambda: functional.poisson_nll_loss(outputs, y),
    }[name]()


def torch_gradient(name, outputs, targets):
    torch = pytest.importorskip("torch")
    leaf = torch.tensor(outputs, requires_grad=True)
    sum(by_torch(torch, name, leaf[t], targets[t]) for t in range(len(targets))).backward()
    return leaf.grad.numpy()


@pytest.mark.torch
@pytest.mark.parametrize("name", LOSSES)
def test_derivative_equals_autograd_within_1e_14(losses, name):
    outputs, targets = case(name)
    found, _ = losses[name](outputs, targets, np.ones(targets.shape[1]), share=0.25)
    assert found == pytest.approx(0.25 * torch_gradient(name, outputs, targets), rel=1e-14, abs=1e-14)


@pytest.mark.torch
@pytest.mark.parametrize("name", LOSSES)
def test_derivative_in_float32_is_that_of_float64_within_1e_6(losses, name):
    outputs, targets = case(name)
    outputs, targets = outputs.astype(np.float32), targets.astype(np.float32)
    found, errors = losses[name](outputs, targets, np.ones(targets.shape[1]))
    wide = outputs.astype(np.float64), targets.astype(np.float64)
    assert found.dtype == np.float32
    assert found == pytest.approx(torch_gradient(name, *wide), rel=1e-6, abs=1e-6)
    assert errors == pytest.approx(losses[name](*wide, np.ones(targets.shape[1]))[1], rel=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["absolute", "quantile"])
def test_at_the_bend_the_derivative_is_torchs(losses, name):
    outputs, targets = case(name)
    q = outputs.shape[1] // targets.shape[1]
    outputs[::2] = np.repeat(targets[::2], q, axis=1)
    found, _ = losses[name](outputs, targets, np.ones(3))
    assert found == pytest.approx(torch_gradient(name, outputs, targets), rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("name", NUMBERS)
def test_an_unknown_field_adds_nothing_and_changes_no_other(losses, name):
    outputs, targets = case(name)
    gaps = targets.copy()
    gaps[:, 1] = np.nan
    whole, _ = losses[name](outputs, targets, np.ones(3))
    found, _ = losses[name](outputs, gaps, np.ones(3))
    fields = outputs.shape[1] // 3
    missing = slice(fields, 2 * fields)
    assert (found[:, missing] == 0).all()
    assert np.array_equal(np.delete(found, missing, 1), np.delete(whole, missing, 1))


@pytest.mark.parametrize("name", LOSSES)
def test_without_any_target_the_derivative_is_0_and_the_error_unknown(losses, name):
    outputs, targets = case(name)
    found, errors = losses[name](outputs, np.full_like(targets, np.nan), np.ones(targets.shape[1]))
    assert (found == 0).all()
    assert np.isnan(errors).all()


@pytest.mark.parametrize("name", LOSSES)
def test_an_output_that_is_not_a_number_makes_no_number(losses, name):
    outputs, targets = case(name)
    for o in range(outputs.shape[1]):
        broken = outputs.copy()
        broken[:, o] = np.nan
        found, _ = losses[name](broken, targets, np.ones(targets.shape[1]))
        assert np.isnan(found[:, o]).all()


@pytest.mark.parametrize("name", ["logistic", "softmax", "poisson"])
def test_far_out_nothing_overflows(losses, name):
    outputs, targets = case(name)
    for dtype, far in [(np.float64, 600.0), (np.float32, 80.0)]:
        outputs = np.resize(np.array([far, -far, 0.0], dtype), outputs.shape)
        found, errors = losses[name](outputs, targets, np.ones(targets.shape[1]))
        assert np.isfinite(found).all()
        assert np.isfinite(errors).all()


@pytest.mark.parametrize("name", ["squared", "absolute", "huber"])
def test_error_of_numbers_is_the_mean_miss_of_the_known_fields_in_their_units(losses, name):
    unit = np.array([1.0, 10.0, 100.0])
    outputs, targets = np.array([[1.0, 2.0, 3.0]]), np.array([[1.5, np.nan, 1.0]])
    assert losses[name](outputs, targets, unit)[1] == pytest.approx([(0.5 + 200.0) / 2], rel=1e-15)


def test_error_of_quantiles_is_that_of_the_level_nearest_to_the_median(losses):
    outputs = np.array([[9.0, 1.0, 9.0, 9.0, 4.0, 9.0, 9.0, 9.0, 9.0]])
    _, errors = losses["quantile"](outputs, np.array([[0.0, 2.0, np.nan]]), np.array([1.0, 10.0, 1.0]))
    assert errors == pytest.approx([(1.0 + 20.0) / 2], rel=1e-15)


def test_error_of_counts_is_the_miss_of_the_mean(losses):
    outputs = np.log(np.array([[3.0, 5.0]]))
    _, errors = losses["poisson"](outputs, np.array([[1.0, 6.0]]), np.array([1.0, 4.0]))
    assert errors == pytest.approx([(2.0 + 4.0) / 2], rel=1e-14)


def test_error_of_classes_is_their_log_loss(losses):
    logits = np.array([[math.log(0.2), math.log(0.5), math.log(0.3), -90.0, -90.0]]) + 11.0
    assert losses["softmax"](logits, np.array([[2.0]]), np.ones(1))[1] == pytest.approx([-math.log(0.3)])
    logit = np.array([[math.log(0.7 / 0.3)]])
    assert losses["logistic"](logit, np.array([[1.0]]), np.ones(1))[1] == pytest.approx([-math.log(0.7)])
    assert losses["logistic"](logit, np.array([[0.0]]), np.ones(1))[1] == pytest.approx([-math.log(0.3)])


def test_as_many_outputs_as_fields_times_levels_or_classes():
    def outputs(name, *shape):
        return importlib.import_module(LOSSES[name]).outputs(*shape)

    assert outputs("quantile", 2, 0, (0.1, 0.5, 0.9)) == 6
    assert outputs("softmax", 1, 7, ()) == 7
    assert outputs("logistic", 1, 2, ()) == 1
    assert [outputs(name, 4, 0, ()) for name in ("squared", "absolute", "huber", "poisson")] == [4] * 4
