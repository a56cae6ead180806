"""The compiled pass over a block, in event order: what is remembered of keys, scaled inputs, scaled targets.

All functions that call each other stand in this one file, because numba's cache notices edits of a kernel's
own file only.

Letters: n events, d inputs, S series, m operations, h horizon. A *series* is a number that arrives with each
event and has a scaler, and where lags need it a history: the label (series 0), number fields, elapsed times.

Order for event i of a key, which is what makes predictions prequential:
1. what is known before the prediction enters history: number fields, and a forecast's own field
2. inputs are scaled by statistics that have not seen this event
3. a forecast's judged step gets its target, and the statistics of the change learn it
4. this event's reference, location and scale are fixed
5. an inline label becomes the target of 4, and the statistics of the change learn it
6. every scaler learns this event's values; an inline label enters history
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

PSEUDO_COUNT = 20.0
"""c: a key's own statistics weigh W/(W + c) against the stream's, W the weight of what the key has seen."""
INPUT_BOUND = 10.0
"""Scaled inputs are cut at ± this many standard deviations."""
TARGET_BOUND = 1e6
"""Scaled targets are cut at ± this, so that no loss overflows after a long constant stretch."""
NO_REFERENCE, LAST, SEASON = 0, 1, 2
LAST_KNOWN = -1
"""In place of `back`: the last label that is known."""

Floats = NDArray[np.float64]


class Plan(NamedTuple):
    """What never changes."""

    horizon: int
    fading: float
    """f: the share of weight that an event takes from all before it."""
    binary: bool
    label_known_first: bool
    """True in a forecast: the target's field at this event is known before this event's prediction."""
    reference: int
    season_back: int
    """Events back from this one to one season before the target."""
    scaled: NDArray[np.bool_]
    """(S,) whether a series is scaled."""
    offset: NDArray[np.int64]
    """(S,) where the history of a series begins."""
    length: NDArray[np.int64]
    """(S,) how many events it holds; 0: none."""
    elapsed: NDArray[np.int64]
    """(elapsed times,) their series."""
    operations: NDArray[np.int64]
    """(m, 4): input column, series, events back or LAST_KNOWN, 1 if a column for "missing" follows."""


class Memory(NamedTuple):
    """What is remembered for each slot (first axis)."""

    steps: NDArray[np.int64]
    """(slots,) events of the key so far."""
    own: Floats
    """(slots, S + 1, 3) weight, mean, variance of each series and, last, of the change."""
    recent: Floats
    """(slots, 1 + elapsed times) last known label, times of the previous event [s]."""
    recent_known: NDArray[np.bool_]
    history: Floats
    """(slots, sum of lengths) rings of the series, by step modulo length."""
    history_known: NDArray[np.bool_]
    judged: Floats
    """(slots, h + 1, 3) reference, location, scale of recent predictions, by step modulo h + 1."""


# --- fading scalers ---------------------------------------------------------------------------------


@njit(cache=True, error_model="numpy")
def learn(statistics: Floats, value: float, fading: float) -> None:
    """Take `value` into (weight, mean, variance) with exponentially fading, normalised weights.

    W ← (1 − f) W + 1, a = 1/W, μ ← μ + a δ, σ² ← (1 − a)(σ² + a δ²) with δ = value − μ (T. Finch,
    "Incremental calculation of weighted mean and variance", 2009, section 9, where a is constant).
    With f = 0 it is Welford's: all values weigh the same.
    """
    weight = (1.0 - fading) * statistics[0] + 1.0
    share = 1.0 / weight
    delta = value - statistics[1]
    statistics[0] = weight
    statistics[1] += share * delta
    statistics[2] = (1.0 - share) * (statistics[2] + share * delta * delta)


@njit(cache=True, error_model="numpy")
def lean(own: Floats, stream: Floats) -> tuple[float, float]:
    """Mean and variance of the mixture λ own + (1 − λ) stream with λ = W/(W + c).

    Written with differences, so that two equal constants have a variance of exactly 0.
    """
    share = own[0] / (own[0] + PSEUDO_COUNT)
    gap = own[1] - stream[1]
    mean = stream[1] + share * gap
    variance = stream[2] + share * (own[2] - stream[2]) + share * (1.0 - share) * gap * gap
    return mean, variance


@njit(cache=True, error_model="numpy")
def bounded(value: float, bound: float) -> float:
    return min(max(value, -bound), bound)


# --- what is remembered of a key ----------------------------------------------------------------------


@njit(cache=True, error_model="numpy")
def forget(memory: Memory, slot: int) -> None:
    memory.steps[slot] = 0
    memory.own[slot] = 0.0
    memory.recent[slot] = 0.0
    memory.recent_known[slot] = False
    memory.history[slot] = 0.0
    memory.history_known[slot] = False
    memory.judged[slot] = 0.0


@njit(cache=True, error_model="numpy")
def elapse(memory: Memory, slot: int, which: int, instant: float) -> float:
    """log(1 + seconds since the key's previous event), NaN if either time is unknown; the time is noted."""
    if math.isnan(instant):
        return math.nan
    place = 1 + which
    passed = math.nan
    if memory.recent_known[slot, place]:
        passed = math.log1p(max(0.0, instant - memory.recent[slot, place]))
    memory.recent[slot, place] = instant
    memory.recent_known[slot, place] = True
    return passed


@njit(cache=True, error_model="numpy")
def remember(plan: Plan, memory: Memory, slot: int, series: int, step: int, value: float) -> None:
    """Put this step's value, NaN if missing, into the history of a series and among what is known."""
    known = not math.isnan(value)
    if series == 0 and known:
        memory.recent[slot, 0] = value
        memory.recent_known[slot, 0] = True
    if plan.length[series] > 0:
        place = plan.offset[series] + step % plan.length[series]
        memory.history[slot, place] = value if known else 0.0
        memory.history_known[slot, place] = known


@njit(cache=True, error_model="numpy")
def recall(plan: Plan, memory: Memory, slot: int, series: int, step: int, back: int) -> float:
    """The value that a series had `back` events of the key ago, or LAST_KNOWN; NaN if there is none.

    A ring is longer than `back`: before the key's first event lie places that it has not filled yet.
    """
    if back == LAST_KNOWN:
        return memory.recent[slot, 0] if memory.recent_known[slot, 0] else math.nan
    place = plan.offset[series] + (step - back) % plan.length[series]
    return memory.history[slot, place] if memory.history_known[slot, place] else math.nan


# --- targets ------------------------------------------------------------------------------------------


@njit(cache=True, error_model="numpy")
def refer(plan: Plan, memory: Memory, slot: int, step: int, mean: float) -> float:
    """What the change to be predicted is counted from: 0, the last known label, or that of a season before.

    Where none is known it is `mean`, that of the labels so far.
    """
    if plan.reference == NO_REFERENCE:
        return 0.0
    back = LAST_KNOWN if plan.reference == LAST else plan.season_back
    value = recall(plan, memory, slot, 0, step, back)
    return mean if math.isnan(value) else value


@njit(cache=True, error_model="numpy")
def foresee(plan: Plan, memory: Memory, slot: int, step: int, mean: float, stream: Floats) -> Floats:
    """Reference, location and scale of this step's own prediction, kept where its label will find them."""
    present: Floats = memory.judged[slot, step % (plan.horizon + 1)]
    change, variance = lean(memory.own[slot, -1], stream[-1])
    present[0] = refer(plan, memory, slot, step, mean)
    present[1] = present[0] + change
    present[2] = math.sqrt(variance) if variance > 0.0 else 1.0  # nothing to measure changes by yet
    return present


@njit(cache=True, error_model="numpy")
def judge(label: float, judged: Floats, own: Floats, stream: Floats, fading: float) -> tuple[float, float]:
    """Target and unit of the judged step: its label in scales from its location. The change is learned."""
    target = bounded((label - judged[1]) / judged[2], TARGET_BOUND)
    change = label - judged[0]
    learn(own[-1], change, fading)
    learn(stream[-1], change, fading)
    return target, judged[2]


# --- the pass -----------------------------------------------------------------------------------------


@njit(cache=True, error_model="numpy")
def featurise(
    slots: NDArray[np.int32],
    fresh: NDArray[np.bool_],
    back: NDArray[np.int32],
    label: Floats,
    values: Floats,
    instants: Floats,
    hot: NDArray[np.int64],
    plan: Plan,
    stream: Floats,
    memory: Memory,
    x: Floats,
    outcome: Floats,
) -> None:
    """One block, in the order above.

    values (S, n) raw, NaN missing, elapsed ones are written here; instants (elapsed times, n) [s];
    hot (categories, n) the input that is 1, −1 for none; stream (S + 1, 3) as `Memory.own`.
    Writes x (n, d) and outcome (4, n): target, unit, location, scale.
    """
    series = values.shape[0]
    first_known = 0 if plan.label_known_first else 1  # series 0 is the label
    middle = np.empty(series)
    spread = np.empty(series)
    for i in range(slots.shape[0]):
        slot = slots[i]
        if fresh[i]:
            forget(memory, slot)
        step = memory.steps[slot]
        own = memory.own[slot]

        for e in range(plan.elapsed.shape[0]):
            values[plan.elapsed[e], i] = elapse(memory, slot, e, instants[e, i])
        for s in range(first_known, series):
            remember(plan, memory, slot, s, step, values[s, i])

        for s in range(series):
            middle[s], variance = lean(own[s], stream[s])
            spread[s] = 1.0 / math.sqrt(variance) if variance > 0.0 else 0.0
        for m in range(plan.operations.shape[0]):
            column, s, ago, masked = plan.operations[m]
            value = values[s, i] if ago == 0 else recall(plan, memory, slot, s, step, ago)
            if math.isnan(value):
                if masked:
                    x[i, column + 1] = 1.0
            elif plan.scaled[s]:
                x[i, column] = bounded((value - middle[s]) * spread[s], INPUT_BOUND)
            else:
                x[i, column] = value
        for c in range(hot.shape[0]):
            if hot[c, i] >= 0:
                x[i, hot[c, i]] = 1.0

        if plan.binary:
            outcome[0, i] = label[i] if back[i] >= 0 else math.nan
            outcome[1, i], outcome[2, i], outcome[3, i] = 1.0, 0.0, 1.0
        else:
            outcome[0, i], outcome[1, i] = math.nan, 1.0
            if back[i] > 0:
                judged = memory.judged[slot, (step - back[i]) % (plan.horizon + 1)]
                outcome[0, i], outcome[1, i] = judge(label[i], judged, own, stream, plan.fading)
            present = foresee(plan, memory, slot, step, middle[0], stream)
            outcome[2, i], outcome[3, i] = present[1], present[2]
            if back[i] == 0:
                outcome[0, i], outcome[1, i] = judge(label[i], present, own, stream, plan.fading)

        for s in range(series):
            if plan.scaled[s] and not math.isnan(values[s, i]):
                learn(own[s], values[s, i], plan.fading)
                learn(stream[s], values[s, i], plan.fading)
        if not plan.label_known_first:
            remember(plan, memory, slot, 0, step, values[0, i])
        memory.steps[slot] = step + 1
