"""A network that takes events one by one, can be asked without learning, and grows."""

from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import Steps
from streamrnn.core import Network
from streamrnn.core.gradients.base import Events
from streamrnn.river.settled import settled

Array = NDArray[np.floating]
Floats = NDArray[np.float64]


def _put(small: NDArray[Any], great: NDArray[Any]) -> None:
    """Into the corner of an array that has as many axes, none of them shorter."""
    great[tuple(slice(length) for length in small.shape)] = small


class GrowingNetwork(Network):
    """An input or a class that comes later begins with weights of 0: it changes nothing until it is learned.

    The network is pickled and copied as its arguments and its state.
    """

    def __init__(self, *, inputs: int, classes: int, **settings: Any) -> None:
        """`settings` are the other arguments of `Network`."""
        super().__init__(inputs=inputs, classes=classes, **settings)
        self._settings = settings
        self.classes = classes
        self._kernel = self._kernel._replace(advance=settled(self._kernel.advance))
        self._copy = self._room(1)
        self._out: Floats = np.empty((1, self.outputs))
        none, flag = np.full(1, -1, np.int32), np.zeros(1, np.bool_)
        nothing = np.full((1, self.targets), np.nan)
        self._asked = Steps(np.zeros(1, np.int32), flag, np.ones(1, np.bool_), none, none, none)
        self._unlabelled = (flag, nothing, np.ones_like(nothing))

    def widened(self, inputs: int, classes: int) -> Self:
        """The same network with more inputs or classes."""
        wide = type(self)(inputs=inputs, classes=classes, **self._settings)
        wide.reserve(self._slots)
        mine, its = self.state(), wide.state()
        for name, array in its.items():
            if name == "parameters" or (
                name.startswith("optimiser/") and array.shape == its["parameters"].shape
            ):
                array[...] = 0
                parts = wide._named(cast(Array, array))
                for part, small in self._named(cast(Array, mine[name])).items():
                    _put(small, parts[part])
            else:
                _put(mine[name], array)
        wide.load(its)
        return wide

    def learn(self, steps: Steps, x: Floats, target: Floats, unit: Floats) -> Floats:
        """The raw outputs (o,) of one event, learning its label if `steps.back` is 0.

        The arrays are those of `Network.advance`, of one event; outputs are overwritten by the next.
        """
        self.reserve(int(steps.slots[0]) + 1)
        judging = steps.back >= 0
        events = Events(*steps[:3], judging, steps.keep, steps.judge, x, target, unit)
        self._run(events, self._out, 0, 1, int(judging[0]))
        outputs: Floats = self._out[0]
        return outputs

    # --- what would be ----------------------------------------------------------------------------

    def begin(self, slot: int | None) -> None:
        """Copy the state that a slot carries, or that of a new key."""
        copy, memory = self._copy, self._memory
        copy.steps[0] = 0
        if slot is None:
            copy.entries[0, 0] = 0.0
        else:
            copy.entries[0, 0] = memory.entries[slot, memory.steps[slot] % memory.entries.shape[1]]

    def ask(self, x: Floats) -> Floats:
        """The raw outputs (o,) of a step of the copy on x (1, d); overwritten by the next."""
        flag, nothing, one = self._unlabelled
        asked = self._asked
        events = Events(*asked[:3], flag, asked.keep, asked.judge, x, nothing, one)
        kept, self._memory = self._memory, self._copy
        try:
            self._run(events, self._out, 0, 1, 0)
        finally:
            self._memory = kept
        outputs: Floats = self._out[0]
        return outputs

    def __getstate__(self) -> dict[str, Any]:
        sizes = {"inputs": self.inputs, "classes": self.classes}
        return {"arguments": {**self._settings, **sizes}, "state": self.state()}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__init__(**saved["arguments"])  # type: ignore[misc]
        self.load(saved["state"])
