"""A block of events to inputs and targets."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import State, Steps, expect, grown, nested, shapes, within
from streamrnn.features.layout import Layout
from streamrnn.features.schema import Block
from streamrnn.features.sequence import Memory, Waiting, featurise
from streamrnn.features.specs import Spec, Target

Floats = NDArray[np.float64]


class Inputs(NamedTuple):
    """What networks see of n events."""

    x: Floats
    """(n, d); scaled inputs are within ±10."""
    target: Floats
    """(n, w) scaled target of the judged step, for classes (n, 1) an index; NaN: nothing to learn."""
    unit: Floats
    """(n, w) what the judged step's scaled error is multiplied by to be in user units."""
    location: Floats
    """(n, w) this event's own prediction is location + scale · output, or scale · exp(output) of a count."""
    scale: Floats
    """(n, w)"""


class Features:
    """Scalers, histories and encoders of one stream and of each of its keys.

    A pure function of the sequence of events, however it is cut into blocks.
    """

    def __init__(self, specs: tuple[Spec, ...], target: Target, *, half_life: float | None = None) -> None:
        """`half_life` [events]: after so many a value counts half; None: all count the same for ever.

        Raises ValueError for a feature that would know its own label, or a class as a number.
        """
        layout = Layout(specs, target, half_life)
        self._layout, self._by_id = layout, target.by_id
        self._plan = layout.plan()
        self._memory = layout.memory(1)
        self._waiting = layout.waiting(1)
        self._stream = np.zeros((layout.statistics, 3))
        self._scratch = layout.scratch()
        self._slots = self._rows = 0
        self._numbers = [(layout.series[name], i) for i, name in enumerate(layout.fields.numbers)]
        self._elapsed = np.array([layout.fields.times.index(name) for name in layout.elapsed], np.intp)
        self.input_names = layout.names
        self.bytes_per_key: int = sum(array[0].nbytes for array in self._memory)
        self.bytes_per_row: int = sum(array[0].nbytes for array in self._waiting)

    @property
    def inputs(self) -> int:
        """d: how many inputs a network gets."""
        return len(self.input_names)

    def reserve(self, slots: int, rows: int) -> None:
        """Make room for slots 0 … `slots` − 1, and as many waiting predictions as `rows`."""
        self._slots, self._rows = max(self._slots, slots), max(self._rows, rows)
        if slots > len(self._memory.steps):
            keys = self._memory._asdict()
            self._memory = Memory(**{name: grown(array, slots) for name, array in keys.items()})
        if rows > len(self._waiting.owner):
            waiting = self._waiting._asdict()
            self._waiting = Waiting(**{name: grown(array, rows) for name, array in waiting.items()})

    def featurise(self, block: Block, steps: Steps, label: Floats) -> Inputs:
        """Inputs and targets of the block's n events; then everything here has learned them.

        `label` (w, n): numbers as they were decoded, the index of a class; NaN: not known. Room for slots and
        rows is reserved before.
        """
        n, w, layout = len(block), self._plan.fields, self._layout
        x = np.zeros((n, self.inputs))
        hot = np.empty((len(layout.categories), n), np.int64)
        for row, (column, field, category) in enumerate(layout.categories):
            category.encode(self._of_steps(block.categories[field], steps), column, hot[row])
        for column, field, calendar in layout.calendars:
            calendar.encode(block.times[field], x, column)
        if self._by_id:
            x[~steps.moves] = 0.0
        inputs = Inputs(x, *np.empty((4, n, w)))
        featurise(
            steps,
            label,
            self._values(block, label),
            block.times[self._elapsed],
            hot,
            self._plan,
            self._stream,
            self._memory,
            self._waiting,
            self._scratch,
            *inputs,
        )
        return inputs

    def _of_steps(self, texts: list[str | None], steps: Steps) -> list[str | None]:
        """Without those of records that only bring a label: nothing is learned from them."""
        if not self._by_id:
            return texts
        return [text if moves else None for text, moves in zip(texts, steps.moves.tolist(), strict=True)]

    def _values(self, block: Block, label: Floats) -> Floats:
        """Raw values of the series (S, n); elapsed times are left for the compiled pass."""
        values = np.empty((self._layout.n_series, len(block)))
        values[: len(label)] = 2.0 * label - 1.0 if self._layout.binary else label
        for series, field in self._numbers:
            values[series] = block.numbers[field]
        return values

    def state(self) -> State:
        """Copies of everything that was learned, slots in use only."""
        memory = {name: array[: self._slots].copy() for name, array in self._memory._asdict().items()}
        waiting = {name: array[: self._rows].copy() for name, array in self._waiting._asdict().items()}
        state: State = {
            "stream": self._stream.copy(),
            **nested("keys", memory),
            **nested("waiting", waiting),
        }
        for i, (_, _, category) in enumerate(self._layout.categories):
            state |= nested(f"categories/{i}", category.state())
        return state

    def load(self, state: State) -> None:
        """Take over what `state` returned; raises SnapshotError naming an array that does not fit."""
        slots = len(state["keys/steps"]) if "keys/steps" in state else 0
        rows = len(state["waiting/owner"]) if "waiting/owner" in state else 0
        categories = self._layout.categories
        texts = {f"categories/{i}/texts": (np.uint8, (None,)) for i in range(len(categories))}
        expect(
            state,
            {
                **shapes({"stream": self._stream}),
                **nested("keys", shapes(self._layout.memory(slots)._asdict())),
                **nested("waiting", shapes(self._layout.waiting(rows)._asdict())),
                **texts,
            },
        )
        for i, (_, _, category) in enumerate(categories):
            category.load(within(f"categories/{i}", state))
        self._stream = state["stream"].copy()
        keys, waiting = within("keys", state), within("waiting", state)
        self._memory = Memory(**{name: array.copy() for name, array in keys.items()})
        self._waiting = Waiting(**{name: array.copy() for name, array in waiting.items()})
        self._slots, self._rows = slots, rows

    def warm_up(self) -> None:
        """Compile what events need, or load it from the cache; nothing is learned."""
        fields, labels = self._layout.fields, np.empty((self._plan.fields, 0))
        nothing = Block(
            rows=np.empty(0, np.intp),
            rejects=[],
            keys=[],
            time=np.empty(0),
            numbers=np.empty((len(fields.numbers), 0)),
            categories=[[] for _ in fields.categories],
            times=np.empty((len(fields.times), 0)),
            label=labels,
            classes=[],
            ids=[],
            label_of=[],
            texts=[],
        )
        slot, flag = np.empty(0, np.int32), np.empty(0, np.bool_)
        self.featurise(nothing, Steps(slot, flag, flag, slot, slot, slot), labels)
