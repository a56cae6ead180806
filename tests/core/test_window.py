"""How the window grows."""

import numpy as np
import pytest

from streamrnn.core.window import Window


def fed(window: Window, errors: list[float]) -> list[int]:
    """The window after each stretch with this mean error."""
    seen = []
    for error in errors:
        assert window.learned(window.every, error * window.every) in (True, False)
        seen.append(window.now)
    return seen


def test_fixed_never_looks():
    window = Window.fixed(7)
    assert window.due_in is None
    assert fed(window, [1.0] * 5) == [7] * 5


def test_by_count_doubles_to_its_bound():
    assert fed(Window(1, 6, by="count", every=10), [1.0] * 5) == [2, 4, 6, 6, 6]


def test_by_plateau_doubles_when_the_error_fell_by_less_than_one_percent_then_lets_two_stretches_pass():
    window = Window(1, 8, every=10)
    assert fed(window, [1.0, 0.98, 0.975]) == [1, 1, 2]
    assert fed(window, [0.5]) == [2], "the stretch after growing has none to be compared with"
    assert fed(window, [0.51, 0.2, 0.2, 0.2, 0.2]) == [4, 4, 8, 8, 8]


@pytest.mark.parametrize(("second", "grown"), [(0.9901, 2), (0.9899, 1)])
def test_one_percent_is_the_bound(second, grown):
    assert fed(Window(1, 8, every=10), [1.0, second])[-1] == grown


def test_a_stretch_that_is_not_finite_does_not_count_as_better():
    assert fed(Window(1, 8, every=10), [1.0, np.nan])[-1] == 2


def test_stretches_are_whole_seasons():
    assert Window(1, 4, every=2000, season=168).every == 2016
    assert Window(1, 4, every=336, season=168).every == 336


def test_goes_on_from_its_saved_state():
    window, twin = Window(1, 8, every=10), Window(1, 8, every=10)
    fed(window, [1.0])
    window.learned(4, 3.0)
    twin.load(window.state())
    assert (twin.now, twin.due_in) == (window.now, window.due_in) == (1, 6)
    for one in (window, twin):
        one.learned(6, 10.0)
    assert twin.now == window.now == 2
