"""river's checks import scikit-learn for all estimators, and use it for those of several targets alone."""

import sys
from types import ModuleType

import pytest


@pytest.fixture
def no_sklearn_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("sklearn")
    stand_in.datasets = None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sklearn", stand_in)
