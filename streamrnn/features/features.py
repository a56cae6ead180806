"""A block of events to inputs and targets."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, expect, nested, shapes, within
from streamrnn.features.layout import Layout
from streamrnn.features.schema import Block
from streamrnn.features.sequence import Memory, featurise
from streamrnn.features.specs import Spec, Target

Floats = NDArray[np.float64]


class Inputs(NamedTuple):
    """What networks see of n events."""

    x: Floats
    """(n, d); scaled inputs are within ±10."""
    target: Floats
    """(n,) scaled target of the judged step, 0 or 1 for classes; NaN: nothing to learn."""
    unit: Floats
    """(n,) what the judged step's scaled error is multiplied by to be in user units."""
    location: Floats
    """(n,) this event's own prediction is location + scale · output."""
    scale: Floats
    """(n,)"""


class Features:
    """Scalers, histories and encoders of one stream and of each of its keys.

    A pure function of the sequence of events, however it is cut into blocks.
    """

    def __init__(self, specs: tuple[Spec, ...], target: Target, *, half_life: float | None = None) -> None:
        """`half_life` [events]: after so many a value counts half; None: all count the same for ever.

        Raises ValueError for a feature that would know its own label.
        """
        layout = Layout(specs, target, half_life)
        self._layout, self._binary = layout, target.kind == "binary"
        self._plan = layout.plan()
        self._memory = layout.memory(1)
        self._stream = np.zeros((layout.n_series + 1, 3))
        self._used = 0
        self._numbers = [(layout.series[name], i) for i, name in enumerate(layout.fields.numbers)]
        self._elapsed = np.array([layout.fields.times.index(name) for name in layout.elapsed], np.intp)
        self.input_names = layout.names
        self.bytes_per_key: int = sum(array[0].nbytes for array in self._memory)

    @property
    def inputs(self) -> int:
        """d: how many inputs a network gets."""
        return len(self.input_names)

    def reserve(self, slots: int) -> None:
        """Make room for slots 0 … `slots` − 1."""
        self._used = max(self._used, slots)
        room = len(self._memory.steps)
        if slots > room:
            grown = self._layout.memory(max(slots, 2 * room))
            for new, old in zip(grown, self._memory, strict=True):
                new[:room] = old
            self._memory = grown

    def featurise(
        self, block: Block, slots: NDArray[np.int32], fresh: NDArray[np.bool_], back: NDArray[np.int32]
    ) -> Inputs:
        """Inputs and targets of the block's n events; then everything here has learned them.

        `back` (n,): how many of the key's events ago the prediction was made that an event's label judges;
        −1: none.
        """
        n, layout = len(block), self._layout
        if n:
            self.reserve(int(slots.max()) + 1)
        x = np.zeros((n, self.inputs))
        hot = np.empty((len(layout.categories), n), np.int64)
        for row, (column, field, category) in enumerate(layout.categories):
            category.encode(block.categories[field], column, hot[row])
        for column, field, calendar in layout.calendars:
            calendar.encode(block.times[field], x, column)
        outcome = np.empty((4, n))
        featurise(
            np.ascontiguousarray(slots, np.int32),
            np.ascontiguousarray(fresh, np.bool_),
            np.ascontiguousarray(back, np.int32),
            np.ascontiguousarray(block.label),
            self._values(block),
            np.ascontiguousarray(block.times[self._elapsed]),
            hot,
            self._plan,
            self._stream,
            self._memory,
            x,
            outcome,
        )
        return Inputs(x, *outcome)

    def _values(self, block: Block) -> Floats:
        """Raw values of the series (S, n); elapsed times are left for the compiled pass."""
        values = np.empty((self._layout.n_series, len(block)))
        values[0] = 2.0 * block.label - 1.0 if self._binary else block.label
        for series, field in self._numbers:
            values[series] = block.numbers[field]
        return values

    def state(self) -> State:
        """Copies of everything that was learned, slots in use only."""
        memory = {name: array[: self._used].copy() for name, array in self._memory._asdict().items()}
        state: State = {"stream": self._stream.copy(), **nested("keys", memory)}
        for i, (_, _, category) in enumerate(self._layout.categories):
            state |= nested(f"categories/{i}", category.state())
        return state

    def load(self, state: State) -> None:
        """Take over what `state` returned; raises SnapshotError naming an array that does not fit."""
        used = state["keys/steps"].size if "keys/steps" in state else 0
        memory = self._layout.memory(used)
        categories = self._layout.categories
        texts = {f"categories/{i}/texts": (np.uint8, (None,)) for i in range(len(categories))}
        expect(
            state,
            {
                **shapes({"stream": self._stream}),
                **nested("keys", shapes(memory._asdict())),
                **texts,
            },
        )
        for i, (_, _, category) in enumerate(categories):
            category.load(within(f"categories/{i}", state))
        self._stream = state["stream"].copy()
        self._memory = Memory(**{name: array.copy() for name, array in within("keys", state).items()})
        self._used = used
        self.reserve(1)
        self._used = used

    def warm_up(self) -> None:
        """Compile what events need, or load it from the cache; nothing is learned."""
        empty = np.empty(0)
        nothing = Block(
            rows=np.empty(0, np.intp),
            rejects=[],
            keys=[],
            time=empty,
            numbers=np.empty((len(self._layout.fields.numbers), 0)),
            categories=[[] for _ in self._layout.fields.categories],
            times=np.empty((len(self._layout.fields.times), 0)),
            label=empty,
        )
        self.featurise(nothing, np.empty(0, np.int32), np.empty(0, np.bool_), np.empty(0, np.int32))
