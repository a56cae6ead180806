"""The compiled pass over a block, in event order: what is remembered of keys, scaled inputs, scaled targets.

All functions that call each other stand in this one file, because numba's cache notices edits of a kernel's
own file only.

Letters: n events, d inputs, w label fields, S series, m operations. A *series* is a number that arrives with
the events and has a scaler, and where lags need it a history: labels (series 0 … w − 1), number fields,
elapsed times. The series of a class is −1 or 1, or one of more indices; it is not scaled.

Order for event i of a key, which is what makes predictions prequential:
1. the label of an earlier step, found in the table of what waits, becomes that step's target, and the
   statistics of the change learn it; one that came by id is now known, and its scaler learns it too
2. what is known before the prediction enters history: number fields, and a forecast's own fields
3. inputs are scaled by statistics that have not seen this event
4. this event's reference, location and scale are fixed, and kept if their label comes later
5. an inline label becomes the target of 4, and the statistics of the change learn it
6. every scaler learns this event's values; an inline label enters history
An event that makes no step of its key ends after 1.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import Steps
from streamrnn.compiled import inlined, loop

PSEUDO_COUNT = 20.0
"""c: how many values of a key weigh as much as the stream's statistics, a deviation away; see `lean`."""
INPUT_BOUND = 10.0
"""Scaled inputs are cut at ± this many standard deviations."""
TARGET_BOUND = 1e6
"""Scaled targets are cut at ± this, so that no loss overflows after a long constant stretch."""
LEAST_COUNT = 0.01
"""A count's scale is at least this: rarer events would have targets that no clipped gradient follows."""
NUMBER, COUNT, CLASSES = 0, 1, 2
NO_REFERENCE, LAST, SEASON = 0, 1, 2
LAST_KNOWN = -1
"""In place of `back`: the last label that is known."""

Floats = NDArray[np.float64]

# Compiled by position: another order of these fields must be another file, or the cache would not notice it.
assert Steps._fields == ("slots", "fresh", "moves", "back", "keep", "judge")


class Plan(NamedTuple):
    """What never changes."""

    fields: int
    """w"""
    kind: int
    by_id: bool
    label_known_first: bool
    """True in a forecast: the target's field at this event is known before this event's prediction."""
    fading: float
    """f: the share of weight that an event takes from all before it."""
    reference: int
    season_back: int
    """Events back from this one to one season before the target."""
    reach: int
    """Steps that the longest history holds."""
    scaled: NDArray[np.bool_]
    """(S,) whether a series is scaled."""
    one_hot: NDArray[np.bool_]
    """(S,) whether it is the index of a class, an input each."""
    offset: NDArray[np.int64]
    """(S,) where the history of a series begins."""
    length: NDArray[np.int64]
    """(S,) how many events it holds; 0: none."""
    elapsed: NDArray[np.int64]
    """(elapsed times,) their series."""
    operations: NDArray[np.int64]
    """(m, 5): input column, series, events back or LAST_KNOWN, column for "missing" or −1, and the statistics
    of its change from the last known label, or −1: then the input is the value itself."""


class Memory(NamedTuple):
    """What is remembered for each slot (first axis)."""

    steps: NDArray[np.int64]
    """(slots,) steps so far; a new key begins beyond the reach of what its slot held before."""
    own: Floats
    """(slots, S + w + D, 3) weight, mean, variance of each series, of each field's change, and of each lag's
    change from the last known label; S for classes."""
    recent: Floats
    """(slots, w + elapsed times) last known labels, times of the previous event [s]."""
    recent_known: NDArray[np.bool_]
    history: Floats
    """(slots, sum of lengths) rings of the series, by step modulo length."""
    history_known: NDArray[np.bool_]


class Waiting(NamedTuple):
    """What is kept of a prediction until its label comes (rows on the first axis)."""

    answers: Floats
    """(rows, w, 3) reference, location, scale; no fields for classes."""
    owner: NDArray[np.int64]
    """(rows, 2) slot and step, for labels that come by id."""


class Scratch(NamedTuple):
    """Of one event."""

    middle: Floats
    """(S,)"""
    spread: Floats
    """(S,) the inverse of the deviation"""
    changes: Floats
    """(S + w + D,)"""
    answers: Floats
    """(w, 3) as those that wait."""


def scratch(fields: int, series: int, statistics: int) -> Scratch:
    return Scratch(np.empty(series), np.empty(series), np.empty(statistics), np.empty((fields, 3)))


# --- fading scalers ---------------------------------------------------------------------------------


@inlined
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


@inlined
def size(own: Floats, stream: Floats) -> float:
    """r: mean square of a key's values over that of the stream's, at most 1; 1 where all have been 0."""
    square, whole = own[1] * own[1] + own[2], stream[1] * stream[1] + stream[2]
    return square / whole if 0.0 < square < whole else 1.0


@inlined
def lean(own: Floats, stream: Floats, r: float) -> tuple[float, float]:
    """Mean and variance of a key: its own, leaning on the stream's until it has seen enough.

    Keys may differ by orders of magnitude, so what the stream knows is brought to the key's size first:
    μ₀ = √r μ, σ₀² = r σ². With the weight W, mean m and variance v of the key, and δ = m − μ₀,
        σ̂² = v^λ (σ₀²)^(1 − λ),            λ = W / (W + c)
        μ̂ = μ₀ + δ W δ² / (W δ² + c σ̂²)
    Variances are averaged in their logarithm (Tong and Wang, "Optimal shrinkage estimation of variances",
    2007): of two that differ a millionfold the arithmetic mean is the greater one for ever. The mean leans as
    Thompson's ("Some shrinkage techniques for estimating the mean", 1968, where c = 1): that of a key unlike
    all others is its own at once, and none ever lies further than √(c/W)/2 deviations from μ̂.
    """
    mean, variance = math.sqrt(r) * stream[1], r * stream[2]
    weight = own[0]
    if own[2] > 0.0 and own[2] != variance:
        times = own[2] / variance
        # infinite where the stream varied so long ago that nothing is left of it
        variance = own[2] if math.isinf(times) else variance * times ** (weight / (weight + PSEUDO_COUNT))
    gap = own[1] - mean
    pull = weight * gap * gap
    if pull > 0.0:
        mean += gap * pull / (pull + PSEUDO_COUNT * variance)
    return mean, variance


@inlined
def bounded(value: float, bound: float) -> float:
    return min(max(value, -bound), bound)


# --- what is remembered of a key ----------------------------------------------------------------------


@inlined
def forget(plan: Plan, memory: Memory, slot: int) -> None:
    memory.steps[slot] += plan.reach
    memory.own[slot] = 0.0
    memory.recent[slot] = 0.0
    memory.recent_known[slot] = False
    memory.history[slot] = 0.0
    memory.history_known[slot] = False


@inlined
def elapse(memory: Memory, slot: int, place: int, instant: float) -> float:
    """log(1 + seconds since the key's previous event), NaN if either time is unknown; the time is noted."""
    if math.isnan(instant):
        return math.nan
    passed = math.nan
    if memory.recent_known[slot, place]:
        passed = math.log1p(max(0.0, instant - memory.recent[slot, place]))
    memory.recent[slot, place] = instant
    memory.recent_known[slot, place] = True
    return passed


@loop
def remember(plan: Plan, memory: Memory, slot: int, series: int, step: int, value: float) -> None:
    """Put a step's value, NaN if missing, into the history of a series and among what is known."""
    known = not math.isnan(value)
    if series < plan.fields and known:
        memory.recent[slot, series] = value
        memory.recent_known[slot, series] = True
    if plan.length[series] > 0:
        place = plan.offset[series] + step % plan.length[series]
        memory.history[slot, place] = value if known else 0.0
        memory.history_known[slot, place] = known


@inlined
def recall(plan: Plan, memory: Memory, slot: int, series: int, step: int, back: int) -> float:
    """The value that a series had `back` events of the key ago, or LAST_KNOWN; NaN if there is none.

    A ring is longer than `back`: before the key's first event lie places that it has not filled yet.
    """
    if back == LAST_KNOWN:
        return memory.recent[slot, series] if memory.recent_known[slot, series] else math.nan
    place = plan.offset[series] + (step - back) % plan.length[series]
    return memory.history[slot, place] if memory.history_known[slot, place] else math.nan


@inlined
def arrive(
    plan: Plan, memory: Memory, stream: Floats, slot: int, series: int, owner: NDArray[np.int64], value: float
) -> None:
    """A label that came by id is known from now on, as that of its own step where the key still holds it."""
    if plan.scaled[series]:
        learn(memory.own[slot, series], value, plan.fading)
        learn(stream[series], value, plan.fading)
    memory.recent[slot, series] = value
    memory.recent_known[slot, series] = True
    length = plan.length[series]
    if owner[0] == slot and memory.steps[slot] - owner[1] < length:
        place = plan.offset[series] + owner[1] % length
        memory.history[slot, place] = value
        memory.history_known[slot, place] = True


# --- targets ------------------------------------------------------------------------------------------


@inlined
def refer(plan: Plan, memory: Memory, slot: int, field: int, step: int, mean: float) -> float:
    """What the change to be predicted is counted from: 0, the last known label, or that of a season before.

    Where none is known it is `mean`, that of the labels so far.
    """
    if plan.reference == NO_REFERENCE:
        return 0.0
    back = LAST_KNOWN if plan.reference == LAST else plan.season_back
    value = recall(plan, memory, slot, field, step, back)
    return mean if math.isnan(value) else value


@inlined
def foresee(
    plan: Plan, memory: Memory, slot: int, field: int, step: int, mean: float, stream: Floats, answer: Floats
) -> None:
    """Reference, location and scale of this step's own prediction; `mean` is that of the field's labels."""
    if plan.kind == COUNT:
        seen = stream[field, 0] > 0.0
        answer[0], answer[1], answer[2] = 0.0, 0.0, max(mean, LEAST_COUNT) if seen else 1.0
        return
    own, series = memory.own[slot], plan.scaled.shape[0] + field
    change, variance = lean(own[series], stream[series], size(own[field], stream[field]))
    answer[0] = refer(plan, memory, slot, field, step, mean)
    answer[1] = answer[0] + change
    answer[2] = math.sqrt(variance) if variance > 0.0 else 1.0  # nothing to measure changes by yet


@inlined
def judge(label: float, answer: Floats, own: Floats, stream: Floats, fading: float) -> tuple[float, float]:
    """Target and unit of the judged step: its label in scales from its location. The change is learned."""
    target = bounded((label - answer[1]) / answer[2], TARGET_BOUND)
    change = label - answer[0]
    learn(own, change, fading)
    learn(stream, change, fading)
    return target, answer[2]


# --- the pass -----------------------------------------------------------------------------------------


@loop
def featurise(
    steps: Steps,
    label: Floats,
    values: Floats,
    instants: Floats,
    hot: NDArray[np.int64],
    plan: Plan,
    stream: Floats,
    memory: Memory,
    waiting: Waiting,
    scratch: Scratch,
    x: Floats,
    target: Floats,
    unit: Floats,
    location: Floats,
    scale: Floats,
) -> None:
    """One block, in the order above.

    label (w, n); values (S, n) raw, NaN missing, elapsed ones are written here; instants (elapsed times, n)
    [s]; hot (categories, n) the input that is 1, −1 for none; stream (S + w + D, 3) as `Memory.own`.
    Writes x (n, d), which begins as zeros, and all else (n, w); of an event that makes no step location and
    scale say nothing.
    """
    series = values.shape[0]
    first_known = 0 if plan.label_known_first else plan.fields
    first_learned = plan.fields if plan.by_id else 0
    middle, spread, changes, answers = scratch
    for i in range(steps.slots.shape[0]):
        slot = steps.slots[i]
        own = memory.own[slot]
        if steps.fresh[i]:
            forget(plan, memory, slot)
        target[i], unit[i], location[i], scale[i] = math.nan, 1.0, 0.0, 1.0

        row = steps.judge[i]
        if row >= 0:
            for j in range(plan.fields):
                if math.isnan(label[j, i]):
                    continue
                if plan.kind == CLASSES:
                    target[i, j] = label[j, i]
                else:
                    target[i, j], unit[i, j] = judge(
                        label[j, i], waiting.answers[row, j], own[series + j], stream[series + j], plan.fading
                    )
                if plan.by_id:
                    arrive(plan, memory, stream, slot, j, waiting.owner[row], values[j, i])
        if not steps.moves[i]:
            continue

        step = memory.steps[slot]
        for e in range(plan.elapsed.shape[0]):
            values[plan.elapsed[e], i] = elapse(memory, slot, plan.fields + e, instants[e, i])
        for s in range(first_known, series):
            remember(plan, memory, slot, s, step, values[s, i])

        for s in range(series):
            middle[s], variance = lean(own[s], stream[s], size(own[s], stream[s]))
            spread[s] = 1.0 / math.sqrt(variance) if variance > 0.0 else 0.0
        changes[:] = math.nan
        for m in range(plan.operations.shape[0]):
            column, s, ago, missing, change = plan.operations[m]
            value = values[s, i] if ago == 0 else recall(plan, memory, slot, s, step, ago)
            if change >= 0:
                value -= recall(plan, memory, slot, s, step, LAST_KNOWN)
                changes[change] = value
            if math.isnan(value):
                if missing >= 0:
                    x[i, missing] = 1.0
            elif change >= 0:
                mean, variance = lean(own[change], stream[change], size(own[s], stream[s]))
                if variance > 0.0:
                    x[i, column] = bounded((value - mean) / math.sqrt(variance), INPUT_BOUND)
            elif plan.scaled[s]:
                x[i, column] = bounded((value - middle[s]) * spread[s], INPUT_BOUND)
            elif plan.one_hot[s]:
                x[i, column + int(value)] = 1.0
            else:
                x[i, column] = value
        for c in range(hot.shape[0]):
            if hot[c, i] >= 0:
                x[i, hot[c, i]] = 1.0

        row = steps.keep[i]
        present = waiting.answers[row] if row >= 0 else answers
        for j in range(plan.fields):
            if plan.kind == CLASSES:
                if steps.back[i] == 0:
                    target[i, j] = label[j, i]
                continue
            foresee(plan, memory, slot, j, step, middle[j], stream, present[j])
            location[i, j], scale[i, j] = present[j, 1], present[j, 2]
            if steps.back[i] == 0 and not math.isnan(label[j, i]):
                target[i, j], unit[i, j] = judge(
                    label[j, i], present[j], own[series + j], stream[series + j], plan.fading
                )
        if plan.by_id and row >= 0:
            waiting.owner[row, 0], waiting.owner[row, 1] = slot, step

        for s in range(first_learned, series):
            if plan.scaled[s] and not math.isnan(values[s, i]):
                learn(own[s], values[s, i], plan.fading)
                learn(stream[s], values[s, i], plan.fading)
        for c in range(series, stream.shape[0]):
            if not math.isnan(changes[c]):
                learn(own[c], changes[c], plan.fading)
                learn(stream[c], changes[c], plan.fading)
        if not plan.label_known_first:
            for j in range(plan.fields):
                remember(plan, memory, slot, j, step, math.nan if plan.by_id else values[j, i])
        memory.steps[slot] = step + 1
