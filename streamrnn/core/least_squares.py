"""A linear model of all keys that learns by recursive least squares: at its optimum after every label.

Of x̃ = (x, 1), target y and prediction θᵀx̃, with e = y − θᵀx̃ before learning,
    u = min(1, clip / |e|)                                      an outlier weighs less          (1)
    g = P x̃,  θ ← θ + u g e / (λ + u x̃ᵀg),  P ← (P − u g gᵀ / (λ + u x̃ᵀg)) / λ               (2)
(2) is recursive least squares with exponential forgetting (Haykin, "Adaptive Filter Theory", 4th ed. 2002,
chapter 9; Ljung, "System Identification", 2nd ed. 1999, section 11.2): θ minimises
    Σᵢ λᵗ⁻ⁱ uᵢ (yᵢ − θᵀx̃ᵢ)² + λᵗ ridge |θ|²                                                     (3)
from θ = 0 and P = I / ridge. (1) is Huber's weight of iterated reweighting, taken once (Huber, "Robust
Statistics", 1981, section 7.8).

Forgetting winds P up in directions that no input excites, λ⁻ᵗ-fold. What is known of a coefficient is
therefore never let fall far below the ridge: with every label one coefficient, each in its turn, is observed
at its present value, with a weight that makes up for what d + 1 events forget of the ridge,
    P ← P − ρ q qᵀ / (1 + ρ qⱼ),  q = P eⱼ,  ρ = (d + 1)(1 − λ) ridge.                             (4)
This is the Levenberg–Marquardt regularisation of Gunnarsson ("Combining tracking and regularization in
recursive least squares identification", 1996), one coordinate at a time. It moves no coefficient, P stays
below about I / ridge as long as d is well below 1 / (1 − λ), and what is excited is forgotten at λ as before.
The usual bound, to stop forgetting while the trace of P is large, would stop it in all directions for the
sake of one input that is constant.

The w fields of a target share P, hence u too: |e| is the root mean square over the known fields. A field
whose label is missing counts as if it had been what was predicted.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that a
function stands in, not of one that it imports from.
"""

import math
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from streamrnn.arrays import State, Steps, expect, grown, nested, shapes

Floats = NDArray[np.float64]
LABELLED, UPDATES, CLIPPED, SKIPPED = range(4)


class Model(NamedTuple):
    coefficients: Floats
    """θ (w, d + 1); the last is the intercept."""
    covariance: Floats
    """P (d + 1, d + 1), symmetric to the bit."""


class Tally(NamedTuple):
    counts: NDArray[np.int64]
    """(4,) labelled events, updates, those whose weight was below 1, labels that were skipped."""
    norm: Floats
    """(1,) of the last gradient."""


class Rule(NamedTuple):
    forgetting: float
    """λ"""
    ridge: float
    clip: float


class Room(NamedTuple):
    """For one event: x̃ without its zeros, and vectors of (2) and (4)."""

    places: NDArray[np.int64]
    """(d + 1,)"""
    values: Floats
    """(d + 1,)"""
    errors: Floats
    """(w,) e; 0 where the label is missing."""
    gain: Floats
    """(d + 1,) g, then g √(u / (λ + u x̃ᵀg)), whose square is taken from P."""
    hold: Floats
    """(d + 1,) q √(ρ / (1 + ρ qⱼ)), likewise."""


# --- compiled -----------------------------------------------------------------------------------------


@njit(cache=True, error_model="numpy")
def _gather(x: Floats, room: Room) -> int:
    """What of (x, 1) is not zero goes to `room`; returns how many that are."""
    count = 0
    for j in range(x.shape[0]):
        if x[j] != 0.0:
            room.places[count], room.values[count] = j, x[j]
            count += 1
    room.places[count], room.values[count] = x.shape[0], 1.0
    return count + 1


@njit(cache=True, error_model="numpy")
def _predict(coefficients: Floats, room: Room, count: int) -> float:
    total = 0.0
    for a in range(count):
        total += coefficients[room.places[a]] * room.values[a]
    return total


@njit(cache=True, error_model="numpy")
def _miss(coefficients: Floats, room: Room, count: int, target: Floats) -> tuple[float, int]:
    """Leaves e in `room`; returns |e|² summed over the known fields, and how many these are."""
    squares, known = 0.0, 0
    for t in range(target.shape[0]):
        room.errors[t] = 0.0
        if not math.isnan(target[t]):
            room.errors[t] = target[t] - _predict(coefficients[t], room, count)
            squares += room.errors[t] * room.errors[t]
            known += 1
    return squares, known


@njit(cache=True, error_model="numpy")
def _gain(covariance: Floats, room: Room, count: int) -> float:
    """Leaves g in `room`; returns x̃ᵀg."""
    room.gain[:] = 0.0
    for a in range(count):
        column, value = covariance[room.places[a]], room.values[a]
        for i in range(column.shape[0]):
            room.gain[i] += value * column[i]
    excited: float = _predict(room.gain, room, count)
    return excited


@njit(cache=True, error_model="numpy")
def _length(room: Room, count: int) -> float:
    """|x̃|"""
    squares = 0.0
    for a in range(count):
        squares += room.values[a] * room.values[a]
    return math.sqrt(squares)


@njit(cache=True, error_model="numpy")
def _scale(vector: Floats, factor: float) -> None:
    for i in range(vector.shape[0]):
        vector[i] *= factor


@njit(cache=True, error_model="numpy")
def _hold(covariance: Floats, rule: Rule, room: Room, j: int) -> None:
    """Leaves √(ρ / (1 + ρ qⱼ)) q of (4) in `room`, where q is of the P that (2) is about to make."""
    added = room.hold.shape[0] * (1.0 - rule.forgetting) * rule.ridge
    for i in range(room.hold.shape[0]):
        room.hold[i] = (covariance[j, i] - room.gain[j] * room.gain[i]) / rule.forgetting
    _scale(room.hold, math.sqrt(added / (1.0 + added * room.hold[j])))


@njit(cache=True, error_model="numpy")
def _update(covariance: Floats, gain: Floats, hold: Floats, forgetting: float) -> None:
    """P ← (P − gain gainᵀ) / λ − hold holdᵀ; products are the same on both sides of the diagonal."""
    grow = 1.0 / forgetting
    for i in range(gain.shape[0]):
        row, from_gain, from_hold = covariance[i], gain[i], hold[i]
        for j in range(gain.shape[0]):
            row[j] = (row[j] - from_gain * gain[j]) * grow - from_hold * hold[j]


@njit(cache=True, error_model="numpy")
def _learn(model: Model, tally: Tally, rule: Rule, room: Room, count: int, target: Floats) -> None:
    """Equations (1), (2) and (4) for the input in `room`; nothing but counts if a number is not finite."""
    squares, known = _miss(model.coefficients, room, count, target)
    excited = _gain(model.covariance, room, count)
    tally.counts[LABELLED] += 1
    if not (math.isfinite(squares) and math.isfinite(excited)):
        tally.counts[SKIPPED] += 1
        return
    tally.norm[0] = math.sqrt(squares) * _length(room, count) / known
    missed, weight = math.sqrt(squares / known), 1.0
    if missed > rule.clip:
        weight = rule.clip / missed
        tally.counts[CLIPPED] += 1
    share = weight / (rule.forgetting + weight * excited)
    for t in range(target.shape[0]):
        step = share * room.errors[t]
        for i in range(room.gain.shape[0]):
            model.coefficients[t, i] += step * room.gain[i]
    _scale(room.gain, math.sqrt(share))
    _hold(model.covariance, rule, room, tally.counts[UPDATES] % room.hold.shape[0])
    _update(model.covariance, room.gain, room.hold, rule.forgetting)
    tally.counts[UPDATES] += 1


@njit(cache=True, error_model="numpy")
def _advance(
    model: Model,
    tally: Tally,
    rule: Rule,
    room: Room,
    waiting: Floats,
    moves: NDArray[np.bool_],
    back: NDArray[np.int32],
    keep: NDArray[np.int32],
    judge: NDArray[np.int32],
    known: NDArray[np.bool_],
    x: Floats,
    target: Floats,
    out: Floats,
) -> None:
    """A block in event order, as `streamrnn.arrays.Steps` says; `known` (n,): some field of the label is."""
    for e in range(x.shape[0]):
        if known[e] and judge[e] >= 0:
            count = _gather(waiting[judge[e]], room)
            _learn(model, tally, rule, room, count, target[e])
        if not moves[e]:
            continue
        count = _gather(x[e], room)
        for t in range(out.shape[1]):
            out[e, t] = _predict(model.coefficients[t], room, count)
        if keep[e] >= 0:
            waiting[keep[e]] = x[e]
        if known[e] and back[e] == 0:
            _learn(model, tally, rule, room, count, target[e])


# --- the network --------------------------------------------------------------------------------------


class LeastSquares:
    """A linear model of numbers that learns while it predicts; the same interface as `Network`.

    Not thread-safe. Letters: n events, d inputs, w targets.
    """

    window_now = 1
    """Steps back that learning reaches."""
    rate_now = 1.0
    """Every label is learned in full."""
    drifts = 0
    bytes_per_key = 0

    def __init__(
        self,
        *,
        name: str,
        inputs: int,
        targets: int = 1,
        forgetting: float = 0.998,
        ridge: float = 10.0,
        clip: float = 1.0,
    ) -> None:
        """`forgetting` is λ; beyond `clip`, an error in the scale of targets, an event weighs less."""
        if not (0.0 < forgetting <= 1.0 and ridge > 0.0 and clip > 0.0):
            raise ValueError(
                f"network {name}: forgetting {forgetting}, ridge {ridge}, clip {clip}; expected "
                "0 < forgetting <= 1, and the others above 0"
            )
        self.name, self.inputs, self.outputs = name, inputs, targets
        self.bytes_per_row = 8 * inputs
        self._rule = Rule(forgetting, ridge, clip)
        width = inputs + 1
        self._model = Model(np.zeros((targets, width)), np.eye(width) / ridge)
        self._tally = Tally(np.zeros(4, np.int64), np.zeros(1))
        self._room = Room(
            np.zeros(width, np.int64), np.zeros(width), np.zeros(targets), np.zeros(width), np.zeros(width)
        )
        self._rows = 0
        self._waiting = np.zeros((0, inputs))
        """(rows, d) inputs of the steps whose labels come later."""

    def reserve(self, slots: int, rows: int = 0) -> None:
        """Make room for `rows` steps that wait for their label; keys share everything else."""
        self._rows = max(self._rows, rows)
        self._waiting = grown(self._waiting, rows)

    def advance(self, steps: Steps, x: Floats, target: Floats, unit: Floats) -> Floats:
        """The predictions (n, w) of the events of a block, in the scale of targets, learning on the way.

        x (n, d); `target` (n, w), NaN where unknown; `unit` has no part in it. Rows of events that make no
        step are NaN.
        """
        out = np.full((len(x), self.outputs), np.nan)
        if len(x):
            self.reserve(0, int(steps.keep.max()) + 1)
        _advance(
            self._model,
            self._tally,
            self._rule,
            self._room,
            self._waiting,
            np.ascontiguousarray(steps.moves, np.bool_),
            np.ascontiguousarray(steps.back, np.int32),
            np.ascontiguousarray(steps.keep, np.int32),
            np.ascontiguousarray(steps.judge, np.int32),
            ~np.isnan(target).all(axis=1),
            np.ascontiguousarray(x, np.float64),
            np.ascontiguousarray(target, np.float64),
            out,
        )
        return out

    def warm_up(self) -> None:
        """Compile what events need, or load it from the cache; nothing is learned."""
        none, flags, fields = np.empty(0, np.int32), np.empty(0, np.bool_), np.empty((0, self.outputs))
        steps = Steps(none, flags, flags, none, none, none)
        self.advance(steps, np.empty((0, self.inputs)), fields, fields)

    # --- what it is and did -----------------------------------------------------------------------

    @property
    def kernel_hash(self) -> str:
        """Hash of all code that learning is compiled from."""
        compilers = f"{version('numba')} {version('llvmlite')} "
        return sha256(compilers.encode() + Path(__file__).read_bytes()).hexdigest()

    @property
    def labelled(self) -> int:
        """Labelled events so far."""
        return int(self._tally.counts[LABELLED])

    @property
    def updates(self) -> int:
        return int(self._tally.counts[UPDATES])

    @property
    def clipped(self) -> int:
        """Updates whose error was beyond `clip`."""
        return int(self._tally.counts[CLIPPED])

    @property
    def skipped(self) -> int:
        """Labels that changed nothing, because a number was not finite."""
        return int(self._tally.counts[SKIPPED])

    @property
    def gradient_norm(self) -> float:
        """Norm of the last finite gradient of half the mean squared error, before an outlier weighs less."""
        return float(self._tally.norm[0])

    def parameters(self) -> dict[str, Floats]:
        """Views by torch's names for a linear layer: weight (w, d), bias (w,)."""
        coefficients = self._model.coefficients
        return {"weight": coefficients[:, :-1], "bias": coefficients[:, -1]}

    # --- saving and restoring ---------------------------------------------------------------------

    def _arrays(self, waiting: Floats) -> dict[str, NDArray[np.generic]]:
        return {**self._model._asdict(), **nested("tally", self._tally._asdict()), "waiting": waiting}

    def state(self) -> State:
        """Copies of everything that shapes the future, by name."""
        return {name: array.copy() for name, array in self._arrays(self._waiting[: self._rows]).items()}

    def load(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what `state` returned. Raises SnapshotError naming the first array that does not fit."""
        waiting = np.zeros((len(state["waiting"]) if "waiting" in state else 0, self.inputs))
        arrays = self._arrays(waiting)
        expect(state, shapes(arrays))
        for name, array in arrays.items():
            array[...] = state[name]
        self._waiting, self._rows = waiting, len(waiting)
