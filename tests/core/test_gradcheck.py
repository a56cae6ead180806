"""Gradients of a live run are torch's, and a small error in one of them is noticed."""

import inspect
import itertools
import math
from collections import defaultdict

import numpy as np
import pytest

from streamrnn.core import cells, gradcheck, oracles
from streamrnn.core.cells import gru
from streamrnn.core.gradcheck import BY_ID, HIDDEN, HORIZONS, WINDOWS, Case, cases, check
from streamrnn.core.losses import LOSSES
from streamrnn.core.oracles import Form

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

PLAIN = {"cells": ["gru"], "layers": [1], "heads": [()]}


def checked(chosen):
    """What no case may fall short of; the whole table is for the command."""
    for case in chosen:
        row = check(case)
        assert row.updates >= 10
        assert row.autograd <= 1e-10
        assert row.differences <= 1e-6
        assert row.output <= 1e-12
        assert row.passed


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_of_a_live_run_equal_autograd_and_central_differences(loss):
    checked(cases(**PLAIN, losses=[loss]))


@pytest.mark.parametrize("cell", ["elman", "lstm"])
def test_so_they_do_through_two_layers_and_a_head_with_a_hidden_one(cell):
    checked(cases(cells=[cell], layers=[2], heads=[(5,)], losses=["huber", "softmax"]))


def test_the_table_holds_every_combination_and_every_window_meets_every_size_and_time_of_label():
    table = cases()
    combinations = {
        (c.form.cell, c.form.layers, c.form.head, c.form.loss, (c.window, c.stride)) for c in table
    }
    assert len(combinations) == len(table) == 3 * 2 * 2 * 7 * 6
    met = defaultdict(set)
    for case in table:
        met[case.window, case.stride].add((case.form.hidden, case.horizon))
    for (k, s), pairs in met.items():
        horizons = [horizon for horizon in HORIZONS if s == 1 or horizon != BY_ID]
        assert pairs == {*itertools.product(HIDDEN, horizons)}, (k, s)
    assert {(c.form.cell, c.form.activation) for c in table if c.form.head} == {
        *itertools.product(cells.CELLS, ("tanh", "relu", "gelu"))
    }


def test_one_step_learning_follows_the_derivative_with_the_entering_state_held_not_the_total_one():
    for case in cases(**PLAIN, losses=["squared", "logistic"], windows=[(1, 1)]):
        row = check(case)
        assert row.autograd <= 1e-10
        assert row.total is not None
        assert row.total > 0.05


def test_an_error_of_one_percent_in_one_derivative_fails(tmp_path, monkeypatch):
    line = "deltas[t, 1, i] = dh[i] * (states[t, i] - n) * z * (one - z)"
    source = inspect.getsource(gru)
    assert source.count(line) == 1
    (tmp_path / "gru_astray.py").write_text(source.replace(line, line + " * like(z, 1.01)"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cells.CELLS, "astray", "gru_astray")
    monkeypatch.setitem(oracles.CELLS, "astray", oracles.CELLS["gru"])
    row = check(Case(Form("astray", 1, 3, (), "tanh", "squared"), 2, 1, 0))
    assert not row.passed
    assert row.autograd > 1e-5
    assert row.differences > 1e-6
    assert row.output <= 1e-12, "predictions are right, only the way back is astray"


GOOD = gradcheck.Row(cases(**PLAIN)[0], 40, 1e-15, 2e-15, 3e-9, 0.25)


@pytest.mark.parametrize("column", ["output", "autograd", "differences", "total"])
def test_what_is_no_number_does_not_pass(column):
    assert GOOD.passed
    assert not GOOD._replace(**{column: math.nan}).passed


def test_one_prediction_that_is_no_number_fails_the_case(monkeypatch):
    """However late it comes, and whatever stands before it."""
    calls = itertools.count()
    sound = gradcheck._advance
    monkeypatch.setattr(
        gradcheck, "_advance", lambda *event: sound(*event) + (math.nan if next(calls) == 50 else 0.0)
    )
    row = check(GOOD.case)
    assert math.isnan(row.output)
    assert not row.passed


@pytest.mark.parametrize("horizon", HORIZONS)
def test_windows_of_every_case_begin_with_a_state_that_is_not_zero(horizon):
    """Else the cut of the gradient at the entering state would not be tried."""
    for k, s in WINDOWS:
        if horizon == BY_ID and s > 1:
            continue
        case = GOOD.case._replace(window=k, stride=s, horizon=horizon)
        run = gradcheck._Run(oracles.TorchOracle(case.form), gradcheck._network(case, 0), case)
        for event in gradcheck._stream(case, 0):
            run.event(event)
        cut = [update for update in run.learned if len(update.window.inputs) == k and update.window.past]
        assert len(cut) >= 2
        assert all(update.window.entry.all() for update in cut)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_both_oracles_step_as_the_modules_of_torch_do(name):
    """Over two layers: names, gates and the order of what is carried."""
    cell = {"RNN": "elman"}.get(name, name.lower())
    form = Form(cell, 2, 4, (), "tanh", "squared")
    module = getattr(torch.nn, name)(3, 4, 2, dtype=torch.float64)
    parameters = {key: value.detach().numpy() for key, value in module.named_parameters()}
    if cell != "gru":
        for layer in range(2):
            both = [parameters.pop(f"bias_{part}_l{layer}") for part in ("ih", "hh")]
            parameters[f"bias_l{layer}"] = sum(both)
    parameters |= {"head.0.weight": np.ones((1, 4)), "head.0.bias": np.zeros(1)}
    x = torch.randn(6, 3, dtype=torch.float64)
    with torch.no_grad():
        expected = module(x)[0].sum(dim=1).numpy()
    state, answers = np.zeros(oracles.carried(form)), []
    for row in x.numpy():
        state, answer = oracles.TorchOracle(form).step(parameters, row, state)
        answers.append(answer[0])
    np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-13)
    window = oracles.Window(np.zeros_like(state), [*x.numpy()], {5: np.zeros(1)}, [])
    value = oracles._value(form, {key: array[np.newaxis] for key, array in parameters.items()}, window)
    assert value[0] == pytest.approx(0.5 * expected[-1] ** 2, abs=1e-13)
