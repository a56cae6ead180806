"""Gradients of a live run are torch's, and a small error in one of them is noticed."""

import inspect
import itertools
import math

import pytest

from streamrnn.core import cells, gradcheck
from streamrnn.core.cells import gru

pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("horizon", gradcheck.HORIZONS)
@pytest.mark.parametrize("loss", gradcheck.LOSSES)
def test_gradients_of_a_live_run_equal_autograd_and_central_differences(loss, horizon):
    rows = list(gradcheck.gradcheck(losses=[loss], horizons=[horizon]))
    cases = itertools.product(gradcheck.HIDDEN, gradcheck.WINDOWS)
    assert [(row.hidden, (row.window, row.stride)) for row in rows] == list(cases)
    for row in rows:
        assert row.updates >= 10
        assert row.autograd <= 1e-10
        assert row.differences <= 1e-6
        assert row.output <= 1e-12
        assert row.passed


def test_one_step_learning_follows_the_derivative_with_the_entering_state_held_not_the_total_one():
    rows = gradcheck.gradcheck(windows=[(1, 1)], losses=["squared"])
    for row in rows:
        assert row.autograd <= 1e-10
        assert row.total is not None
        assert row.total > 0.05


def test_an_error_of_one_percent_in_one_derivative_fails(tmp_path, monkeypatch):
    line = "az = dh[i] * (states[t, i] - n) * z * (one - z)"
    source = inspect.getsource(gru)
    assert source.count(line) == 1
    (tmp_path / "gru_astray.py").write_text(source.replace(line, line + " * like(z, 1.01)"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cells.CELLS, "astray", "gru_astray")
    monkeypatch.setitem(gradcheck.CELLS, "astray", gradcheck.CELLS["gru"])
    rows = gradcheck.gradcheck(cell="astray", hidden=[3], windows=[(2, 1)], losses=["squared"], horizons=[0])
    for row in rows:
        assert not row.passed
        assert row.autograd > 1e-5
        assert row.differences > 1e-6
        assert row.output <= 1e-12, "predictions are right, only the way back is astray"


GOOD = gradcheck.Row(3, 1, 1, "squared", 3, 40, 1e-15, 2e-15, 3e-9, 0.25)


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
    (row,) = gradcheck.gradcheck(hidden=[3], windows=[(1, 1)], losses=["squared"], horizons=[0])
    assert math.isnan(row.output)
    assert not row.passed


def test_windows_of_every_case_begin_with_a_state_that_is_not_zero():
    """Else the cut of the gradient at the entering state would not be tried."""
    for k, s in gradcheck.WINDOWS:
        for horizon in gradcheck.HORIZONS:
            network = gradcheck._network("gru", 3, k, s, "squared", horizon, 0)
            run = gradcheck._Run(gradcheck._Twin("gru", 3, "squared"), network)
            for event in gradcheck._stream("squared", 0):
                run.event(*event)
            cut = [update for update in run.learned if len(update.window.inputs) == k and update.window.past]
            assert len(cut) >= 3
            assert all(update.window.entry.all() for update in cut)
