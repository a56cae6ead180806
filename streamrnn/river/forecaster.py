"""The next values of a series."""

from dataclasses import dataclass
from typing import Any, Literal

from river.base.typing import FeatureName
from river.time_series.base import Forecaster

from streamrnn.features import Lags, Spec, Target
from streamrnn.river.base import Recurrent, one_of
from streamrnn.river.regressor import LOSSES, kind_of, known, number


@dataclass(eq=False, repr=False, kw_only=True)
class RNNForecaster(Recurrent, Forecaster):
    """A recurrent network that learns a series value by value, one step ahead.

    It learns each value as the change from a reference. `forecast` lets a copy of the state run on, each
    prediction being taken for the value, and changes nothing.
    """

    loss: str = "huber"
    """huber, squared, absolute, or poisson for counts, which needs reference none."""
    lags: tuple[int, ...] | None = (1,)
    """Which earlier values are inputs, 1 being the last one; None: only the state knows of them."""
    reference: Literal["last", "season", "none"] = "last"
    """What the change is counted from: the last value, that of a season before, or nothing."""
    season: int | None = None
    """Events in a season, at least 2, such as 12 for months."""

    def learn_one(self, y: float | None, x: dict[FeatureName, Any] | None = None) -> None:
        """One step; `x` belongs to the same moment as `y`, which may be None or NaN: then it is missing."""
        self._stream.learn(x or {}, known(y, self.loss))

    def forecast(self, horizon: int, xs: list[dict[FeatureName, Any]] | None = None) -> list[float]:
        """The next `horizon` values. `xs`: the features of their moments, if there are any."""
        xs = [{}] * horizon if xs is None else xs
        if len(xs) != horizon:
            raise ValueError(f"xs: expected the features of {horizon} moments, got {len(xs)}")
        values: list[float] = []
        for x in xs:
            if not values:
                self._stream.begin(x)
            values.append(number(self._stream.ask(x), self.loss))
            self._stream.suppose(values[-1])
        return values

    def _task(self) -> tuple[Target, tuple[Spec, ...]]:
        lags = (Lags("y", self.lags),) if self.lags else ()
        return Target(("y",), kind_of(self.loss), season=self.season, reference=self.reference), lags

    def _refuse_nonsense(self) -> None:
        super()._refuse_nonsense()
        if self.season is not None and self.season < 2:
            raise ValueError(f"season: expected at least 2, got {self.season}; without a season write None")

    def _loss(self) -> str:
        one_of("loss", self.loss, LOSSES)
        return self.loss
