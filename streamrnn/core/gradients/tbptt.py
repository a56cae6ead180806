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

import streamrnn.core.cells.gru as cell  # <cell>
import streamrnn.core.optimisers.adam as optimiser  # <optimiser>
from streamrnn.core import head
from streamrnn.core.gradients.base import (
    BOOST_ERRORS,
    CLIPPED,
    HEAD,
    LABELLED,
    NORM,
    SKIPPED,
    UPDATES,
    WHOLE,
    WINDOW_ERRORS,
    Events,
    Memory,
    Model,
    Pool,
    Rule,
    Tally,
)
from streamrnn.core.linear import STORED, copy, fill, outer_squares, outer_sum, sum_of_squares
from streamrnn.core.losses import dispatch as losses
from streamrnn.core.numerics import ONE, OPTIONS, ZERO, jit, like, merged

Array = npt.NDArray[np.floating]


def ring(window: int, horizon: int) -> int:
    """Steps that a key's ring must hold: the window, and what has been stepped since the judged step."""
    return window + max(horizon - 1, 0)


# --- over all layers ----------------------------------------------------------------------------------


@jit
def _enter(model: Model, row: Array) -> None:
    """The run begins with the carried values in `row` (c,)."""
    part = row.shape[0] // len(model.traces)
    for layer in range(len(model.traces)):
        cell.enter(model.traces[layer], row[layer * part : (layer + 1) * part])


@jit
def _leave(model: Model, t: int, row: Array) -> None:
    """What is carried into step t goes to `row` (c,)."""
    part = row.shape[0] // len(model.traces)
    for layer in range(len(model.traces)):
        cell.leave(model.traces[layer], t, row[layer * part : (layer + 1) * part])


@merged
def _forward(model: Model, steps: int) -> None:
    """The first `steps` steps of the window, from what was entered with; inputs are in the lowest trace."""
    for layer in range(len(model.traces)):
        cell.forward(model.weights[layer], model.traces[layer], steps)


@jit
def _answer(model: Model, activation: int, t: int, row: int) -> None:
    """ŷ of step t of the window, into `row` of the head's trace."""
    head.forward(model.head, model.head_trace, activation, model.traces[-1].states, t + 1, row)


@jit
def _place(step: int, ring: Array) -> Any:
    """Where a key's step stands in its ring; without a sign, as all that chooses an event or a slot.

    Signed indices are first looked at for being negative.
    """
    return np.uint64(step) % np.uint64(ring.shape[1])


# --- a key's step -------------------------------------------------------------------------------------


@merged
def _forget(memory: Memory, slot: int) -> None:
    """A key starts anew in this slot: zero state, no steps, nothing to learn."""
    fill(memory.entries[slot, 0], 0.0)
    memory.steps[slot] = 0
    memory.pending[slot] = 0


@merged
def _lay_out(model: Model, memory: Memory, events: Events, e: int) -> Any:
    """The event's own step is laid out as a window of one without a label; returns as `_recall` does."""
    if not events.moves[e]:
        return ZERO, ZERO
    slot = np.uint64(events.slots[e])
    copy(events.x[e], model.traces[0].inputs[0])
    _enter(model, memory.entries[slot, _place(memory.steps[slot], memory.entries)])
    return ONE, ONE


@merged
def _publish(model: Model, memory: Memory, activation: int, slot: int, out: Array, e: int) -> None:
    """The step is made: ŷ goes to `out`; input, ŷ and the state carried on are kept in the key's ring."""
    step = memory.steps[slot]
    row = _place(step, memory.inputs)
    copy(model.traces[0].inputs[0], memory.inputs[slot, row])
    _leave(model, ONE, memory.entries[slot, _place(step + 1, memory.entries)])
    _answer(model, activation, ZERO, ZERO)
    copy(model.head_trace.sums[-1][0], memory.outputs[slot, row])
    copy(model.head_trace.sums[-1][0], out[e])
    fill(memory.labels[slot, row], math.nan)
    memory.steps[slot] = step + 1


@merged
def _wait(memory: Memory, pool: Pool, slot: int, row: int, window: int) -> None:
    """The window that ends at the key's last step is put into a row of the pool until its label comes."""
    made = memory.steps[slot]
    steps = min(window, made)
    first = made - steps
    for t in range(steps):
        copy(memory.inputs[slot, _place(first + t, memory.inputs)], pool.inputs[row, t])
    copy(memory.entries[slot, _place(first, memory.entries)], pool.entries[row])
    copy(memory.outputs[slot, _place(made - 1, memory.outputs)], pool.outputs[row])
    pool.lengths[row] = steps


# --- the label, and the window that it judges ---------------------------------------------------------


@jit
def _score(
    model: Model, tally: Tally, rule: Rule, outputs: Array, target: Array, unit: npt.NDArray[np.float64]
) -> None:
    """A label has come: the published outputs are judged."""
    missed = np.float64(losses.error(rule.loss, outputs, target, unit, model.levels))
    if math.isfinite(missed):
        tally.sums[WINDOW_ERRORS] += missed
        tally.sums[BOOST_ERRORS] += missed
    tally.counts[LABELLED] += 1


@merged
def _recall(model: Model, memory: Memory, tally: Tally, rule: Rule, events: Events, e: int) -> Any:
    """Take the event's label, if any, and lay out the window to learn now.

    Returns its steps, 0 if none is due, and how many of them come before the first that has a label. Due:
    `stride` labels wait, or the oldest would leave the window at the next step.
    """
    slot, trace, targets = np.uint64(events.slots[e]), model.traces[0], model.targets
    if _ran(rule):  # no label waits in the ring
        if not events.judging[e]:
            return ZERO, ZERO
        copy(events.target[e], targets[0])
        _score(model, tally, rule, model.head_trace.sums[-1][0], targets[0], events.unit[e])
        return ONE, ZERO
    judged = memory.steps[slot] - max(rule.horizon, 1)
    if events.judging[e] and judged >= 0:
        row = _place(judged, memory.labels)
        copy(events.target[e], memory.labels[slot, row])
        _score(model, tally, rule, memory.outputs[slot, row], memory.labels[slot, row], events.unit[e])
        if memory.pending[slot] == 0:
            memory.oldest[slot] = judged
        memory.pending[slot] += 1
    pending, waited = memory.pending[slot], judged - memory.oldest[slot]
    if pending == 0 or (pending < rule.stride and waited < rule.window - 1):
        return ZERO, ZERO
    memory.pending[slot] = 0
    steps = min(rule.window, judged + 1)
    first = judged + 1 - steps
    unlabelled = memory.oldest[slot] - first
    for t in range(unlabelled, steps):
        row = _place(first + t, memory.labels)
        copy(memory.labels[slot, row], targets[t])
        fill(memory.labels[slot, row], math.nan)
    for t in range(steps):
        copy(memory.inputs[slot, _place(first + t, memory.inputs)], trace.inputs[t])
    _enter(model, memory.entries[slot, _place(first, memory.entries)])
    return steps, unlabelled


@merged
def _recall_waiting(model: Model, pool: Pool, tally: Tally, rule: Rule, events: Events, e: int) -> Any:
    """The same for a label that comes by its id: the window is the one that waits in its row."""
    if not events.judging[e]:
        return ZERO, ZERO
    row, trace, targets = events.judge[e], model.traces[0], model.targets
    steps = pool.lengths[row]
    for t in range(steps):
        copy(pool.inputs[row, t], trace.inputs[t])
    copy(events.target[e], targets[steps - 1])
    _enter(model, pool.entries[row])
    _score(model, tally, rule, pool.outputs[row], targets[steps - 1], events.unit[e])
    return steps, steps - 1


@jit
def _ran(rule: Rule) -> bool:
    """The window to learn is the step that was just made: no need to run it again."""
    return rule.window == 1 and rule.horizon == 0 and not rule.pooled


# --- learning -----------------------------------------------------------------------------------------


@jit
def _known(targets: Array, t: int) -> bool:
    """Whether step t has a label to be learned."""
    known = False
    for j in range(targets.shape[1]):
        known |= not math.isnan(targets[t, j])
    return known


@merged
def _sweep(model: Model, rule: Rule, steps: int, unlabelled: int) -> Any:
    """The way back: each label's loss is injected at its step, averaged; returns how many there are."""
    labels = ZERO
    for t in range(unlabelled, steps):
        labels += _known(model.targets, t)
    top, outputs, dys = model.traces[-1], model.head_trace.sums[-1], model.head_trace.deltas[-1]
    share = like(dys[0, 0], 1.0 / labels)
    for layer in range(len(model.traces)):
        cell.begin(model.traces[layer])
    row = ZERO
    for t in range(steps - 1, -1, -1):
        if t >= unlabelled and _known(model.targets, t):
            if not _ran(rule):
                _answer(model, rule.activation, t, row)
            losses.derivative(rule.loss, outputs, row, model.targets[t], model.levels, share, dys)
            head.backward(model.head, model.head_trace, rule.activation, row, top.dh)
            row += 1
        for layer in range(len(model.traces) - 1, -1, -1):
            cell.backward(model.weights[layer], model.traces[layer], t, t > 0)
            if layer > 0:
                below = model.traces[layer - 1].dh
                cell.add_input_gradient(model.weights[layer], model.traces[layer], t, below)
    return row


@jit
def _stored(rule: Rule, steps: int) -> bool:
    """Whether the gradient is stored; that of one step is an outer product, and its two factors suffice."""
    return steps > 1 or rule.keep_gradient


@merged
def _gradient(model: Model, rule: Rule, steps: int, labels: int) -> Any:
    """The gradient from what the way back left; returns its squared norm."""
    head.accumulate(model.head_gradients, model.head_trace, labels)
    stored = _stored(rule, steps)
    _, of_head, _ = model.flat[HEAD]
    squares = sum_of_squares(of_head[0])
    for layer in range(len(model.traces)):
        factors = cell.factors(model.traces[layer])
        for i in range(len(factors)):
            inputs, deltas = factors[i]
            gradient = model.gradients[layer][i]
            if stored:
                outer_sum(gradient, inputs, deltas, steps)
            else:
                squares += outer_squares(inputs, deltas, gradient.shape[0])
    return sum_of_squares(model.gradient) if stored else squares


@jit
def _share(tally: Tally, squares: Any, clip: float) -> float:
    """What holds the gradient's norm, √`squares`, at `clip`; −1: it is not finite and must not be used."""
    norm = math.sqrt(np.float64(squares))
    if not math.isfinite(norm):
        tally.counts[SKIPPED] += 1
        return -1.0
    tally.sums[NORM] = norm
    tally.counts[UPDATES] += 1
    tally.counts[CLIPPED] += norm > clip
    return min(1.0, clip / norm)


@merged
def _descend(model: Model, rule: Rule, steps: int, rate: float, share: float) -> None:
    """One update with `share` of the gradient."""
    paced = optimiser.begin(model.parameters, model.optimiser, model.settings, rate, share)
    if _stored(rule, steps):
        parameters, gradient, state = model.flat[WHOLE]
        optimiser.update(parameters, gradient, gradient, STORED, state, paced)
    else:
        for layer in range(len(model.traces)):
            factors = cell.factors(model.traces[layer])
            for i in range(len(factors)):
                inputs, deltas = factors[i]
                state = model.states[layer][i]
                optimiser.update(model.weights[layer][i], deltas, inputs, ZERO, state, paced)
        parameters, gradient, state = model.flat[HEAD]
        optimiser.update(parameters, gradient, gradient, STORED, state, paced)


@numba.njit(cache=True, **OPTIONS)
def advance(
    model: Model,
    memory: Memory,
    pool: Pool,
    tally: Tally,
    rule: Rule,
    events: Events,
    rates: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
    begin: int,
    end: int,
) -> None:
    """Events `begin` to `end` of a block in order: step, predict into `out` (n, o), learn.

    `rates` begins with the rate of the last labelled event before `begin`, then has one for each labelled
    event from there. The row of `out` of an event that makes no step is left alone.
    """
    before = tally.counts[LABELLED]
    late = rule.horizon > 0 or rule.pooled
    for event in range(begin, end):
        e = np.uint64(event)
        slot = np.uint64(events.slots[e])
        if events.fresh[e]:
            _forget(memory, slot)
        for turn in range(2):  # a loop, so that what both turns call is compiled into it once
            own = (turn == 1) == late  # an earlier step's label is learned before the event's own step
            if own:
                steps, unlabelled = _lay_out(model, memory, events, e)
            elif rule.pooled:
                steps, unlabelled = _recall_waiting(model, pool, tally, rule, events, e)
            else:
                steps, unlabelled = _recall(model, memory, tally, rule, events, e)
            if steps == 0:
                continue
            if own or not _ran(rule):
                _forward(model, steps)
            if own:
                _publish(model, memory, rule.activation, slot, out, e)
                if rule.pooled and events.keep[e] >= 0:
                    _wait(memory, pool, slot, events.keep[e], rule.window)
            else:
                labels = _sweep(model, rule, steps, unlabelled)
                share = _share(tally, _gradient(model, rule, steps, labels), rule.clip)
                if share >= 0.0:
                    _descend(model, rule, steps, rates[tally.counts[LABELLED] - before], share)
