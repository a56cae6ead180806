"""A recurrent network that learns while it predicts: parameters for all, a state and a ring per key."""

import importlib
from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from streamrnn.arrays import expect, shapes
from streamrnn.core import head, kernel
from streamrnn.core.cells import CELLS
from streamrnn.core.cells.base import Cell
from streamrnn.core.gradients.base import (
    CLIPPED,
    ERRORS,
    LABELLED,
    NORM,
    SKIPPED,
    UPDATES,
    Memory,
    Model,
    Tally,
)
from streamrnn.core.gradients.tbptt import ring
from streamrnn.core.optimisers import OPTIMISERS
from streamrnn.core.schedule import Schedule
from streamrnn.core.window import Window

Array = npt.NDArray[np.floating]
State = dict[str, npt.NDArray[np.generic]]


class Network:
    """A cell with a linear head of one output, a loss, a gradient method and an optimiser, compiled as one.

    Not thread-safe. Letters: d inputs, n hidden, p parameters, s slots in use.
    """

    def __init__(
        self,
        *,
        name: str,
        cell: str = "gru",
        inputs: int,
        hidden: int,
        loss: str,
        horizon: int,
        window: Window,
        stride: int = 1,
        gradient: str = "tbptt",
        optimiser: str = "adam",
        schedule: Schedule,
        clip: float = 1.0,
        dtype: Literal["float32", "float64"] = "float32",
        seed: int = 0,
    ) -> None:
        """`horizon`: how many steps of the key before its event a label judges; 0: the event's own."""
        if window.first < stride:
            raise ValueError(f"network {name}: window {window.first} is shorter than stride {stride}")
        self.name, self.inputs, self.hidden = name, inputs, hidden
        self.horizon, self.window, self.stride = horizon, window, stride
        self.schedule, self.clip = schedule, clip
        self.dtype = np.dtype(dtype)
        self._cell = cast(Cell, importlib.import_module(CELLS[cell]))
        self._kernel = kernel.load(cell, gradient, optimiser, loss)
        self._model = self._new_model(optimiser, np.random.Generator(np.random.PCG64(seed)))
        self._tally = Tally(np.zeros(4, np.int64), np.zeros(2))
        self._used = 0
        self._memory = self._room(0)

    def _new_model(self, optimiser: str, random: np.random.Generator) -> Model:
        d, n, k = self.inputs, self.hidden, self.window.last
        born = self._cell.initialise(random, d, n)
        parameters = np.concatenate([born, np.zeros(head.size(n))]).astype(self.dtype)
        return Model(
            parameters=parameters,
            gradient=np.zeros_like(parameters),
            optimiser=importlib.import_module(OPTIMISERS[optimiser]).state(parameters.size, self.dtype),
            trace=self._cell.trace(k, d, n, self.dtype),
            dh=np.zeros(n, self.dtype),
            dys=np.zeros(k, self.dtype),
        )

    def _room(self, slots: int) -> Memory:
        r = ring(self.window.last, self.horizon)
        return Memory(
            inputs=np.zeros((slots, r, self.inputs), self.dtype),
            entries=np.zeros((slots, r + 1, self.hidden), self.dtype),
            outputs=np.zeros((slots, r), self.dtype),
            labels=np.full((slots, r), np.nan, self.dtype),
            steps=np.zeros(slots, np.int64),
            oldest=np.zeros(slots, np.int64),
            pending=np.zeros(slots, np.int64),
        )

    def reserve(self, slots: int) -> None:
        """Make room for so many slots, at least doubling, so that growing costs little."""
        have = self._memory.steps.size
        if slots > have:
            grown = self._room(max(slots, 2 * have))
            for old, new in zip(self._memory, grown, strict=True):
                new[:have] = old
            self._memory = grown

    def advance(
        self,
        slots: npt.NDArray[np.int32],
        fresh: npt.NDArray[np.bool_],
        back: npt.NDArray[np.int32],
        x: Array,
        target: Array,
        unit: Array,
    ) -> npt.NDArray[np.float64]:
        """The raw outputs (n,) of the events of a block, learning on the way; see `gradients`.

        `back` (n,) is 0 or the horizon where a label judges a step, else −1; x (n, d); `target` (n,) in the
        loss's scale; `unit` (n,) turns a scaled error into the user's.
        """
        events = (
            np.ascontiguousarray(slots, np.int32),
            np.ascontiguousarray(fresh, np.bool_),
            np.ascontiguousarray(back, np.int32),
            np.ascontiguousarray(x, np.float64),
            np.ascontiguousarray(target, np.float64),
            np.ascontiguousarray(unit, np.float64),
        )
        out = np.empty(len(slots))
        if not len(slots):
            return out
        self._used = max(self._used, int(events[0].max()) + 1)
        self.reserve(self._used)
        judging = events[2] >= 0
        begin, left = 0, int(np.count_nonzero(judging))
        while begin < len(out):  # in stretches that end where the window may change
            due = self.window.due_in
            coming, end = left, len(out)
            if due is not None and due <= left:
                coming, end = due, begin + int(np.flatnonzero(judging[begin:])[due - 1]) + 1
            self._run(events, out, begin, end, coming)
            begin, left = end, left - coming
        return out

    def _run(self, events: tuple[Any, ...], out: Array, begin: int, end: int, coming: int) -> None:
        rates = self.schedule.rates(self.labelled, coming)
        shape = (self.window.now, self.stride, self.horizon, self.clip)
        self._kernel.advance(self._model, self._memory, self._tally, *shape, *events, rates, out, begin, end)
        if self.window.learned(coming, float(self._tally.sums[ERRORS])):
            self._tally.sums[ERRORS] = 0.0

    def warm_up(self) -> None:
        """Compile the kernel, or load it from the cache; nothing is learned."""
        none = np.empty(0)
        slots, fresh, back = np.empty(0, np.int32), np.empty(0, np.bool_), np.empty(0, np.int32)
        self._run((slots, fresh, back, np.empty((0, self.inputs)), none, none), none, 0, 0, 0)

    # --- what it is and did ---------------------------------------------------------------------

    @property
    def kernel_hash(self) -> str:
        """Hash of all code that learning is compiled from."""
        return self._kernel.hash

    @property
    def window_now(self) -> int:
        """Steps back that a gradient reaches now."""
        return self.window.now

    @property
    def labelled(self) -> int:
        """Labelled events so far."""
        return int(self._tally.counts[LABELLED])

    @property
    def updates(self) -> int:
        return int(self._tally.counts[UPDATES])

    @property
    def clipped(self) -> int:
        """Updates whose gradient was shortened to `clip`."""
        return int(self._tally.counts[CLIPPED])

    @property
    def skipped(self) -> int:
        """Gradients that were not finite and changed nothing."""
        return int(self._tally.counts[SKIPPED])

    @property
    def gradient_norm(self) -> float:
        """Norm of the last finite gradient, before clipping."""
        return float(self._tally.sums[NORM])

    @property
    def bytes_per_key(self) -> int:
        """Memory that one key takes."""
        return sum(array.nbytes for array in self._room(1))

    def parameters(self) -> dict[str, Array]:
        """Views by torch's names; `head.weight` (1, n) and `head.bias` (1,)."""
        return self._named(self._model.parameters)

    def gradient(self) -> dict[str, Array]:
        """Views of the last gradient, before clipping, by the same names."""
        return self._named(self._model.gradient)

    def _named(self, flat: Array) -> dict[str, Array]:
        named = self._cell.named(flat, self.inputs, self.hidden)
        last = flat[flat.size - head.size(self.hidden) :]
        return named | {"head.weight": last[np.newaxis, :-1], "head.bias": last[-1:]}

    # --- saving and restoring ---------------------------------------------------------------------

    def _arrays(self, memory: Memory) -> dict[str, npt.NDArray[Any]]:
        """Every array that a snapshot holds, by name."""
        return {
            "parameters": self._model.parameters,
            **{f"optimiser/{name}": array for name, array in self._model.optimiser._asdict().items()},
            **{f"keys/{name}": array for name, array in memory._asdict().items()},
            **{f"tally/{name}": array for name, array in self._tally._asdict().items()},
        }

    def state(self) -> State:
        """Copies of everything that shapes the future, by name; capacity does not show."""
        used = {name: array[: self._used] for name, array in self._memory._asdict().items()}
        arrays = self._arrays(Memory(**used)) | {
            f"window/{name}": array for name, array in self.window.state().items()
        }
        return {name: array.copy() for name, array in arrays.items()}

    def load(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Take over what `state` returned. Raises SnapshotError naming the first array that does not fit."""
        used = state["keys/steps"].size if "keys/steps" in state else 0
        memory = self._room(used)
        arrays = self._arrays(memory)
        windows = self.window.state()
        expected = arrays | {f"window/{name}": array for name, array in windows.items()}
        expect(state, shapes(expected))
        for name, array in arrays.items():
            array[...] = state[name]
        self.window.load({name: state[f"window/{name}"] for name in windows})
        self._memory, self._used = memory, used
