"""What a set of naive rules is."""

from typing import Protocol

from streamrnn.arrays import Steps
from streamrnn.mixing.table import Floats, Part


class Baselines(Part, Protocol):
    """A set of naive rules with a memory per key."""

    names: tuple[str, ...]

    def predict(self, steps: Steps, label: Floats, answers: Floats, first: int) -> None:
        """Write each step's answers to `answers` (n, 1 + M, A) from column `first` on, and learn the labels.

        A label of a forecast is a value of the event's own and is learned before the prediction, as is one
        that comes for a waiting row; a label of the event's own step is learned after it. One that is NaN
        is unknown and teaches nothing. The slots must be reserved.
        """
