"""A class that belongs to the same event as the features."""

import math
from dataclasses import dataclass
from typing import Any

from river import base
from river.base.typing import ClfTarget, FeatureName

from streamrnn.features import Spec, Target
from streamrnn.river.base import Recurrent


@dataclass(eq=False, repr=False, kw_only=True)
class RNNClassifier(Recurrent, base.Classifier):
    """A recurrent network that learns classes event by event, with what came before in its state.

    Classes are discovered. `learn_one` makes a step of the stream; `predict_proba_one` tells what such a step
    would give, and changes nothing. Features are scaled by what was seen of them.
    """

    max_classes: int = 100
    """Classes that are told apart; a label beyond them is as good as none."""

    def __post_init__(self) -> None:
        self._indices: dict[ClfTarget, int] = {}
        super().__post_init__()

    def learn_one(self, x: dict[FeatureName, Any], y: ClfTarget | None) -> None:
        """One step; `y` may be None, then nothing but the state changes."""
        self._stream.learn(x, self._index(y))

    def _index(self, y: ClfTarget | None) -> float:
        if y is None:
            return math.nan
        if y not in self._indices and len(self._indices) < self.max_classes:
            self._indices[y] = len(self._indices)
            self._stream.know(len(self._indices))
        return self._indices.get(y, math.nan)

    def predict_proba_one(self, x: dict[FeatureName, Any], **kwargs: Any) -> dict[ClfTarget, float]:
        """Of each class seen so far; empty before the first label."""
        if not self._indices:
            return {}
        self._stream.begin(x)
        outputs = self._stream.ask(x).outputs
        greatest = max(outputs)
        powers = [math.exp(output - greatest) for output in outputs]
        total = math.fsum(powers)
        return {y: power / total for y, power in zip(self._indices, powers, strict=True)}

    @property
    def _multiclass(self) -> bool:
        return True

    def _task(self) -> tuple[Target, tuple[Spec, ...]]:
        if self.max_classes < 2:
            raise ValueError(f"max_classes: expected at least 2, got {self.max_classes}")
        return Target(("y",), "classes", bound=self.max_classes), ()

    def _loss(self) -> str:
        return "softmax"
