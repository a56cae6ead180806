"""Curves in a terminal."""

import math

from streamrnn.cli.plot import Curve, plot


def test_a_rising_line_is_drawn_from_bottom_left_to_top_right() -> None:
    lines = plot(
        {"a": Curve([0, 1, 2, 3, 4, 5, 6, 7], "red")}, width=4, height=2, unit="(x)"
    ).plain.splitlines()
    assert lines[0] == "        7 ┤⠀⠀⡠⠊"
    assert lines[1] == "        0 ┤⡠⠊⠀⠀"
    assert lines[2].split() == ["━━", "a", "(x)"]


def test_a_steep_step_has_no_holes() -> None:
    lines = plot({"a": Curve([0, 0, 1, 1], "red")}, width=2, height=2).plain.splitlines()
    assert (lines[0][-2:], lines[1][-2:]) == ("⠀⡏"[:1] + "⡏", "⣀⡇") or lines[1][-2:].startswith("⣀")
    column = [line[-1] for line in lines[:2]]
    assert all(cell != "⠀" for cell in column)


def test_missing_points_are_gaps_and_no_points_are_no_picture() -> None:
    with_gap = plot({"a": Curve([1, math.nan, math.nan, 1], "red")}, width=4, height=1).plain.splitlines()[0]
    assert with_gap[-4] != "⠀" and with_gap[-1] != "⠀"
    assert "⠀" in with_gap
    assert plot({"a": Curve([math.nan], "red")}, 4, 1).plain == "nothing to draw yet"


def test_a_wild_start_does_not_flatten_the_rest() -> None:
    values = [1000.0] + [2.0 + 0.1 * (i % 3) for i in range(99)]
    top = float(plot({"a": Curve(values, "red")}, 10, 4).plain.splitlines()[0].split()[0])
    assert top < 3
