"""A recurrent network that learns while it predicts: parameters for all, a state and a ring per key."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt

from streamrnn.arrays import Steps, expect, grown, nested, shapes, within
from streamrnn.core import head as dense
from streamrnn.core import kernel, torch_names
from streamrnn.core.aligned import zeros
from streamrnn.core.boost import Boost
from streamrnn.core.cells import CELLS
from streamrnn.core.cells.base import Cell
from streamrnn.core.gradients.base import (
    Events,
    Memory,
    Model,
    Pool,
    Rule,
    Tally,
)
from streamrnn.core.gradients.tbptt import ring
from streamrnn.core.losses import LOSSES, dispatch
from streamrnn.core.optimisers import OPTIMISERS
from streamrnn.core.schedule import Schedule
from streamrnn.core.tallied import Tallied
from streamrnn.core.window import Window

Array = npt.NDArray[np.floating]
State = dict[str, npt.NDArray[np.generic]]

Arrays = TypeVar("Arrays", Memory, Pool)


def _each(arrays: Arrays, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Arrays:
    """The same named arrays, each of them changed."""
    return arrays._replace(**{name: change(array) for name, array in arrays._asdict().items()})


def _over(state: Any, size: int, view: Callable[[Array], Array]) -> Any:
    """An optimiser's state with a view of every array that has a value for each of `size` parameters."""
    arrays = state._asdict().items()
    return state._replace(**{name: view(array) for name, array in arrays if array.size == size})


class Network(Tallied):
    """Layers of a cell, a head, a loss, a gradient method and an optimiser, compiled as one.

    Not thread-safe. Letters: n events, d inputs, w targets, o outputs, p parameters.
    """

    def __init__(
        self,
        *,
        name: str,
        cell: str = "gru",
        inputs: int,
        hidden: int,
        layers: int = 1,
        head: tuple[int, ...] = (),
        activation: str = "tanh",
        loss: str,
        targets: int = 1,
        classes: int = 0,
        levels: tuple[float, ...] = (),
        horizon: int,
        pool: int = 0,
        window: Window,
        stride: int = 1,
        gradient: str = "tbptt",
        optimiser: str = "adam",
        settings: Mapping[str, float] | None = None,
        schedule: Schedule,
        boost: Boost | None = None,
        clip: float = 1.0,
        dtype: Literal["float32", "float64"] = "float32",
        seed: int = 0,
        keep_gradient: bool = False,
    ) -> None:
        """`horizon`: how many steps of the key before its event a label judges; 0: the event's own.

        `pool` above 0: labels come by id; a judged window waits in a row until then, whatever its key does
        meanwhile. `head`: widths of hidden layers, with `activation` after each. `settings` change defaults
        of the optimiser. `keep_gradient`: for `gradient`, which learning by one step at a time does without.
        """
        if window.first < stride:
            raise ValueError(f"network {name}: window {window.first} is shorter than stride {stride}")
        if pool and stride > 1:
            raise ValueError(
                f"network {name}: labels by id are learned one at a time, not by a stride of {stride}"
            )
        self.name, self.inputs, self.hidden, self.layers = name, inputs, hidden, layers
        self.targets, self.horizon, self.window, self.stride = targets, horizon, window, stride
        self.schedule, self.boost, self.clip, self.keep_gradient = schedule, boost, clip, keep_gradient
        self.outputs: int = importlib.import_module(LOSSES[loss]).outputs(targets, classes, levels)
        self.dtype = np.dtype(dtype)
        self._pooled = pool > 0
        self._loss, self._activation = dispatch.number(loss), dense.ACTIVATIONS.index(activation)
        self._cell = cast(Cell, importlib.import_module(CELLS[cell]))
        self._kernel = kernel.load(cell, gradient, optimiser)
        self._widths = (hidden, *head, self.outputs)
        self._model = self._new_model(
            optimiser, settings or {}, levels, np.random.Generator(np.random.PCG64(seed))
        )
        self._tally = Tally(np.zeros(4, np.int64), np.zeros(3))
        self._slots = self._rows = 0
        self._memory, self._pool = self._room(0), self._waiting(0)

    # --- its arrays ---------------------------------------------------------------------------------

    def _inputs_of(self, layer: int) -> int:
        return self.hidden if layer else self.inputs

    def _new_model(
        self,
        optimiser: str,
        settings: Mapping[str, float],
        levels: tuple[float, ...],
        random: np.random.Generator,
    ) -> Model:
        n, k, dtype = self.hidden, self.window.last, self.dtype
        module = importlib.import_module(OPTIMISERS[optimiser])
        if unknown := sorted(settings.keys() - module.SETTINGS.keys()):
            raise ValueError(f"network {self.name}: {optimiser} has no setting {unknown[0]}")
        born = [self._cell.initialise(random, self._inputs_of(layer), n) for layer in range(self.layers)]
        born.append(dense.initialise(random, self._widths))
        parameters = zeros(sum(part.size for part in born), dtype, 1)
        np.concatenate(born, out=parameters, casting="same_kind")
        gradient = zeros(parameters.size, dtype, 4)
        state = module.state(parameters.size, dtype)
        return Model(
            parameters=parameters,
            gradient=gradient,
            optimiser=state,
            settings=np.array([*(module.SETTINGS | dict(settings)).values()], np.float64),
            weights=self._matrices(parameters),
            gradients=self._matrices(gradient),
            states=self._states(state, parameters.size),
            traces=self._traces(),
            flat=tuple(
                (part(parameters), part(gradient), _over(state, parameters.size, part))
                for part in (lambda flat: flat[np.newaxis], lambda flat: self._of_head(flat)[np.newaxis])
            ),
            head=dense.views(self._of_head(parameters), self._widths),
            head_gradients=dense.views(self._of_head(gradient), self._widths),
            head_trace=dense.trace(k, self._widths, dtype),
            targets=np.zeros((k, self.targets), dtype),
            levels=np.array(levels, dtype),
        )

    def _traces(self) -> tuple[Any, ...]:
        """A layer reads its inputs where the one below leaves its states."""
        traces: list[Any] = []
        for layer in range(self.layers):
            trace = self._cell.trace(self.window.last, self._inputs_of(layer), self.hidden, self.dtype)
            traces.append(trace._replace(inputs=traces[-1].states[1:]) if traces else trace)
        return tuple(traces)

    def _of_layers(self, flat: Array) -> list[Array]:
        sizes = [self._cell.size(self._inputs_of(layer), self.hidden) for layer in range(self.layers)]
        ends = np.cumsum(sizes)
        return [flat[end - size : end] for size, end in zip(sizes, ends, strict=True)]

    def _of_head(self, flat: Array) -> Array:
        return flat[flat.size - dense.size(self._widths) :]

    def _matrices(self, flat: Array) -> tuple[Any, ...]:
        parts = enumerate(self._of_layers(flat))
        return tuple(self._cell.views(part, self._inputs_of(layer), self.hidden) for layer, part in parts)

    def _states(self, state: Any, size: int) -> tuple[Any, ...]:
        """The optimiser's state over each layer's matrices; `size` is the number of all parameters."""
        parts = {name: self._matrices(array) for name, array in state._asdict().items() if array.size == size}
        matrices = [len(layer) for layer in next(iter(parts.values()))]
        return tuple(
            tuple(
                state._replace(**{name: part[layer][i] for name, part in parts.items()}) for i in range(count)
            )
            for layer, count in enumerate(matrices)
        )

    def _room(self, slots: int) -> Memory:
        r, carried = ring(self.window.last, self.horizon), self.layers * self._cell.carried(self.hidden)
        return Memory(
            inputs=np.zeros((slots, r, self.inputs), self.dtype),
            entries=np.zeros((slots, r + 1, carried), self.dtype),
            outputs=np.zeros((slots, r, self.outputs), self.dtype),
            labels=np.zeros((slots, r, self.targets), self.dtype),
            steps=np.zeros(slots, np.int64),
            oldest=np.zeros(slots, np.int64),
            pending=np.zeros(slots, np.int64),
        )

    def _waiting(self, rows: int) -> Pool:
        carried = self.layers * self._cell.carried(self.hidden)
        return Pool(
            inputs=np.zeros((rows, self.window.last, self.inputs), self.dtype),
            entries=np.zeros((rows, carried), self.dtype),
            outputs=np.zeros((rows, self.outputs), self.dtype),
            lengths=np.zeros(rows, np.int64),
        )

    def reserve(self, slots: int, rows: int = 0) -> None:
        """Make room for slots and rows of labels by id; at least doubled, as growing costs."""
        if slots > self._slots:
            self._slots = slots
            self._memory = _each(self._memory, lambda array: grown(array, slots))
        if self._pooled and rows > self._rows:
            self._rows = rows
            self._pool = _each(self._pool, lambda array: grown(array, rows))

    # --- learning -------------------------------------------------------------------------------------

    def advance(
        self,
        steps: Steps,
        x: npt.NDArray[np.float64],
        target: npt.NDArray[np.float64],
        unit: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """The raw outputs (n, o) of the events of a block, learning on the way; see `gradients`.

        x (n, d); `target` (n, w) in the loss's scale, NaN where unknown; `unit` (n, w) turns a scaled error
        into the user's. Rows of events that make no step are NaN.
        """
        target = np.ascontiguousarray(target, np.float64)
        out = np.full((len(target), self.outputs), np.nan)
        if not len(target):
            return out
        brings = steps.judge if self._pooled else steps.back
        judging = (brings >= 0) & ~np.isnan(target).all(axis=1)
        events = Events(
            slots=np.ascontiguousarray(steps.slots, np.int32),
            fresh=np.ascontiguousarray(steps.fresh, np.bool_),
            moves=np.ascontiguousarray(steps.moves, np.bool_),
            judging=judging,
            keep=np.ascontiguousarray(steps.keep, np.int32),
            judge=np.ascontiguousarray(steps.judge, np.int32),
            x=np.ascontiguousarray(x, np.float64),
            target=target,
            unit=np.ascontiguousarray(unit, np.float64),
        )
        self.reserve(int(events.slots.max()) + 1, int(events.keep.max()) + 1)
        begin, left = 0, int(np.count_nonzero(judging))
        while begin < len(out):  # in stretches that end where the window or the rate may change
            coming, end = left, len(out)
            if (due := self._due_in()) <= left:
                coming, end = due, begin + int(np.flatnonzero(judging[begin:])[due - 1]) + 1
            self._run(events, out, begin, end, coming)
            begin, left = end, left - coming
        return out

    def _due_in(self) -> int:
        """Labelled events until window or boost look at the errors."""
        dues = [self.window.due_in, None if self.boost is None else self.boost.due_in]
        return min((due for due in dues if due is not None), default=sys.maxsize)

    def _run(self, events: Events, out: Array, begin: int, end: int, coming: int) -> None:
        rates = self.schedule.rates(self.labelled, coming)
        if self.boost is not None:
            rates = rates * self.boost.factors(coming)
        rule = Rule(
            window=self.window.now,
            stride=self.stride,
            horizon=self.horizon,
            pooled=self._pooled,
            clip=self.clip,
            keep_gradient=self.keep_gradient,
            loss=self._loss,
            activation=self._activation,
        )
        state = (self._model, self._memory, self._pool, self._tally)
        self._kernel.advance(*state, rule, events, rates, out, begin, end)
        self._look(coming)

    def warm_up(self) -> None:
        """Compile the kernel, or load it from the cache; nothing is learned."""
        none, flags, fields = np.empty(0, np.int32), np.empty(0, np.bool_), np.empty((0, self.targets))
        events = Events(none, flags, flags, flags, none, none, np.empty((0, self.inputs)), fields, fields)
        self._run(events, np.empty((0, self.outputs)), 0, 0, 0)

    # --- what it is and did ---------------------------------------------------------------------

    @property
    def kernel_hash(self) -> str:
        """Hash of all code that learning is compiled from."""
        return self._kernel.hash

    @property
    def bytes_per_key(self) -> int:
        """Memory that one key takes."""
        return sum(array.nbytes for array in self._room(1))

    @property
    def bytes_per_row(self) -> int:
        """Memory that one label by id takes while it is waited for."""
        return sum(array.nbytes for array in self._waiting(1)) if self._pooled else 0

    def parameters(self) -> dict[str, Array]:
        """Views by torch's names: `weight_ih_l0` …, then `head.0.weight` …"""
        return self._named(self._model.parameters)

    def gradient(self) -> dict[str, Array]:
        """Views of the last gradient, before clipping, by the same names; of a single step if it is kept."""
        return self._named(self._model.gradient)

    def _named(self, flat: Array) -> dict[str, Array]:
        return {
            f"{name}_l{layer}": array
            for layer, part in enumerate(self._of_layers(flat))
            for name, array in self._cell.named(part, self._inputs_of(layer), self.hidden).items()
        } | dense.named(self._of_head(flat), self._widths)

    def take(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        """Begin with these weights, by torch's names; see `torch_names.imported`. Raises ConfigError."""
        parameters = self.parameters()
        for name, values in torch_names.imported(parameters, weights).items():
            parameters[name][...] = values

    def torch_state(self) -> dict[str, Array]:
        """Copies of the parameters by torch's names: of its RNN, LSTM or GRU, then `head.0.weight` …"""
        return torch_names.exported(self.parameters())

    # --- saving and restoring ---------------------------------------------------------------------

    def _arrays(self, memory: Memory, pool: Pool) -> dict[str, npt.NDArray[Any]]:
        """Every array that a snapshot holds, by name."""
        return {
            "parameters": self._model.parameters,
            **nested("optimiser", self._model.optimiser._asdict()),
            **nested("keys", memory._asdict()),
            **(nested("pool", pool._asdict()) if self._pooled else {}),
            **nested("tally", self._tally._asdict()),
        }

    def _counters(self) -> dict[str, npt.NDArray[Any]]:
        """Of what looks at stretches of events."""
        boost = {} if self.boost is None else nested("boost", self.boost.state())
        return nested("window", self.window.state()) | boost

    def state(self) -> State:
        """Copies of everything that shapes the future, by name: of as many slots and rows as are reserved."""
        memory = _each(self._memory, lambda array: array[: self._slots])
        pool = _each(self._pool, lambda array: array[: self._rows])
        arrays = self._arrays(memory, pool) | self._counters()
        return {name: array.copy() for name, array in arrays.items()}

    def load(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Take over what `state` returned. Raises SnapshotError naming the first array that does not fit."""
        slots = state["keys/steps"].size if "keys/steps" in state else 0
        rows = state["pool/lengths"].size if "pool/lengths" in state else 0
        memory, pool = self._room(slots), self._waiting(rows)
        arrays = self._arrays(memory, pool)
        expect(state, shapes(arrays | self._counters()))
        for name, array in arrays.items():
            array[...] = state[name]
        self.window.load(within("window", state))
        if self.boost is not None:
            self.boost.load(within("boost", state))
        self._memory, self._pool, self._slots, self._rows = memory, pool, slots, rows
