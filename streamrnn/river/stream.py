"""Features and network of one estimator: what it is, is a function of what it has learned, in order."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import Steps, grown
from streamrnn.features import Keys, Spec, Target
from streamrnn.features.layout import Layout
from streamrnn.features.sequence import Memory, Plan, featurise, remember, scratch
from streamrnn.river.columns import Columns, Numbers, Values, read
from streamrnn.river.network import GrowingNetwork
from streamrnn.river.settled import settled

Features = Mapping[Hashable, Any]
Floats = NDArray[np.float64]

_featurise = settled(featurise)


class Answer(NamedTuple):
    """A step's prediction is location + scale · output, or of a count scale · e^output."""

    outputs: list[float]
    location: float
    scale: float


class _Keys(Keys):
    def find(self, key: str) -> int | None:
        """The slot of a key that is remembered."""
        return self._slots.get(key)


class _Room:
    """What is written and read in every call, and forgotten after it."""

    def __init__(self, inputs: int, statistics: Floats, memory: Memory, series: int) -> None:
        none, yes = np.full(1, -1, np.int32), np.ones(1, np.bool_)
        self.learning = Steps(
            np.zeros(1, np.int32), np.zeros(1, np.bool_), yes, np.zeros(1, np.int32), none, none
        )
        self.asking = Steps(np.zeros(1, np.int32), np.zeros(1, np.bool_), yes, none, none, none)
        self.label = np.empty((1, 1))
        self.values = np.empty((series, 1))
        self.instants = np.empty((0, 1))
        self.x = np.empty((1, inputs))
        self.target, self.unit = np.empty((1, 1)), np.empty((1, 1))
        self.location, self.scale = np.empty((1, 1)), np.empty((1, 1))
        self.scratch = scratch(1, series, len(statistics))
        self.statistics = np.empty_like(statistics)
        """The copy's."""
        self.memory = Memory(**{name: array[:1].copy() for name, array in memory._asdict().items()})
        """The copy's, in its only slot."""


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
        first = len(layout.names)
        self.columns = Columns(first, max_inputs)
        self._key = key
        self._keys = _Keys(max_keys)
        self._plan = self._first_plan = layout.plan()
        self._statistics = np.zeros((layout.statistics, 3))
        self._memory, self._waiting = layout.memory(1), layout.waiting(1)
        self._most_inputs = first + max_inputs
        self._network_of = {"horizon": 0, **network}
        self.network = self._new_network(max(first, 1), min(target.class_count, 1))
        self._room = self._make_room()

    def _new_network(self, inputs: int, classes: int) -> GrowingNetwork:
        network = GrowingNetwork(inputs=inputs, classes=classes, **self._network_of)
        network.reserve(1)
        return network

    def _make_room(self) -> _Room:
        return _Room(self.network.inputs, self._statistics, self._memory, self._plan.scaled.size)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_room"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._room = self._make_room()

    # --- learning -----------------------------------------------------------------------------------

    def learn(self, x: Features, label: float) -> None:
        """One step of the stream; its label, a number or a class's index, is learned unless it is NaN."""
        numbers, values = read(x, self._key)
        slot, fresh = self._admit(x)
        if self.columns.claim(numbers, values):
            self._grow()
        room = self._room
        steps = room.learning
        steps.slots[0], steps.fresh[0] = slot, fresh
        steps.back[0] = -1 if math.isnan(label) else 0
        self._featurise(steps, numbers, values, label, self._statistics, self._memory)
        self.network.learn(steps, room.x, room.target, room.unit)

    def _admit(self, x: Features) -> tuple[int, bool]:
        if self._key is None:
            return 0, False
        slots, fresh = self._keys.resolve([self._name(x)])
        slot = int(slots[0])
        if slot >= len(self._memory.steps):
            memory = self._memory._asdict()
            self._memory = Memory(**{name: grown(array, slot + 1) for name, array in memory.items()})
        return slot, bool(fresh[0])

    def _name(self, x: Features) -> str:
        if self._key not in x:
            raise ValueError(f"no feature {self._key!r}, which names the stream: {dict(x)}")
        return str(x[self._key])

    def _featurise(
        self, steps: Steps, numbers: Numbers, values: Values, label: float, statistics: Floats, memory: Memory
    ) -> None:
        """One event into the room; statistics and memory learn it."""
        room = self._room
        room.label[0, 0] = room.values[0, 0] = label
        room.x[...] = 0.0
        _featurise(
            steps,
            room.label,
            room.values,
            room.instants,
            self.columns.fill(numbers, values, room.values),
            self._plan,
            statistics,
            memory,
            self._waiting,
            room.scratch,
            room.x,
            room.target,
            room.unit,
            room.location,
            room.scale,
        )

    # --- what would be ------------------------------------------------------------------------------

    def begin(self, x: Features) -> None:
        """Copy all that the next step of the stream of `x` depends on; the copy may then go on by itself."""
        slot = 0 if self._key is None else self._keys.find(self._name(x))
        self.network.begin(slot)
        self._room.statistics[...] = self._statistics
        for copied, array in zip(self._room.memory, self._memory, strict=True):
            copied[0] = 0 if slot is None else array[slot]

    def ask(self, x: Features) -> Answer:
        """A step of the copy; nothing is learned."""
        room = self._room
        numbers, values = read(x, self._key)
        self._featurise(room.asking, numbers, values, math.nan, room.statistics, room.memory)
        outputs = self.network.ask(room.x).tolist()
        return Answer(outputs, float(room.location[0, 0]), float(room.scale[0, 0]))

    def suppose(self, label: float) -> None:
        """Let the copy's last step have had this label."""
        memory = self._room.memory
        remember(self._plan, memory, 0, 0, int(memory.steps[0]) - 1, label)

    # --- growing --------------------------------------------------------------------------------------

    def know(self, classes: int) -> None:
        """Have an output for each of this number of classes."""
        if classes > self.network.classes:
            self.network = self.network.widened(self.network.inputs, classes)

    def _grow(self) -> None:
        """For features that were claimed; those of the first event begin with random weights."""
        inputs, used = self.network.inputs, self.columns.used
        if not self._memory.steps.any():
            self.network = self._new_network(used, self.network.classes)
        elif used > inputs:
            inputs = min(max(2 * inputs, used), self._most_inputs)
            self.network = self.network.widened(inputs, self.network.classes)
        columns, series = self.columns.of_numbers, self._plan.scaled.size
        if len(columns) >= series:
            series = max(2 * series, len(columns) + 1)
            self._make_series(series)
        self._plan = self._planned(columns, series)
        self._room = self._make_room()

    def _make_series(self, series: int) -> None:
        """Statistics for this number of series; those of the labels' change come last."""
        before = self._plan.scaled.size
        places = [before] * (series - before)
        self._statistics = np.insert(self._statistics, places, 0.0, 0)
        self._memory = self._memory._replace(own=np.insert(self._memory.own, places, 0.0, 1))

    def _planned(self, columns: Sequence[int], series: int) -> Plan:
        first, more = self._first_plan, series - self._first_plan.scaled.size
        nothing = np.zeros(more, np.int64)
        numbers = [(column, place + 1, 0, -1, -1) for place, column in enumerate(columns)]
        operations = np.concatenate([first.operations, np.array(numbers, np.int64).reshape(-1, 5)])
        operations[operations[:, 4] >= 0, 4] += more  # statistics of changes come after those of all series
        return first._replace(
            scaled=np.append(first.scaled, np.ones(more, np.bool_)),
            one_hot=np.append(first.one_hot, np.zeros(more, np.bool_)),
            offset=np.append(first.offset, nothing),
            length=np.append(first.length, nothing),
            operations=operations,
        )
