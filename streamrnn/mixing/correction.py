"""What the mix of numbers leaves undone: a regression of its error on how its members differ from it.

Weights that are positive and sum to 1 cannot go beyond the members, not even where their errors are alike.
With x the mix, p its members, σ² the recent mean of (y − x)² in the key, λ a forgetting and ρ a ridge:
    d = (p − x) / σ    r = (y − x) / σ              both at most CUT
    S ← λ S + d dᵀ     b ← λ b + d r                                               (1)
    θ = (S + ρ I)⁻¹ b                                stacked regressions (Breiman 1996), fading   (2)
    c = x + σ θ · d                                                                (3)
What is published is q x + (1 − q) c. The trust q in the plain mix changes by the mix's own rule, with its
η and loss L, and a share α of it comes back to one half:
    q ← q exp(−η L(x)) / Σ,   q ← (1 − α) q + α / 2                                (4)

The compiled functions of this file call only each other: numba's cache notices an edit of the file that
a function stands in, not of one that it imports from.
"""

from typing import NamedTuple

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.compiled import inlined, loop
from streamrnn.mixing.table import Array, Floats, Memory, Nothing, Table

KEPT = 1 - 1 / 1000
"""λ, per judged event."""
RIDGE = 3.0
"""ρ, in judged events whose differences are as large as the mix's error."""
CUT = 5.0
"""Greatest difference that counts, in units of the mix's error."""
WARM = 5.0
"""Judged events before σ is known well enough to learn (1)."""
SHARE = 0.05
"""α."""
BOUND = 8.0
"""Greatest L."""
FADE = 0.5 ** (1 / 20)
"""Keeps σ recent: half its weight lies in the key's last 20 judged events."""


class CorrectionMemory(NamedTuple):
    """What is held of each key."""

    differences: Floats
    """(slots, M, M): S, its lower triangle"""
    remedies: Floats
    """(slots, M): b"""
    trust: Floats
    """q"""
    spread: Floats
    """σ²"""
    heft: Floats
    """How many events σ² weighs."""


class CorrectionWaiting(NamedTuple):
    """Of an answer that waits for its label."""

    corrected: Floats
    published: Floats


class Correction(Memory[CorrectionMemory, CorrectionWaiting, Nothing]):
    """Corrects a mix of M members."""

    def __init__(self, *, members: int, rate: float) -> None:
        """`rate`: η."""
        self._rate = rate
        self._scratch = np.empty((members + 1, members))
        one = (np.float64, ())
        keys = Table(
            CorrectionMemory,
            {
                "differences": (np.float64, (members, members)),
                "remedies": (np.float64, (members,)),
                "trust": one,
                "spread": one,
                "heft": one,
            },
        )
        waiting = Table(CorrectionWaiting, {"corrected": one, "published": one})
        super().__init__(keys, waiting, Nothing())

    def correct(self, steps: Steps, label: Floats, answers: Floats, judged: Floats, losses: Floats) -> None:
        """Replace the mix by what is published: in `answers` and `judged` (n, 1 + M, 1), and its `losses`."""
        _correct(
            steps.slots,
            steps.fresh,
            steps.moves,
            steps.back,
            steps.keep,
            steps.judge,
            label,
            answers,
            judged,
            losses,
            self.keys.arrays,
            self.waiting.arrays,
            self._rate,
            self._scratch,
        )


@loop
def _correct(
    slots: Array,
    fresh: Array,
    moves: Array,
    back: Array,
    keep: Array,
    judge: Array,
    label: Floats,
    answers: Floats,
    judged: Floats,
    losses: Floats,
    key: CorrectionMemory,
    waiting: CorrectionWaiting,
    rate: float,
    scratch: Floats,
) -> None:
    members = answers.shape[1] - 1
    factor, theta = scratch[:members], scratch[members]
    for i in range(len(slots)):
        k = slots[i]
        corrected = published = 0.0
        if fresh[i]:
            key.differences[k, :, :] = 0.0
            key.remedies[k, :] = 0.0
            key.trust[k] = 0.5
            key.spread[k] = key.heft[k] = 0.0
        if judge[i] >= 0 and not np.isnan(label[i]):
            row = judge[i]
            _learn(label[i], k, judged[i], waiting.corrected[row], key, theta, rate)
            judged[i, 0, 0] = waiting.published[row]
            losses[i, 0] = abs(label[i] - waiting.published[row])
        if moves[i]:
            _solve(key.differences[k], key.remedies[k], factor, theta)
            corrected = _corrected(answers[i], theta, np.sqrt(key.spread[k]))
            published = key.trust[k] * answers[i, 0, 0] + (1.0 - key.trust[k]) * corrected
            if keep[i] >= 0:
                waiting.corrected[keep[i]] = corrected
                waiting.published[keep[i]] = published
        if back[i] == 0 and not np.isnan(label[i]):
            _learn(label[i], k, judged[i], corrected, key, theta, rate)
            judged[i, 0, 0] = published
            losses[i, 0] = abs(label[i] - published)
        if moves[i]:
            answers[i, 0, 0] = published


@inlined
def _solve(differences: Floats, remedies: Floats, factor: Floats, theta: Floats) -> None:
    """Equation (2), by Cholesky's factor of S + ρ I, whose diagonal is held as its reciprocal."""
    size = len(remedies)
    for i in range(size):
        known = remedies[i]
        for j in range(i):
            left = differences[i, j]
            for q in range(j):
                left -= factor[i, q] * factor[j, q]
            factor[i, j] = left * factor[j, j]
            known -= factor[i, j] * theta[j]
        left = differences[i, i] + RIDGE
        for q in range(i):
            left -= factor[i, q] * factor[i, q]
        factor[i, i] = 1.0 / np.sqrt(left)
        theta[i] = known * factor[i, i]
    for i in range(size - 1, -1, -1):
        left = theta[i]
        for q in range(i + 1, size):
            left -= factor[q, i] * theta[q]
        theta[i] = left * factor[i, i]


@inlined
def _corrected(answers: Floats, theta: Floats, unit: float) -> float:
    """Equation (3)."""
    mixed = answers[0, 0]
    corrected = mixed
    for m in range(len(theta)):
        corrected += theta[m] * min(max(answers[1 + m, 0] - mixed, -CUT * unit), CUT * unit)
    return float(corrected)


@inlined
def _learn(
    y: float, k: int, judged: Floats, corrected: float, key: CorrectionMemory, scratch: Floats, rate: float
) -> None:
    """From a label, and the mix and its members that it judges."""
    error = y - judged[0, 0]
    key.heft[k] = FADE * key.heft[k] + 1.0
    key.spread[k] += (error * error - key.spread[k]) / key.heft[k]
    if key.spread[k] == 0.0:
        return
    per_unit = 1.0 / np.sqrt(key.spread[k])
    gain = _loss(abs(error) * per_unit) - _loss(abs(y - corrected) * per_unit)
    trust = key.trust[k] / (key.trust[k] + (1.0 - key.trust[k]) * np.exp(rate * gain))
    key.trust[k] = trust + SHARE * (0.5 - trust)
    if key.heft[k] > WARM:
        _regress(error, judged, per_unit, key.differences[k], key.remedies[k], scratch)


@inlined
def _loss(error: float) -> float:
    return float(min(error * np.sqrt(error), BOUND))


@inlined
def _regress(
    error: float, judged: Floats, per_unit: float, differences: Floats, remedies: Floats, scratch: Floats
) -> None:
    """Equation (1); of S only the lower triangle is held."""
    r = min(max(error * per_unit, -CUT), CUT)
    for i in range(len(remedies)):
        scratch[i] = min(max((judged[1 + i, 0] - judged[0, 0]) * per_unit, -CUT), CUT)
        remedies[i] = KEPT * remedies[i] + scratch[i] * r
        for j in range(i + 1):
            differences[i, j] = KEPT * differences[i, j] + scratch[i] * scratch[j]
