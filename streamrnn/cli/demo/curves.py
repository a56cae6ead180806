"""Curves in a terminal: braille dots, two across and four down in each character."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from rich.text import Text

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # [column][row], Unicode block U+2800
AXIS_WIDTH = 6
MARK = "bright_red"
"""Style of a mark, and of nothing else."""


class Curve(NamedTuple):
    style: str
    values: Sequence[float]


class Scale(NamedTuple):
    """The values at the lower and upper edge, and those that are written at the axis."""

    low: float
    high: float
    ticks: Sequence[float]
    form: str = "{:.0f}"
    logarithmic: bool = False

    def height(self, value: float) -> float:
        """0 at the lower edge, 1 at the upper; what lies beyond is at the edge."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def draw(
    curves: Sequence[Curve],
    scale: Scale,
    points: int,
    width: int,
    height: int,
    marks: Sequence[float] = (),
) -> Text:
    """A plot of `width` by `height` characters, axis included; `points` values fill the x axis.

    Later curves lie on top. What leaves the scale runs along its edge. `marks` are shares of the x axis at
    which a vertical line stands.
    """
    columns = max(1, width - AXIS_WIDTH)
    bits = [[0] * columns for _ in range(height)]
    marked = {round(mark * (columns - 1)) for mark in marks}
    styles = [[MARK if column in marked else "" for column in range(columns)] for _ in range(height)]
    for curve in curves:
        for x, y in _dots(curve.values, scale, points, 2 * columns, 4 * height):
            bits[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
            styles[y // 4][x // 2] = curve.style
    labels = {_row(tick, scale, height): scale.form.format(tick) for tick in scale.ticks}
    plot = Text(no_wrap=True, end="")
    for row in range(height):
        plot.append(f"{labels.get(row, ''):>{AXIS_WIDTH - 1}}" + ("┤" if row in labels else "│"), "dim")
        for style, cells in groupby(zip(styles[row], bits[row], strict=True), key=itemgetter(0)):
            blank = "┊" if style == MARK else " "
            plot.append("".join(chr(0x2800 + dots) if dots else blank for _, dots in cells), style)
        if row < height - 1:
            plot.append("\n")
    return plot


def _row(value: float, scale: Scale, height: int) -> int:
    return (4 * height - 1 - round(scale.height(value) * (4 * height - 1))) // 4


def _dots(
    values: Sequence[float], scale: Scale, points: int, width: int, height: int
) -> Iterator[tuple[int, int]]:
    """The dots of the straight lines between neighbours, x from the left and y from the top."""
    before: tuple[float, float] | None = None
    for index, value in enumerate(values):
        if not math.isfinite(value):
            before = None
            continue
        x = index / max(1, points - 1) * (width - 1)
        y = (1.0 - scale.height(value)) * (height - 1)
        here = before or (x, y)
        steps = max(1, math.ceil(max(abs(x - here[0]), abs(y - here[1]))))
        for step in range(steps + 1):
            part = step / steps
            yield round(here[0] + part * (x - here[0])), round(here[1] + part * (y - here[1]))
        before = (x, y)
