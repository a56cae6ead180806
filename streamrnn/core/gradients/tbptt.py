"""BPTT(k; s): after every s labels of a key one update, whose gradient reaches k steps back.

Williams and Peng (1990). One-step learning is (1; 1), a sliding window (k; 1), textbook chunks (k; k).

To learn, the window of k steps that ends at the judged step is run again from its stored entry state with
today's weights; loss and gradient belong to that run. The published output is only scored, and the carried
state is never rewritten. Learning from what was active at prediction time would differentiate another
function than the one that is updated, and diverges when labels come late. The entry state of the window is
a constant: there the gradient is cut.

For k = 1 and a label in the same event the run is the prediction's own forward pass, and is not repeated.
"""

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from streamrnn.core import head as linear_head
from streamrnn.core.cells.gru import accumulate, backward, forward, views  # <cell>
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
from streamrnn.core.losses.squared import derivative, error  # <loss>
from streamrnn.core.numerics import FIRST, OPTIONS, SECOND, jit, like
from streamrnn.core.optimisers.adam import update  # <optimiser>

Array = npt.NDArray[np.floating]


def ring(window: int, horizon: int) -> int:
    """Steps that a key's ring must hold: the window, and what has been stepped since the judged step."""
    return window + max(horizon - 1, 0)


@jit
def _forget(memory: Memory, slot: int) -> None:
    """A key starts anew in this slot: zero state, no steps, nothing to learn."""
    for i in range(memory.entries.shape[2]):
        memory.entries[slot, 0, i] = like(memory.entries[slot, 0, i], 0.0)
    memory.steps[slot] = 0
    memory.pending[slot] = 0


@jit
def _load(memory: Memory, trace: Any, slot: int, step: int, t: int) -> None:
    """Row t of the window gets the input of the key's `step`."""
    row = step % memory.inputs.shape[1]
    for j in range(memory.inputs.shape[2]):
        trace.inputs[t, j] = memory.inputs[slot, row, j]


@jit
def _enter(memory: Memory, trace: Any, slot: int, step: int) -> None:
    """The window begins with the stored entry state of the key's `step`."""
    row = step % memory.entries.shape[1]
    for i in range(memory.entries.shape[2]):
        trace.states[0, i] = memory.entries[slot, row, i]


@jit
def _step(weights: Any, head: Array, model: Model, memory: Memory, slot: int, x: Array, e: int) -> Any:
    """One step of the key on row e of `x` (n, d): ŷ; input, entry state and ŷ are kept in its ring."""
    trace = model.trace
    step = memory.steps[slot]
    row, after = step % memory.inputs.shape[1], (step + 1) % memory.entries.shape[1]
    for j in range(x.shape[1]):
        memory.inputs[slot, row, j] = like(head[0], x[e, j])
    _load(memory, trace, slot, step, FIRST)
    _enter(memory, trace, slot, step)
    forward(weights, trace, FIRST)
    for i in range(trace.states.shape[1]):
        memory.entries[slot, after, i] = trace.states[1, i]
    y = linear_head.output(head, trace.states, SECOND)
    memory.outputs[slot, row] = y
    memory.labels[slot, row] = like(y, math.nan)
    memory.steps[slot] = step + 1
    return y


@jit
def _take_label(memory: Memory, tally: Tally, slot: int, step: int, target: float, unit: float) -> None:
    """The label of the key's `step` has come: score what was published, keep the label for learning."""
    row = step % memory.labels.shape[1]
    label = like(memory.outputs[slot, row], target)
    missed = np.float64(error(memory.outputs[slot, row], label)) * unit
    if math.isfinite(missed):
        tally.sums[ERRORS] += missed
    tally.counts[LABELLED] += 1
    memory.labels[slot, row] = label
    if memory.pending[slot] == 0:
        memory.oldest[slot] = step
    memory.pending[slot] += 1


@jit
def _due(memory: Memory, slot: int, step: int, window: int, stride: int) -> bool:
    """Whether `stride` labels wait, or the oldest would leave the window at the next step."""
    pending, waited = int(memory.pending[slot]), int(step - memory.oldest[slot])
    return pending > 0 and (pending >= stride or waited >= window - 1)


@jit
def _run_again(weights: Any, model: Model, memory: Memory, slot: int, first: int, steps: int) -> None:
    """The window from the key's step `first`, forward from its stored entry state with today's weights."""
    _enter(memory, model.trace, slot, first)
    for t in range(steps):
        _load(memory, model.trace, slot, first + t, t)
        forward(weights, model.trace, t)


@jit
def _sweep(
    weights: Any, head: Array, model: Model, memory: Memory, slot: int, first: int, steps: int
) -> None:
    """The way back: each pending label's loss is injected at its step, averaged; the labels are used up."""
    dh, dys, trace = model.dh, model.dys, model.trace
    zero = like(dh[0], 0.0)
    share = like(zero, 1.0 / memory.pending[slot])
    for i in range(dh.shape[0]):
        dh[i] = zero
    for t in range(steps - 1, -1, -1):
        row = (first + t) % memory.labels.shape[1]
        label = memory.labels[slot, row]
        dys[t] = zero
        if not math.isnan(label):
            dys[t] = share * derivative(linear_head.output(head, trace.states, t + 1), label)
            linear_head.add_backward(head, dys[t], dh)
            memory.labels[slot, row] = like(zero, math.nan)
        backward(weights, trace, t, dh, t > 0)
    memory.pending[slot] = 0


@jit
def _descend(model: Model, tally: Tally, squares: Any, clip: float, rate: float) -> None:
    """One update with the gradient's norm, √`squares`, held at `clip`; none if it is not finite."""
    norm = math.sqrt(np.float64(squares))
    if not math.isfinite(norm):
        tally.counts[SKIPPED] += 1
        return
    tally.sums[NORM] = norm
    factor = 1.0
    if norm > clip:
        factor = clip / norm
        tally.counts[CLIPPED] += 1
    update(model.parameters, model.gradient, model.optimiser, rate, factor)
    tally.counts[UPDATES] += 1


@numba.njit(cache=True, **OPTIONS)
def advance(
    model: Model,
    memory: Memory,
    tally: Tally,
    window: int,
    stride: int,
    horizon: int,
    clip: float,
    slots: npt.NDArray[np.int32],
    fresh: npt.NDArray[np.bool_],
    back: npt.NDArray[np.int32],
    x: Array,
    target: Array,
    unit: Array,
    rates: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
    begin: int,
    end: int,
) -> None:
    """Events `begin` to `end` of a block in order: step, predict into `out`, learn.

    A label of the same event (horizon 0) is used after the event's own step, a late one before it. `rates`
    begins with the rate of the last labelled event before `begin`, then has one for each labelled event
    from there.
    """
    inputs, hidden = memory.inputs.shape[2], memory.entries.shape[2]
    split = model.parameters.shape[0] - hidden - 1
    weights, head = views(model.parameters, inputs, hidden), model.parameters[split:]
    gradients, head_gradient = views(model.gradient, inputs, hidden), model.gradient[split:]
    own = window == 1 and horizon == 0
    before = tally.counts[LABELLED]
    for e in range(begin, end):
        slot = slots[e]
        if fresh[e]:
            _forget(memory, slot)
        if horizon == 0:
            out[e] = _step(weights, head, model, memory, slot, x, e)
            judged = memory.steps[slot] - 1
        else:
            judged = memory.steps[slot] - horizon
        if back[e] >= 0 and judged >= 0:
            _take_label(memory, tally, slot, judged, target[e], unit[e])
        if _due(memory, slot, judged, window, stride):
            steps = min(window, judged + 1)
            first = judged + 1 - steps
            if not own:
                _run_again(weights, model, memory, slot, first, steps)
            _sweep(weights, head, model, memory, slot, first, steps)
            squares = accumulate(gradients, model.trace, steps)
            squares += linear_head.accumulate(head_gradient, model.trace.states, model.dys, steps)
            _descend(model, tally, squares, clip, rates[tally.counts[LABELLED] - before])
        if horizon > 0:
            out[e] = _step(weights, head, model, memory, slot, x, e)
