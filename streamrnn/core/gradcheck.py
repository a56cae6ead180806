"""Are the gradients right? A live run, whose weights move at every update, beside autograd and differences.

A network learns a small random stream of interleaved keys in float64, event by event. At each update the
gradient that the kernel used is compared with torch autograd of the window's function (see `oracles`) at the
weights of that moment, and at the last update also with central differences of a NumPy twin. Who takes part
in the window is decided here a second time, from plain lists.

For one-step learning there are two derivatives to speak of: with the entering state held constant, which
is what it follows, and the total one through the key's whole past, which is what it leaves out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, product
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamrnn.arrays import Steps
from streamrnn.core.cells import CELLS
from streamrnn.core.head import ACTIVATIONS
from streamrnn.core.losses import LOSSES
from streamrnn.core.network import Network
from streamrnn.core.oracles import LEVELS, Form, TorchOracle, Window, carried, differences
from streamrnn.core.schedule import Schedule
from streamrnn.core.window import Window as Reach

Array = npt.NDArray[np.float64]
Parameters = dict[str, Array]

HIDDEN = (3, 8)
LAYERS = (1, 2)
HEADS: tuple[tuple[int, ...], ...] = ((), (5,))
WINDOWS = ((1, 1), (2, 1), (5, 1), (20, 1), (5, 5), (20, 4))
"""(k; s) of BPTT(k; s)."""
BY_ID = -1
HORIZONS = (0, 3, BY_ID)
"""Labels of the same event, labels three steps late, and labels that come by an id whenever they come."""

AUTOGRAD_TOLERANCE = 1e-10
DIFFERENCES_TOLERANCE = 1e-6
TOTAL_LEAST = 1e-3
"""For k = 1 the total derivative must differ by more, or the check does not tell the two apart."""

INPUTS, KEYS, EVENTS, ROWS = 3, 3, 90, 6
CLASSES = 3
FIELDS = {"logistic": 1, "softmax": 1}
"""Fields of a label; two for the other losses, and then one of them may be missing."""
STEP = 1e-5


class Case(NamedTuple):
    """One network and one way of learning."""

    form: Form
    window: int
    stride: int
    horizon: int


class Row(NamedTuple):
    """What was found: greatest errors relative to the greatest component of the gradient."""

    case: Case
    updates: int
    output: float
    """Greatest difference of a published output from torch's."""
    autograd: float
    """From torch autograd, with the entering state held constant."""
    differences: float
    """From central differences of the same function."""
    total: float | None
    """From the total derivative, through the key's whole past; only for k = 1, where it must differ."""

    @property
    def passed(self) -> bool:
        told_apart = self.total is None or self.total > TOTAL_LEAST
        return (
            self.updates > 0
            and self.autograd <= AUTOGRAD_TOLERANCE
            and self.output <= AUTOGRAD_TOLERANCE
            and self.differences <= DIFFERENCES_TOLERANCE
            and told_apart
        )


def cases(
    *,
    cells: Iterable[str] = tuple(CELLS),
    layers: Iterable[int] = LAYERS,
    heads: Iterable[tuple[int, ...]] = HEADS,
    losses: Iterable[str] = tuple(LOSSES),
    windows: Iterable[tuple[int, int]] = WINDOWS,
) -> list[Case]:
    """Every cell × layers × head × loss × (k; s), those of one kernel together.

    Hidden sizes, times of labels and nonlinearities of the head take turns, so that each (k; s) meets every
    pair of them.
    """
    found: list[Case] = []
    turns: Counter[tuple[int, int]] = Counter()
    for cell, depth, head, loss, (k, s) in product(cells, layers, heads, losses, windows):
        horizons = [horizon for horizon in HORIZONS if s == 1 or horizon != BY_ID]
        turn, later = divmod(turns[k, s], len(horizons))
        turns[k, s] += 1
        hidden, activation = HIDDEN[turn % len(HIDDEN)], ACTIVATIONS[turn % len(ACTIVATIONS)]
        found.append(Case(Form(cell, depth, hidden, head, activation, loss), k, s, horizons[later]))
    return found


def gradcheck(chosen: Iterable[Case], *, seed: int = 0, processes: int = 1) -> Iterator[Row]:
    """One row per case, in order; needs torch. Cases of one kernel go to one process."""
    kernels = [list(group) for _, group in groupby(chosen, key=lambda case: _kernel(case.form))]
    if processes == 1:
        for group in kernels:
            yield from (check(case, seed) for case in group)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for rows in pool.map(_checked, kernels, [seed] * len(kernels)):
            yield from rows


def _kernel(form: Form) -> tuple[str, int, int]:
    return form.cell, form.layers, len(form.head)


def _checked(group: list[Case], seed: int) -> list[Row]:
    return [check(case, seed) for case in group]


# --- one case ------------------------------------------------------------------------------------


class Event(NamedTuple):
    """Of one key; `label` judges its own step, one `horizon` steps ago, or the row `judge`."""

    slot: int
    fresh: bool
    moves: bool
    keep: int
    judge: int
    x: Array
    label: Array | None


@dataclass
class _Key:
    """What a key went through, as plain lists: step j has an input and an entry state."""

    state: Array
    inputs: list[Array] = field(default_factory=list)
    entries: list[Array] = field(default_factory=list)
    pending: list[tuple[int, Array]] = field(default_factory=list)
    """(step, label) still to be learned."""

    def window(self, last: int, steps: int, labels: Mapping[int, Array]) -> Window:
        """Of this many steps, up to step `last`; `labels` by step."""
        first = max(last - steps + 1, 0)
        rows = {step - first: label for step, label in labels.items()}
        return Window(self.entries[first], self.inputs[first : last + 1], rows, self.inputs[:first])


class _Update(NamedTuple):
    """The gradient that the kernel used, the parameters that it was taken at, and of what."""

    gradient: Parameters
    parameters: Parameters
    window: Window


def check(case: Case, seed: int = 0) -> Row:
    """Run the case."""
    oracle = TorchOracle(case.form)
    run = _Run(oracle, _network(case, seed), case)
    for event in _stream(case, seed):
        run.event(event)
    learned = run.learned
    found = _stacked([update.gradient for update in learned])
    parameters = _stacked([update.parameters for update in learned])
    windows = [update.window for update in learned]
    last = learned[-1]
    by_differences = differences(case.form, last.parameters, last.window, STEP)
    total = _error(found, oracle.gradients(parameters, windows, total=True)) if case.window == 1 else None
    return Row(
        case=case,
        updates=len(learned),
        output=float(np.max(run.output_errors)),
        autograd=_error(found, oracle.gradients(parameters, windows)),
        differences=_relative(_rows(found)[-1:], by_differences[np.newaxis]),
        total=total,
    )


def _network(case: Case, seed: int) -> Network:
    """With a rate at which the weights move far from update to update."""
    form = case.form
    return Network(
        name="gradcheck",
        cell=form.cell,
        inputs=INPUTS,
        hidden=form.hidden,
        layers=form.layers,
        head=form.head,
        activation=form.activation,
        loss=form.loss,
        targets=_fields(form.loss),
        classes=CLASSES,
        levels=LEVELS,
        horizon=max(case.horizon, 0),
        pool=ROWS if case.horizon == BY_ID else 0,
        window=Reach.fixed(case.window),
        stride=case.stride,
        schedule=Schedule(rate=0.02, warmup=0),
        dtype="float64",
        seed=seed,
        keep_gradient=True,
    )


def _fields(loss: str) -> int:
    return FIELDS.get(loss, 2)


class _Run:
    """The network's live run, with what its updates should have been made of."""

    def __init__(self, oracle: TorchOracle, network: Network, case: Case) -> None:
        self._oracle, self._network, self._case = oracle, network, case
        self._keys: dict[int, _Key] = {}
        self._waiting: dict[int, tuple[_Key, int]] = {}
        """Row of the pool → key and step."""
        self.output_errors: list[float] = []
        self.learned: list[_Update] = []

    def event(self, event: Event) -> None:
        if event.fresh:
            self._keys[event.slot] = _Key(np.zeros(carried(self._case.form)))
        key = self._keys[event.slot]
        updates, before = self._network.updates, _copied(self._network.parameters())
        late = self._case.horizon != 0
        window = self._learnable(key, event) if late else None
        out = _advance(self._network, self._case, event, len(key.inputs))
        after = _copied(self._network.parameters())
        if event.moves:  # a late label is learned before the step, with the weights that the step then uses
            self._step(key, event.x, after if late else before, out)
            if event.keep >= 0:
                self._waiting[event.keep] = key, len(key.inputs) - 1
        if not late:
            window = self._learnable(key, event)
        if self._network.updates - updates != (window is not None):
            raise AssertionError(
                f"key {event.slot}, step {len(key.inputs)}: an update came when none was due, or did not"
            )
        if window is not None:
            self.learned.append(_Update(_copied(self._network.gradient()), before, window))

    def _step(self, key: _Key, x: Array, parameters: Parameters, out: Array) -> None:
        key.inputs.append(x)
        key.entries.append(key.state)
        key.state, expected = self._oracle.step(parameters, x, key.state)
        self.output_errors.append(float(np.max(abs(out - expected))))

    def _learnable(self, key: _Key, event: Event) -> Window | None:
        """The window to learn now: s labels wait, or the oldest would leave the window at the next step."""
        k, s = self._case.window, self._case.stride
        if self._case.horizon == BY_ID:
            if event.label is None:
                return None
            key, step = self._waiting.pop(event.judge)
            return key.window(step, k, {step: event.label})
        judged = len(key.inputs) - max(self._case.horizon, 1)
        if event.label is not None and judged >= 0:
            key.pending.append((judged, event.label))
        if not key.pending or (len(key.pending) < s and key.pending[0][0] > judged - k + 1):
            return None
        labels, key.pending = dict(key.pending), []
        return key.window(judged, k, labels)


def _stream(case: Case, seed: int) -> Iterator[Event]:
    """Keys at random, some labels or fields missing, one slot begun anew."""
    random = np.random.default_rng(seed)
    by_id = case.horizon == BY_ID
    seen: set[int] = set()
    free, waiting = list(range(ROWS)), list[int]()
    for number in range(2 * EVENTS if by_id else EVENTS):  # some of those only bring a label
        slot = int(random.integers(KEYS))
        fresh = slot not in seen or number == EVENTS // 4
        seen.add(slot)
        labelled, moves, keep, judge = bool(random.random() < 0.85), True, -1, -1
        if by_id:
            moves, labelled = bool(random.random() < 0.7), labelled and bool(waiting)
            if labelled:
                judge = waiting.pop(int(random.integers(len(waiting))))
            if moves and free:
                keep = free.pop(0)
                waiting.append(keep)
            if labelled:
                free.append(judge)
        label = _label(case.form.loss, random) if labelled else None
        yield Event(slot, fresh, moves, keep, judge, random.normal(size=INPUTS), label)


def _label(loss: str, random: np.random.Generator) -> Array:
    fields = _fields(loss)
    if loss in ("logistic", "softmax"):
        return random.integers(2 if loss == "logistic" else CLASSES, size=fields).astype(np.float64)
    label = (
        random.poisson(1.5, fields).astype(np.float64)
        if loss == "poisson"
        else 2 * random.normal(size=fields)
    )
    if random.random() < 0.2:
        label[int(random.integers(fields))] = np.nan
    return label


def _advance(network: Network, case: Case, event: Event, made: int) -> Array:
    """ŷ (o,)"""
    judges = event.label is not None and case.horizon != BY_ID and made >= case.horizon
    steps = Steps(
        slots=np.array([event.slot], np.int32),
        fresh=np.array([event.fresh]),
        moves=np.array([event.moves]),
        back=np.array([case.horizon if judges else -1], np.int32),
        keep=np.array([event.keep], np.int32),
        judge=np.array([event.judge], np.int32),
    )
    label = np.full(_fields(case.form.loss), np.nan) if event.label is None else event.label
    out = network.advance(steps, event.x[np.newaxis], label[np.newaxis], np.ones((1, label.size)))
    return np.asarray(out[0])


def _error(found: Parameters, expected: Parameters) -> float:
    return _relative(_rows(found), _rows(expected))


def _relative(found: Array, expected: Array) -> float:
    """Greatest difference of (b, p), relative to each row's greatest component; NaN if one is no number."""
    return float(np.max(np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)))


def _copied(parameters: Mapping[str, npt.NDArray[Any]]) -> Parameters:
    return {name: np.array(array, order="C") for name, array in parameters.items()}


def _stacked(many: list[Parameters]) -> Parameters:
    return {name: np.stack([one[name] for one in many]) for name in many[0]}


def _rows(many: Parameters) -> Array:
    """(b, p)"""
    return np.concatenate([array.reshape(len(array), -1) for array in many.values()], axis=1)
