"""The target per key, in order: what horizons, lags and rhythms are judged by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.cli.columns import Column

DAY = 86_400.0
_REGULAR = 0.9
"""Share of equal steps from which a clock counts as regular."""
_LEAST_CYCLES = 3
"""How often a rhythm must fit into the longest series."""
_LONGEST_RHYTHM = 10_000
_SEASON_GAIN = 0.8
"""A season must leave at most this share of the deviation from the median to be worth its name."""
_AS_GOOD = 1.05
_LEAST_PAIRS = 10


@dataclass(frozen=True)
class Series:
    """One array of the target for each key; classes and texts are numbered as they appear."""

    values: list[NDArray[np.float64]]
    step: float | None
    """Seconds between two rows of a key (median); None without a time."""
    regular: bool

    @property
    def longest(self) -> int:
        """Rows of the key that has most."""
        return max(map(len, self.values))

    @property
    def same_all_along(self) -> bool:
        """No key, of several, ever has two different values: one past value tells all later ones."""
        known = [values[~np.isnan(values)] for values in self.values]
        return len(known) > 1 and all(len(set(values)) <= 1 for values in known) and self.longest > 1


def series_of(target: Column, key: Column | None, time: Column | None, zone: str) -> Series:
    """The target's values, each key on its own."""
    rows_of: dict[Any, list[int]] = {}
    for row in range(len(target.values)):
        rows_of.setdefault(key.values[row] if key else None, []).append(row)
    values = target.floats() if target.numeric or target.kind == "boolean" else target.codes()
    split = [values[rows] for rows in rows_of.values()]
    if time is None:
        return Series(split, None, regular=True)
    seconds = time.seconds(zone)
    steps = np.concatenate([np.diff(seconds[rows]) for rows in rows_of.values()])
    if not steps.size or not (median := float(np.median(steps))) > 0:
        return Series(split, None, regular=False)
    usual = (
        (steps >= 28 * DAY) & (steps <= 31 * DAY) if monthly(median) else np.abs(steps / median - 1) < 0.01
    )
    return Series(split, median, bool(np.mean(usual) >= _REGULAR))


def monthly(step: float) -> bool:
    """A step [s] from month to month."""
    return 28 * DAY <= step <= 31 * DAY


def autocorrelation(series: Series, lag: int) -> float:
    """How much of a key's deviation from its mean is still there `lag` rows later: −1 to 1, 0 if unknown."""
    pairs = [_pairs(values, lag) for values in series.values if len(values) > lag]
    before, after = np.concatenate([np.empty((2, 0)), *pairs], axis=1)
    if len(before) < _LEAST_PAIRS or before.std() == 0 or after.std() == 0:
        return 0.0
    return float(np.corrcoef(before, after)[0, 1])


def _pairs(values: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """(2, pairs): values and those `lag` rows later, where both are known, each beside its mean."""
    pairs = np.stack([values[:-lag], values[lag:]])
    known = pairs[:, ~np.isnan(pairs).any(axis=0)]
    return known - known.mean(axis=1, keepdims=True) if known.size else known


def rhythms(series: Series) -> list[int]:
    """Rows in a day, a week and a year, where at least three of these fit into the longest series."""
    if series.step is None or not series.regular:
        return []
    periods = (DAY, 7 * DAY, 365.25 * DAY)
    lengths = [12] if monthly(series.step) else [round(period / series.step) for period in periods]
    most = min(series.longest // _LEAST_CYCLES, _LONGEST_RHYTHM)
    return [n for n in lengths if 2 <= n <= most]


def season_of(series: Series, horizon: int) -> int | None:
    """The rhythm that explains most, if it explains something; of two that explain as much, the shorter."""
    known = np.concatenate(series.values)
    spread = float(np.nanmean(np.abs(known - np.nanmedian(known))))
    errors = {n: _season_error(series, n) for n in rhythms(series) if n >= horizon}
    if not errors or min(errors.values()) > _SEASON_GAIN * spread:
        return None
    return min(n for n, error in errors.items() if error <= _AS_GOOD * min(errors.values()))


def _season_error(series: Series, season: int) -> float:
    """Mean absolute change over one season."""
    changes = [np.abs(values[season:] - values[:-season]) for values in series.values if len(values) > season]
    return float(np.nanmean(np.concatenate(changes)))
