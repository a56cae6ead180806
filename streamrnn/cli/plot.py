"""Curves in a terminal, drawn with braille dots: two by four of them in a character."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from rich.text import Text

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille character by row (top first) and column."""
_BLANK = 0x2800


class Curve(NamedTuple):
    """One line of a plot: equally spaced values, NaN where there is none, and its colour."""

    values: Sequence[float]
    style: str


def plot(curves: Mapping[str, Curve], width: int, height: int, unit: str = "") -> Text:
    """The curves on one scale with a legend below, in `width` × `height` characters and some for the axis.

    Later curves are drawn over earlier ones. Values far above the rest are cut off at the top, so that a
    wild start does not flatten what follows.
    """
    known = [value for curve in curves.values() for value in curve.values if np.isfinite(value)]
    if not known:
        return Text("nothing to draw yet", style="dim")
    low, high = _bounds(known)
    cells, styles = _draw(curves, low, high, width, height)
    text = Text()
    for row in range(height):
        label = {0: f"{high:.4g}", height - 1: f"{low:.4g}"}.get(row, "")
        text.append(f"{label:>9} ┤", style="dim")
        for column in range(width):
            text.append(chr(_BLANK + int(cells[row, column])), style=styles.get((row, column), ""))
        text.append("\n")
    text.append(" " * 11)
    for name, curve in curves.items():
        text.append("━━ ", style=curve.style)
        text.append(f"{name}  ")
    return text.append(unit, style="dim")


def _bounds(known: Sequence[float]) -> tuple[float, float]:
    low, usual, most = np.min(known), np.quantile(known, 0.95), np.max(known)
    high = min(most, usual + 0.5 * (usual - low))
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _draw(
    curves: Mapping[str, Curve], low: float, high: float, width: int, height: int
) -> tuple[np.ndarray, dict[tuple[int, int], str]]:
    cells = np.zeros((height, width), np.uint8)
    styles: dict[tuple[int, int], str] = {}
    columns, rows = 2 * width, 4 * height
    for curve in curves.values():
        values = np.asarray(curve.values, np.float64)
        at = np.linspace(0, len(values) - 1, columns)
        heights = (np.interp(at, np.arange(len(values)), values) - low) / (high - low)
        above = None
        for x in range(columns):
            if not np.isfinite(heights[x]):
                above = None
                continue
            y = round((1 - min(max(heights[x], 0.0), 1.0)) * (rows - 1))
            for dot in _between(above, y):
                cells[dot // 4, x // 2] |= _DOTS[dot % 4][x % 2]
                styles[dot // 4, x // 2] = curve.style
            above = y
    return cells, styles


def _between(before: int | None, now: int) -> range:
    """Dots of a column, so that a steep line has no holes."""
    if before is None or before == now:
        return range(now, now + 1)
    return range(before + 1, now + 1) if before < now else range(now, before)
