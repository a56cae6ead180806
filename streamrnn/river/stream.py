"""Features and network of one estimator: what it is, is a function of what it has learned, in order."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import Steps, grown
from streamrnn.features import Keys, Spec, Target
from streamrnn.features.layout import Layout
from streamrnn.features.sequence import Memory, Plan, featurise, remember
from streamrnn.river.columns import Columns, read
from streamrnn.river.network import GrowingNetwork
from streamrnn.river.settled import settled

Features = Mapping[Hashable, Any]
Floats = NDArray[np.float64]

_featurise = settled(featurise)

FIRST_INPUTS = 8
"""Room for features at the start; it doubles when they need more."""


class Answer(NamedTuple):
    """A step's prediction is location + scale · output, or of a count scale · e^output."""

    outputs: list[float]
    location: float
    scale: float


class _Keys(Keys):
    def find(self, key: str) -> int | None:
        """The slot of a key that is remembered."""
        return self._slots.get(key)


class Stream:
    """The compiled passes of the service over one event at a time, with features that may come and go.

    Letters as there: d inputs, S series (the label, then numbers in order of appearance). Inputs without a
    feature are 0, series without one are missing.
    """

    def __init__(
        self,
        target: Target,
        specs: tuple[Spec, ...],
        *,
        half_life: float | None,
        max_inputs: int,
        key: Hashable | None,
        max_keys: int,
        network: Mapping[str, Any],
    ) -> None:
        """`specs`: features of past labels. `network`: arguments of `Network` beside its sizes."""
        layout = Layout(specs, target, half_life)
        first, classes = len(layout.names), target.class_count
        self.columns = Columns(first, max_inputs)
        self._key = key
        self._keys = _Keys(max_keys)
        self._plan = self._first_plan = layout.plan()
        self._statistics = np.zeros((layout.statistics, 3))
        self._memory, self._copy = layout.memory(1), layout.memory(1)
        self._waiting = layout.waiting(1)
        self._widest = (first + max_inputs, classes)
        self.network = GrowingNetwork(
            widest=self._widest,
            inputs=first + min(FIRST_INPUTS, max_inputs),
            classes=min(1, classes),
            horizon=0,
            **network,
        )
        self.network.reserve(1)
        self._make_buffers()

    def _make_buffers(self) -> None:
        """Of one event: read or written in every call."""
        none, flag = np.full(1, -1, np.int32), np.zeros(1, np.bool_)
        self._steps = Steps(
            np.zeros(1, np.int32), flag, np.ones(1, np.bool_), np.zeros(1, np.int32), none, none
        )
        self._looking = Steps(
            np.zeros(1, np.int32), np.zeros(1, np.bool_), self._steps.moves, none, none, none
        )
        self._label = np.full((1, 1), np.nan)
        self._values = np.full((1, 1), np.nan)
        self._instants = np.empty((0, 1))
        self._x = np.zeros((1, self.network.inputs))
        self._target, self._unit = np.full((1, 1), np.nan), np.ones((1, 1))
        self._location, self._scale = np.zeros((1, 1)), np.ones((1, 1))

    # --- learning -----------------------------------------------------------------------------------

    def learn(self, x: Features, label: float) -> None:
        """One step of the stream; its label, a number or a class's index, is learned unless it is NaN."""
        numbers, values = read(x, self._key)
        slot, fresh = self._admit(x)
        if self.columns.claim(numbers, values):
            self._make_room()
        steps = self._steps
        steps.slots[0], steps.fresh[0] = slot, fresh
        steps.back[0] = -1 if math.isnan(label) else 0
        self._label[0, 0] = self._values[0, 0] = label
        hot = self.columns.fill(numbers, values, self._values)
        self._featurise(steps, hot, self._statistics, self._memory)
        self.network.learn(steps, self._x, self._target, self._unit)

    def _admit(self, x: Features) -> tuple[int, bool]:
        if self._key is None:
            return 0, False
        slots, fresh = self._keys.resolve([self._name(x)])
        slot = int(slots[0])
        if slot >= len(self._memory.steps):
            room = {name: grown(array, slot + 1) for name, array in self._memory._asdict().items()}
            self._memory = Memory(**room)
        return slot, bool(fresh[0])

    def _name(self, x: Features) -> str:
        if self._key not in x:
            raise ValueError(f"no feature {self._key!r}, which names the stream: {dict(x)}")
        return str(x[self._key])

    def _featurise(self, steps: Steps, hot: NDArray[np.int64], statistics: Floats, memory: Memory) -> None:
        self._x[...] = 0.0
        self._target[0, 0], self._unit[0, 0] = math.nan, 1.0
        _featurise(
            steps,
            self._label,
            self._values,
            self._instants,
            hot,
            self._plan,
            statistics,
            memory,
            self._waiting,
            self._x,
            self._target,
            self._unit,
            self._location,
            self._scale,
        )

    # --- what would be ------------------------------------------------------------------------------

    def begin(self, x: Features) -> None:
        """Copy all that the next step of the stream of `x` depends on; the copy may then go on by itself."""
        slot = 0 if self._key is None else self._keys.find(self._name(x))
        self.network.begin(slot)
        self._supposed = self._statistics.copy()
        for copied, array in zip(self._copy, self._memory, strict=True):
            copied[0] = 0 if slot is None else array[slot]

    def ask(self, x: Features) -> Answer:
        """A step of the copy; nothing is learned."""
        numbers, values = read(x, self._key)
        self._label[0, 0] = self._values[0, 0] = math.nan
        hot = self.columns.fill(numbers, values, self._values)
        self._featurise(self._looking, hot, self._supposed, self._copy)
        outputs = self.network.ask(self._x).tolist()
        return Answer(outputs, float(self._location[0, 0]), float(self._scale[0, 0]))

    def suppose(self, label: float) -> None:
        """Let the copy's last step have had this label."""
        remember(self._plan, self._copy, 0, 0, int(self._copy.steps[0]) - 1, label)

    # --- growing --------------------------------------------------------------------------------------

    def know(self, classes: int) -> None:
        """Have an output for so many classes."""
        if classes > self.network.classes:
            self.network = self.network.widened(self.network.inputs, classes)

    def _make_room(self) -> None:
        """For features that were claimed."""
        inputs = self.network.inputs
        if self.columns.used > inputs:
            inputs = min(max(2 * inputs, self.columns.used), self._widest[0])
            self.network = self.network.widened(inputs, self.network.classes)
            self._x = np.zeros((1, inputs))
        columns = self.columns.of_numbers
        if len(columns) >= len(self._values):
            self._make_series(max(2 * len(self._values), len(columns) + 1))
        self._plan = self._planned(columns)

    def _make_series(self, series: int) -> None:
        """Room for so many; statistics of the labels' change come after those of all series."""
        before, more = len(self._values), series - len(self._values)

        def wider(array: Floats, axis: int) -> Floats:
            return np.insert(array, [before] * more, 0.0, axis)

        self._values = np.full((series, 1), np.nan)
        self._statistics = wider(self._statistics, 0)
        self._memory = self._memory._replace(own=wider(self._memory.own, 1))
        self._copy = self._copy._replace(own=wider(self._copy.own, 1))

    def _planned(self, columns: Sequence[int]) -> Plan:
        first, more = self._first_plan, len(self._values) - 1
        numbers = [(column, place + 1, 0, -1) for place, column in enumerate(columns)]
        return first._replace(
            scaled=np.append(first.scaled, [True] * more),
            one_hot=np.append(first.one_hot, [False] * more),
            offset=np.append(first.offset, [0] * more),
            length=np.append(first.length, [0] * more),
            operations=np.concatenate([first.operations, np.array(numbers, np.int64).reshape(-1, 4)]),
        )
