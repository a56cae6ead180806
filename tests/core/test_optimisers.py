"""Optimisers against torch.optim over 500 steps."""

import importlib
import inspect

import numba
import numpy as np
import pytest

from streamrnn.core.linear import STORED
from streamrnn.core.numerics import OPTIONS
from streamrnn.core.optimisers import OPTIMISERS

SIZE = 37
STEPS = 500
CLIP = 0.7
TORCH = {"sgd": "SGD", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"}
OTHERS = {
    "sgd": {"momentum": 0.9, "weight_decay": 0.1},
    "rmsprop": {"alpha": 0.9, "epsilon": 1e-4, "momentum": 0.8, "weight_decay": 0.1},
    "adam": {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4, "weight_decay": 0.1},
    "adamw": {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4, "weight_decay": 0.3},
}
CASES = [(name, {}) for name in OPTIMISERS] + list(OTHERS.items())
IDS = [*(f"{name}, defaults" for name in OPTIMISERS), *OTHERS]


def module(name):
    return importlib.import_module(OPTIMISERS[name])


def compiled(name):
    begin, update = module(name).begin, module(name).update

    @numba.njit(**OPTIONS)
    def steps(parameters, row, gradients, state, rowed, settings, rates, factors):
        for t in range(gradients.shape[0]):
            paced = begin(parameters, state, settings, rates[t], factors[t])
            update(row, gradients[t], gradients[t], STORED, rowed, paced)

    def run(parameters, gradients, state, settings, rates, factors):
        """All of it as a matrix of one row."""
        rowed = state._replace(
            **{key: array[np.newaxis] for key, array in state._asdict().items() if array.size == SIZE}
        )
        steps(
            parameters,
            parameters[np.newaxis],
            gradients[:, np.newaxis],
            state,
            rowed,
            settings,
            rates,
            factors,
        )

    return run


@pytest.fixture(scope="module")
def optimisers():
    return {name: compiled(name) for name in OPTIMISERS}


def settings(name, **others):
    return np.array(list((module(name).SETTINGS | others).values()))


def problem(seed=0):
    """Parameters, gradients of very different sizes, rates, factors by which clipping shortens."""
    random = np.random.default_rng(seed)
    gradients = random.standard_normal((STEPS, SIZE)) * np.geomspace(1e-2, 10, SIZE)
    return (
        random.standard_normal(SIZE),
        gradients,
        0.01 * random.random(STEPS),
        random.choice([1.0, CLIP], STEPS),
    )


def by_torch(name, parameters, gradients, rates, factors, beta_1=0.9, beta_2=0.999, **others):
    torch = pytest.importorskip("torch")
    leaf = torch.tensor(parameters, requires_grad=True)
    if "epsilon" in others:
        others["eps"] = others.pop("epsilon")
    if "adam" in name:
        others["betas"] = (beta_1, beta_2)
    optimiser = getattr(torch.optim, TORCH[name])([leaf], **others)
    for gradient, rate, factor in zip(gradients, rates, factors, strict=True):
        leaf.grad = factor * torch.tensor(gradient)
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
    return leaf.detach().numpy()


@pytest.mark.torch
@pytest.mark.parametrize(("name", "others"), CASES, ids=IDS)
def test_500_steps_equal_torchs_within_1e_12(optimisers, name, others):
    parameters, gradients, rates, factors = problem()
    truth = by_torch(name, parameters, gradients, rates, factors, **others)
    found, state = parameters.copy(), module(name).state(SIZE, np.float64)
    optimisers[name](found, gradients, state, settings(name, **others), rates, factors)
    assert np.abs(found - parameters).max() > 0.1
    assert found == pytest.approx(truth, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_float32_follows_float64(optimisers, name):
    parameters, gradients, rates, factors = problem()
    chosen = settings(name, **OTHERS[name])
    wide, narrow = parameters.copy(), parameters.astype(np.float32)
    optimisers[name](wide, gradients, module(name).state(SIZE, np.float64), chosen, rates, factors)
    state = module(name).state(SIZE, np.float32)
    optimisers[name](narrow, gradients.astype(np.float32), state, chosen, rates, factors)
    assert {array.dtype for array in state if array.size == SIZE} == {np.dtype(np.float32)}
    assert narrow == pytest.approx(wide, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_goes_on_from_its_state(optimisers, name):
    parameters, gradients, rates, factors = problem()
    chosen = settings(name, **OTHERS[name])
    whole, cut = parameters.copy(), parameters.copy()
    state, other = (module(name).state(SIZE, np.float64) for _ in range(2))
    optimisers[name](whole, gradients, state, chosen, rates, factors)
    for begin, end in [(0, 1), (1, 130), (130, STEPS)]:
        part = slice(begin, end)
        optimisers[name](cut, gradients[part], other, chosen, rates[part], factors[part])
        other = type(other)(*(array.copy() for array in other))
    assert np.array_equal(whole, cut)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_averages_of_what_has_ended_do_not_fade_into_subnormal_numbers(optimisers, name):
    _, gradients, rates, factors = problem()
    parameters, state = np.zeros(SIZE, np.float32), module(name).state(SIZE, np.float32)
    fading = {key: 0.9 for key in module(name).SETTINGS if key not in ("epsilon", "weight_decay")}
    chosen = settings(name, **fading, weight_decay=0.0)
    optimisers[name](parameters, gradients.astype(np.float32), state, chosen, rates, factors)
    averages = [array for array in state if array.size == SIZE]
    for _ in range(20):
        optimisers[name](parameters, np.zeros((64, SIZE), np.float32), state, chosen, rates, factors)
        for average in averages:
            assert (np.abs(average[average != 0]) > np.finfo(np.float32).tiny).all()
    assert all((average == 0).all() for average in averages)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_powers_of_the_betas_do_not_fade_into_subnormal_numbers(optimisers, name):
    updates = 10_000  # 0.9 ** 7_000 is subnormal in float64
    parameters, state = np.zeros(SIZE), module(name).state(SIZE, np.float64)
    gradients, ones = np.zeros((updates, SIZE)), np.ones(updates)
    optimisers[name](parameters, gradients, state, settings(name), ones, ones)
    beta_1, beta_2, count = state.powers
    assert (beta_1, count) == (0.0, updates)
    assert beta_2 == pytest.approx(0.999**updates, rel=1e-9)


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_gradient_may_be_given_as_its_two_factors(name, biased):
    begin, update = module(name).begin, module(name).update
    random = np.random.default_rng(0)
    inputs, deltas = random.standard_normal((3, 4)), random.standard_normal((3, 6))
    with_bias = np.append(inputs[1], 1.0) if biased else inputs[1]
    gradient = np.outer(with_bias, deltas[1])
    chosen = settings(name, **OTHERS[name])

    @numba.njit(**OPTIONS)
    def step(parameters, matrix, source, inputs, t, state, shaped, settings):
        update(matrix, source, inputs, t, shaped, begin(parameters, state, settings, 0.01, 0.5))

    found = []
    for source, t in ((gradient, STORED), (deltas, np.int64(1))):
        parameters, state = np.ones(gradient.size), module(name).state(gradient.size, np.float64)
        shaped = state._replace(
            **{k: a.reshape(gradient.shape) for k, a in state._asdict().items() if a.size == gradient.size}
        )
        matrix = parameters.reshape(gradient.shape)
        step(parameters, matrix, source, inputs, t, state, shaped, chosen)
        found.append(parameters)
    assert found[0] == pytest.approx(found[1], rel=1e-14)
    assert (found[0] != 1.0).all()


def test_states_have_names_of_their_own():
    """numba mistakes two named tuples of one name and structure for each other, and calls become slow."""
    states = {type(module(name).state(1, np.float32)) for name in OPTIMISERS}
    assert len({state.__name__ for state in states}) == len(states)


@pytest.mark.torch
@pytest.mark.parametrize("name", OPTIMISERS)
def test_defaults_are_torchs(name):
    torch = pytest.importorskip("torch")
    theirs = inspect.signature(getattr(torch.optim, TORCH[name])).parameters
    beta_1, beta_2 = theirs["betas"].default if "betas" in theirs else (None, None)
    special = {"beta_1": beta_1, "beta_2": beta_2}
    for key, value in module(name).SETTINGS.items():
        default = special[key] if key in special else theirs["eps" if key == "epsilon" else key].default
        assert value == default
