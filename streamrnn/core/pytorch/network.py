"""The torch engine: any module learns by BPTT(k; s) with autograd, under the rules of `gradients.tbptt`.

To learn, the window that ends at the judged step is run again from its stored entry state with today's
weights, as there; the rings, the counts and the order of what happens at an event are the same, so that a
compiled network and the same module in torch agree to rounding. What differs: a prediction is made in the
module's evaluation mode and the window is run again in its training mode, which matters to dropout and the
like; what a module keeps in buffers is part of its state; and a state that is not finite is not carried on.
"""

import importlib
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.arrays import State, Steps, expect, grown, nested, shapes, within
from streamrnn.core import tallied
from streamrnn.core.boost import Boost
from streamrnn.core.gradients.base import (
    BOOST_ERRORS,
    CLIPPED,
    LABELLED,
    NORM,
    SKIPPED,
    UPDATES,
    WINDOW_ERRORS,
    Tally,
)
from streamrnn.core.gradients.tbptt import ring
from streamrnn.core.losses import LOSSES
from streamrnn.core.schedule import Schedule
from streamrnn.core.tallied import Tallied
from streamrnn.core.window import Window
from streamrnn.errors import ConfigError

if TYPE_CHECKING:
    from streamrnn.core.pytorch.module import Module
    from streamrnn.core.pytorch.optimisers import Optimiser

Array = npt.NDArray[Any]


class Rings(NamedTuple):
    """What each key has of its own, as in `gradients.base.Memory`; step j of a key stands at j mod r."""

    inputs: Array
    """(s, r, d)"""
    outputs: Array
    """(s, r, o) as they were published."""
    labels: Array
    """(s, r, w) targets of a step that is still to be learned, else NaN."""
    steps: Array
    """(s,) steps made since the key was fresh."""
    oldest: Array
    """(s,) the first step whose label is still to be learned."""
    pending: Array
    """(s,) how many labels are."""
    entries: tuple[Array, ...]
    """(s, r + 1, …) for each tensor of the state: what a step enters with, at j mod r + 1."""


class Pool(NamedTuple):
    """Windows that wait for a label which comes by id."""

    inputs: Array
    """(rows, k, d)"""
    outputs: Array
    """(rows, o) as published at the window's last step."""
    lengths: Array
    """(rows,) steps of the window."""
    entries: tuple[Array, ...]
    """(rows, …) for each tensor of the state: what the window enters with."""


class Event(NamedTuple):
    """One event of a block."""

    slot: int
    fresh: bool
    moves: bool
    judging: bool
    """It brings a label that is to be learned."""
    keep: int
    judge: int
    x: Array
    """(d,)"""
    target: Array
    """(w,)"""
    unit: Array
    """(w,)"""


class Stretch(NamedTuple):
    """A window to learn from."""

    entry: list[Array]
    """The state that its first step enters with."""
    inputs: Array
    """(k, d)"""
    targets: Array
    """(k, w) what the outputs should have been; rows without a label are NaN."""


class TorchNetwork(Tallied):
    """A module of the user's that learns while it predicts; the same interface as `Network`.

    Not thread-safe. On the CPU, with one thread and torch's deterministic algorithms, the same events give
    the same bits; on CUDA that is not promised. Letters: d inputs, o outputs, w targets, s slots.
    """

    def __init__(
        self,
        *,
        name: str,
        module: str,
        args: Mapping[str, Any] | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
        inputs: int,
        loss: str,
        targets: int = 1,
        classes: int = 0,
        levels: tuple[float, ...] = (),
        horizon: int,
        pool: int = 0,
        window: Window,
        stride: int = 1,
        optimiser: str = "adam",
        settings: Mapping[str, float] | None = None,
        schedule: Schedule,
        boost: Boost | None = None,
        clip: float = 1.0,
        dtype: Literal["float32", "float64"] = "float32",
        seed: int = 0,
    ) -> None:
        """`module` names the class, `package.module:Class`; `args` are its keyword arguments.

        The class is given `inputs` and `outputs` too, where its constructor has parameters of these names.
        """
        if window.first < stride:
            raise ValueError(f"network {name}: window {window.first} is shorter than stride {stride}")
        if pool and stride > 1:
            raise ValueError(
                f"network {name}: labels that come by id are learned one by one; stride must be 1"
            )
        self.name, self.inputs, self.targets = name, inputs, targets
        self.outputs = _outputs(loss, targets, classes, levels)
        self.horizon, self.pooled, self.window, self.stride = horizon, pool > 0, window, stride
        self.schedule, self.boost, self.clip = schedule, boost, clip
        self.dtype = np.dtype(dtype)
        parts = _engine(name)
        self._sources = [__file__, tallied.__file__, *(str(part.__file__) for part in parts)]
        losses, modules, optimisers = parts
        self._loss, self._levels, self._norm = losses.LOSSES[loss], levels, modules.norm
        self._module: Module = modules.Module(
            module,
            args or {},
            inputs=inputs,
            outputs=self.outputs,
            dtype=self.dtype,
            device=device,
            seed=seed,
        )
        self._optimiser: Optimiser = optimisers.Optimiser(optimiser, settings or {}, self._module.flat)
        self._gradient = np.zeros(self._module.flat.numel(), self.dtype)
        self._tally = Tally(np.zeros(4, np.int64), np.zeros(3))
        with self._module.random.alone():
            self._form = self._module.begin()
        self._slots, self._rows = 0, 0
        self._rings, self._pool = self._new_rings(0), self._new_pool(0)

    # --- room ---------------------------------------------------------------------------------------

    def _new_rings(self, slots: int) -> Rings:
        r = ring(self.window.last, self.horizon)
        return Rings(
            inputs=np.zeros((slots, r, self.inputs), self.dtype),
            outputs=np.zeros((slots, r, self.outputs), self.dtype),
            labels=np.zeros((slots, r, self.targets), self.dtype),
            steps=np.zeros(slots, np.int64),
            oldest=np.zeros(slots, np.int64),
            pending=np.zeros(slots, np.int64),
            entries=tuple(np.zeros((slots, r + 1, *part.shape), part.dtype) for part in self._form),
        )

    def _new_pool(self, rows: int) -> Pool:
        return Pool(
            inputs=np.zeros((rows, self.window.last, self.inputs), self.dtype),
            outputs=np.zeros((rows, self.outputs), self.dtype),
            lengths=np.zeros(rows, np.int64),
            entries=tuple(np.zeros((rows, *part.shape), part.dtype) for part in self._form),
        )

    def reserve(self, slots: int, rows: int = 0) -> None:
        """Make room for `slots` keys, and for `rows` windows that wait for a label by id."""
        self._slots = max(self._slots, slots)
        self._rings = Rings(*(_roomier(part, self._slots) for part in self._rings))
        if self.pooled:
            self._rows = max(self._rows, rows)
            self._pool = Pool(*(_roomier(part, self._rows) for part in self._pool))

    # --- the events of a block ------------------------------------------------------------------------

    def advance(self, steps: Steps, x: Array, target: Array, unit: Array) -> npt.NDArray[np.float64]:
        """The raw outputs (n, o) of the events of a block, learning on the way; NaN where none is made.

        x (n, d); `target` (n, w) in the loss's scale; `unit` (n, w) turns a scaled error into the user's.
        """
        out = np.full((len(steps.slots), self.outputs), np.nan)
        if not len(out):
            return out
        waiting = max(int(steps.keep.max()), int(steps.judge.max()))
        self.reserve(int(steps.slots.max()) + 1, waiting + 1)
        judging = (steps.judge if self.pooled else steps.back) >= 0
        judging &= ~np.isnan(target).all(axis=1)
        columns = (steps.slots, steps.fresh, steps.moves, judging, steps.keep, steps.judge)
        rows = (np.asarray(x, self.dtype), np.asarray(target, self.dtype), np.asarray(unit, np.float64))
        with self._module.random.alone():
            for e, event in enumerate(zip(*(column.tolist() for column in columns), *rows, strict=True)):
                out[e] = self._pass(Event(*event))
        return out

    def _pass(self, event: Event) -> Any:
        """One event in the order that `Steps` describes: its outputs, or NaN."""
        if event.fresh:
            self._forget(event.slot)
        if self.horizon or self.pooled:  # an earlier step's label is learned before the event's own step
            self._learn(event)
            return self._step(event) if event.moves else math.nan
        output = self._step(event) if event.moves else math.nan
        self._learn(event)
        return output

    def _forget(self, slot: int) -> None:
        """A key starts anew in this slot: first state, no steps, nothing to learn."""
        for ring_of_states, part in zip(self._rings.entries, self._module.begin(), strict=True):
            ring_of_states[slot, 0] = part
        self._rings.steps[slot] = 0
        self._rings.pending[slot] = 0

    def _step(self, event: Event) -> Array:
        """One step of the key; input, entry state and outputs are kept in its ring."""
        rings, slot = self._rings, event.slot
        step = int(rings.steps[slot])
        row = step % rings.inputs.shape[1]
        output, after = self._module.predict(event.x, self._entry(slot, step))
        if not all(np.isfinite(part).all() for part in after):
            after = self._module.begin()
        rings.inputs[slot, row] = event.x
        rings.outputs[slot, row] = output
        rings.labels[slot, row] = np.nan
        for states, part in zip(rings.entries, after, strict=True):
            states[slot, (step + 1) % states.shape[1]] = part
        rings.steps[slot] = step + 1
        if self.pooled and event.keep >= 0:
            self._put_aside(slot, step, event.keep)
        return output

    def _entry(self, slot: int, step: int) -> list[Array]:
        """The state that the key's `step` enters with."""
        return [states[slot, step % states.shape[1]] for states in self._rings.entries]

    def _put_aside(self, slot: int, step: int, row: int) -> None:
        """The window that ends at the key's `step` waits in a row of the pool."""
        rings, pool = self._rings, self._pool
        first = max(step + 1 - self.window.now, 0)
        length = step + 1 - first
        pool.inputs[row, :length] = rings.inputs[slot, self._rows_of(first, step)]
        pool.outputs[row] = rings.outputs[slot, step % rings.outputs.shape[1]]
        pool.lengths[row] = length
        for waiting, part in zip(pool.entries, self._entry(slot, first), strict=True):
            waiting[row] = part

    def _rows_of(self, first: int, last: int) -> Array:
        """Where the key's steps `first` to `last` stand in its ring."""
        return np.arange(first, last + 1) % len(self._rings.inputs[0])

    # --- learning -------------------------------------------------------------------------------------

    def _learn(self, event: Event) -> None:
        """Take the event's label, if any, and learn what is due; then window and boost take a look."""
        before = self.labelled
        stretch = self._recall_waiting(event) if self.pooled else self._recall(event)
        coming = self.labelled - before
        if stretch is not None:
            self._descend(stretch, self._rate(before, coming))
        if not coming:
            return
        self._look(coming)

    def _recall(self, event: Event) -> Stretch | None:
        """Take the event's label, if any; the window to learn from now, None if none is due.

        Due: `stride` labels wait, or the oldest would leave the window at the next step.
        """
        rings, slot = self._rings, event.slot
        judged = int(rings.steps[slot]) - max(self.horizon, 1)
        if event.judging and judged >= 0:
            row = judged % rings.labels.shape[1]
            rings.labels[slot, row] = event.target
            self._score(rings.outputs[slot, row], event)
            if rings.pending[slot] == 0:
                rings.oldest[slot] = judged
            rings.pending[slot] += 1
        pending, waited = int(rings.pending[slot]), judged - int(rings.oldest[slot])
        if pending == 0 or (pending < self.stride and waited < self.window.now - 1):
            return None
        first = max(judged + 1 - self.window.now, 0)
        rows = self._rows_of(first, judged)
        stretch = Stretch(self._entry(slot, first), rings.inputs[slot, rows], rings.labels[slot, rows])
        rings.labels[slot, rows] = np.nan
        rings.pending[slot] = 0
        return stretch

    def _recall_waiting(self, event: Event) -> Stretch | None:
        """The same for a label that comes by its id: the window is the one that waits in its row."""
        if not event.judging:
            return None
        pool, row = self._pool, event.judge
        self._score(pool.outputs[row], event)
        length = int(pool.lengths[row])
        targets = np.full((length, self.targets), np.nan, self.dtype)
        targets[-1] = event.target
        return Stretch([part[row] for part in pool.entries], pool.inputs[row, :length], targets)

    def _score(self, outputs: Array, event: Event) -> None:
        """A label has come: the published outputs are judged."""
        target = event.target.astype(np.float64)
        missed = self._loss.error(outputs.astype(np.float64), target, event.unit, self._levels)
        if math.isfinite(missed):
            self._tally.sums[WINDOW_ERRORS] += missed
            self._tally.sums[BOOST_ERRORS] += missed
        self._tally.counts[LABELLED] += 1

    def _rate(self, done: int, coming: int) -> float:
        """The rate of the label that came just now, or else of the last one."""
        rate = self.schedule.rates(done, coming)[-1]
        return float(rate if self.boost is None else rate * self.boost.factors(coming)[-1])

    def _descend(self, stretch: Stretch, rate: float) -> None:
        """One update with the gradient's norm held at `clip`; none if it is not finite."""
        gradient = self._module.gradient(*stretch, self._loss, self._levels)
        self._gradient[:] = gradient.cpu().numpy()
        norm = self._norm(gradient)
        if not math.isfinite(norm):
            self._tally.counts[SKIPPED] += 1
            return
        self._tally.sums[NORM] = norm
        factor = 1.0
        if norm > self.clip:
            factor = self.clip / norm
            self._tally.counts[CLIPPED] += 1
        self._optimiser.update(gradient * factor, rate)
        self._tally.counts[UPDATES] += 1

    def warm_up(self) -> None:
        """Nothing is compiled here."""

    # --- what it is and did ---------------------------------------------------------------------------

    @cached_property
    def kernel_hash(self) -> str:
        """Hash of torch's version, the module's files and this engine's."""
        digest = sha256(self._module.source_hash.encode())
        for source in self._sources:
            digest.update(sha256(Path(source).read_bytes()).digest())
        return digest.hexdigest()

    @property
    def module(self) -> Any:
        """The `torch.nn.Module` itself."""
        return self._module.module

    @property
    def bytes_per_key(self) -> int:
        """Memory that one key takes."""
        return sum(array.nbytes for array in _flat(self._new_rings(1)).values())

    @property
    def bytes_per_row(self) -> int:
        """Memory that one window takes which waits for a label by id."""
        return sum(array.nbytes for array in _flat(self._new_pool(1)).values()) if self.pooled else 0

    def parameters(self) -> dict[str, Array]:
        """The learnable ones by the module's own names; views where the device is the CPU."""
        return self._module.parameters()

    def gradient(self) -> dict[str, Array]:
        """The last gradient, before clipping, by the same names."""
        named, begin = {}, 0
        for name, array in self.parameters().items():
            named[name] = self._gradient[begin : begin + array.size].reshape(array.shape)
            begin += array.size
        return named

    def take(self, weights: Mapping[str, Array]) -> None:
        """Begin with these weights, by the module's own names, with or without a prefix common to all.

        Raises ConfigError naming the first array that is missing, unknown or of another shape.
        """
        self._module.take(weights)

    def torch_state(self) -> State:
        """Copies of the module's weights and buffers by its own names."""
        return self._module.torch_state()

    # --- saving and restoring ---------------------------------------------------------------------------

    def _arrays(self, rings: Rings, pool: Pool) -> dict[str, Array]:
        """Every array of ours that a snapshot holds, by name."""
        return {
            **nested("keys", _flat(rings)),
            **(nested("pool", _flat(pool)) if self.pooled else {}),
            **nested("tally", self._tally._asdict()),
        }

    def _tensors(self) -> dict[str, Any]:
        """Every tensor that a snapshot holds, by name."""
        return {
            "parameters": self._module.flat,
            **nested("optimiser", self._optimiser.tensors()),
            **nested("fixed", self._module.fixed()),
        }

    def _parts(self) -> dict[str, State]:
        parts = {"window": self.window.state(), "random": self._module.random.state()}
        return parts if self.boost is None else {**parts, "boost": self.boost.state()}

    def state(self) -> State:
        """Copies of everything that shapes the future, by name; capacity does not show."""
        rings = Rings(*(_rows(part, self._slots) for part in self._rings))
        pool = Pool(*(_rows(part, self._rows) for part in self._pool))
        arrays = self._arrays(rings, pool)
        arrays |= {name: tensor.detach().cpu().numpy() for name, tensor in self._tensors().items()}
        for name, part in self._parts().items():
            arrays |= nested(name, part)
        return {name: array.copy() for name, array in arrays.items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over what `state` returned. Raises SnapshotError naming the first array that does not fit."""
        slots = state["keys/steps"].size if "keys/steps" in state else 0
        rows = state["pool/lengths"].size if "pool/lengths" in state else 0
        rings, pool = self._new_rings(slots), self._new_pool(rows)
        arrays, tensors, parts = self._arrays(rings, pool), self._tensors(), self._parts()
        expected = shapes({name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()})
        expected = {**shapes(arrays), **expected}
        for name, part in parts.items():
            expected |= shapes(nested(name, part))
        expect(state, expected)
        for name, array in arrays.items():
            array[...] = state[name]
        self._module.put(tensors, state)
        self.window.load(within("window", state))
        self._module.random.load(within("random", state))
        if self.boost is not None:
            self.boost.load(within("boost", state))
        self._rings, self._pool, self._slots, self._rows = rings, pool, slots, rows


def _engine(name: str) -> tuple[ModuleType, ModuleType, ModuleType]:
    """The parts that need torch, which takes seconds to import, and may not be there."""
    try:
        from streamrnn.core.pytorch import losses, module, optimisers
    except ImportError as error:
        raise ConfigError(
            f"network {name}: needs torch ({error}). Install it with: pip install 'streamrnn[torch]'"
        ) from error
    return losses, module, optimisers


def _outputs(loss: str, targets: int, classes: int, levels: tuple[float, ...]) -> int:
    """How many outputs the loss is of."""
    return int(importlib.import_module(LOSSES[loss]).outputs(targets, classes, levels))


def _flat(part: Rings | Pool) -> dict[str, Array]:
    """The arrays of a table by name, those of the state's tensors numbered."""
    named = part._asdict()
    entries = {f"entries/{index}": states for index, states in enumerate(named.pop("entries"))}
    return {**named, **entries}


def _each(function: Callable[[Array, int], Array], part: Any, rows: int) -> Any:
    return tuple(function(each, rows) for each in part) if isinstance(part, tuple) else function(part, rows)


def _roomier(part: Any, rows: int) -> Any:
    return _each(grown, part, rows)


def _rows(part: Any, rows: int) -> Any:
    return _each(lambda array, count: array[:count], part, rows)
