"""A number that belongs to the same event as the features."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from river import base
from river.base.typing import FeatureName, RegTarget

from streamrnn.features import Spec, Target
from streamrnn.features.fields import GREATEST
from streamrnn.river.base import Recurrent, one_of
from streamrnn.river.stream import Answer

LOSSES = ("squared", "absolute", "huber", "poisson")


@dataclass(eq=False, repr=False, kw_only=True)
class RNNRegressor(Recurrent, base.Regressor):
    """A recurrent network that learns a number event by event, with what came before in its state.

    `learn_one` makes a step of the stream; `predict_one` tells what such a step would give, and changes
    nothing. Features and target are scaled by what was seen of them.
    """

    loss: str = "huber"
    """huber, squared, absolute, or poisson for counts."""

    def learn_one(self, x: dict[FeatureName, Any], y: RegTarget | None) -> None:
        """One step; `y` may be None or NaN, then nothing but the state changes."""
        self._stream.learn(x, known(y, self.loss))

    def predict_one(self, x: dict[FeatureName, Any]) -> RegTarget:
        self._stream.begin(x)
        return number(self._stream.ask(x), self.loss)

    def _task(self) -> tuple[Target, tuple[Spec, ...]]:
        return Target(("y",), kind_of(self.loss)), ()

    def _loss(self) -> str:
        one_of("loss", self.loss, LOSSES)
        return self.loss


def kind_of(loss: str) -> Literal["number", "count"]:
    return "count" if loss == "poisson" else "number"


def known(y: float | None, loss: str) -> float:
    """The label, NaN if there is none. Raises ValueError for a number that cannot be learned."""
    if y is None or math.isnan(y):
        return math.nan
    least = 0.0 if loss == "poisson" else -GREATEST
    if not least <= y <= GREATEST:
        raise ValueError(f"y: expected a number from {least:g} to {GREATEST:g}, got {y}")
    return float(y)


def number(answer: Answer, loss: str) -> float:
    """The network's output in the unit of the labels."""
    [output] = answer.outputs
    if loss == "poisson":
        return answer.scale * math.exp(min(output, 700.0))
    return answer.location + answer.scale * output
