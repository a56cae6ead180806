"""The published prediction: members weighted online, per key, by their own past losses.

Exponential weighting with a share that comes back, for M members with losses L:
    w ← w exp(−η L) / Σ                       a member's loss lowers its weight            (1)
    u ← mean of w so far, fading              the usual weights of the key                 (2)
    w ← (1 − α) w + α ((1 − ε) u + ε / M)     a share returns to them and to everyone      (3)
With u = 1/M, (3) is the fixed share of Herbster & Warmuth ("Tracking the best expert", 1998). That the
share returns to whoever has served before is the mixing of past posteriors of Bousquet & Warmuth
("Tracking a small set of experts", 2002): it allows a large α, hence fast changes, without paying for
members that were never good. The stream has usual weights too, (2) over all its keys: a fresh key starts
from them, with its w and its u.

For classes L is the log loss and η = 1, so that (1) is Bayes' rule. For numbers L is |error|^(3/2) over
the mix's own recent mean of that in the key, at most BOUND, and η = 1/2: between the squared and the absolute
error, since quality is both. The errors of forecasts h ahead overlap and are not independent: η = 1/2 / √h.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that
a function stands in, not of one that it imports from.
"""

from typing import NamedTuple

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.compiled import inlined, loop
from streamrnn.mixing.table import Array, Floats, Ints, Memory, Table

RATE = 0.5
"""η for numbers one event ahead."""
SHARE = 0.1
"""α."""
MEMORY = 1 - 1 / 500
"""Keeps the usual weights recent: those of the last 500 judged events or so."""
LEAN = 20.0
"""How many judged events a fresh key's usual weights, which are the stream's, count for at most."""
FLOOR = 0.01
"""ε: the part of the share that even a hopeless member keeps, in case its time comes."""
BOUND = 8.0
"""Greatest loss of a number, in units of the mix's own mean."""
FADE = 0.5 ** (1 / 20)
"""Keeps the mix's own mean loss recent: half its weight lies in the key's last 20 judged events."""
TINY = 1e-15
"""Least probability in a logarithm (river's)."""
REACH = 1e100
"""Greatest number that a member may predict: its square must be a number too."""
OFF = 1e-6
"""By how much the sum of a network's probabilities may miss 1."""


class MixMemory(NamedTuple):
    """What the mix holds of each key."""

    weights: Floats
    """(slots, M): w"""
    usual: Floats
    """(slots, M): u"""
    service: Floats
    """How many events u weighs."""
    spread: Floats
    """Recent mean |error|^(3/2) of the mix."""
    heft: Floats
    """How many events that mean weighs."""


class MixWaiting(NamedTuple):
    answers: Floats
    """(rows, 1 + M, A): answers that wait for their label."""


class MixStream(NamedTuple):
    """What the mix holds once."""

    usual: Floats
    """(M,): u over all keys."""
    service: Floats
    """(1,): how many events it weighs."""
    replaced: Ints
    """(N,): answers of each network that were not usable."""


class Mix(Memory[MixMemory, MixWaiting, MixStream]):
    """Mixes M members, the first N of them networks, into one answer per event.

    An answer is A numbers wide: 1, or C probabilities of classes.
    """

    def __init__(
        self, *, networks: int, members: int, mixed: int, classes: int, horizon: int, enabled: bool
    ) -> None:
        """The first `mixed` members can have a weight. `classes`: C, or 0 for numbers; `horizon`: events that
        the errors of numbers overlap."""
        if networks == 0 and (not enabled or mixed == 0):
            raise ValueError("without a mix there must be a network to publish")
        self._mixed = mixed
        self._classes = classes > 0
        self.rate = RATE / max(horizon, 1) ** 0.5
        """η of numbers."""
        self._enabled = enabled
        keys = Table(
            MixMemory,
            {
                "weights": (np.float64, (members,)),
                "usual": (np.float64, (members,)),
                "service": (np.float64, ()),
                "spread": (np.float64, ()),
                "heft": (np.float64, ()),
            },
        )
        waiting = Table(MixWaiting, {"answers": (np.float64, (1 + members, classes or 1))})
        start = np.where(np.arange(members) < mixed, 1 / mixed, 0.0) if enabled else np.eye(members)[0]
        super().__init__(keys, waiting, MixStream(start, np.zeros(1), np.zeros(networks, np.int64)))

    def answer(
        self, steps: Steps, label: Floats, answers: Floats, judged: Floats, losses: Floats, weights: Floats
    ) -> None:
        """Mix `answers` (n, 1 + M, A): columns 1… are the members' and column 0 is written; `weights` (n, M)
        are those it was mixed with. Rows of events that make no step become NaN.

        Writes `judged` (n, 1 + M, A), the answers that each label judges, and their `losses` (n, 1 + M); NaN
        where none. A network's number that is beyond REACH or none is replaced by the first baseline's, and
        probabilities that are none or miss a sum of 1 by even ones.
        """
        _answer(
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
            weights,
            self.keys.arrays,
            self.waiting.arrays,
            self.stream,
            self.rate,
            self._classes,
            self._enabled,
            self._mixed,
        )


@loop
def _answer(
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
    weights: Floats,
    key: MixMemory,
    waiting: MixWaiting,
    stream: MixStream,
    rate: float,
    classes: bool,
    enabled: bool,
    mixed: int,
) -> None:
    for i in range(len(slots)):
        k = slots[i]
        if fresh[i]:
            _copy(stream.usual, key.weights[k])
            _copy(stream.usual, key.usual[k])
            key.service[k] = min(stream.service[0], LEAN)
            key.spread[k] = key.heft[k] = 0.0
        _fill(judged[i], np.nan)
        for j in range(losses.shape[1]):
            losses[i, j] = np.nan
        if judge[i] >= 0 and not np.isnan(label[i]):
            _copy_rows(waiting.answers[judge[i]], judged[i])
            _judge(label[i], k, judged[i], losses[i], key, stream, rate, classes, enabled, mixed)
        if moves[i]:
            _replace(answers[i], stream.replaced, classes)
            _mix(key.weights[k], answers[i])
            _copy(key.weights[k], weights[i])
            if keep[i] >= 0:
                _copy_rows(answers[i], waiting.answers[keep[i]])
        else:
            _fill(answers[i], np.nan)
            for m in range(weights.shape[1]):
                weights[i, m] = np.nan
        if back[i] == 0 and not np.isnan(label[i]):
            _copy_rows(answers[i], judged[i])
            _judge(label[i], k, judged[i], losses[i], key, stream, rate, classes, enabled, mixed)


@inlined
def _fill(a: Floats, value: float) -> None:
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = value


@inlined
def _copy(source: Floats, to: Floats) -> None:
    for j in range(len(source)):
        to[j] = source[j]


@inlined
def _copy_rows(source: Floats, to: Floats) -> None:
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            to[i, j] = source[i, j]


@inlined
def _replace(answers: Floats, replaced: Ints, classes: bool) -> None:
    networks = len(replaced)
    for m in range(networks):
        usable = _is_distribution(answers[1 + m]) if classes else abs(answers[1 + m, 0]) <= REACH
        if not usable:
            answers[1 + m, :] = 1.0 / answers.shape[1] if classes else answers[1 + networks, 0]
            replaced[m] += 1


@inlined
def _is_distribution(probabilities: Floats) -> bool:
    total = 0.0
    for p in probabilities:
        if p < 0.0:
            return False
        total += p
    return abs(total - 1.0) <= OFF


@inlined
def _mix(weights: Floats, answers: Floats) -> None:
    for a in range(answers.shape[1]):
        total = 0.0
        for m in range(len(weights)):
            total += weights[m] * answers[1 + m, a]
        answers[0, a] = total


@inlined
def _judge(
    y: float,
    k: int,
    judged: Floats,
    losses: Floats,
    key: MixMemory,
    stream: MixStream,
    rate: float,
    classes: bool,
    enabled: bool,
    mixed: int,
) -> None:
    """The losses of the judged answers; then the weights learn from them."""
    if classes:
        for j in range(len(judged)):
            losses[j] = -np.log(_likelihood(y, judged[j]))
    else:
        for j in range(len(judged)):
            losses[j] = abs(y - judged[j, 0])
        key.heft[k] = FADE * key.heft[k] + 1.0
        key.spread[k] += (losses[0] * np.sqrt(losses[0]) - key.spread[k]) / key.heft[k]
    if enabled:
        _learn(y, key.spread[k], judged, losses, key.weights[k], rate, classes)
        _remember(key.weights[k], stream.usual, stream.service, 0)
        _remember(key.weights[k], key.usual[k], key.service, k)
        _share(key.weights[k], key.usual[k], mixed)


@inlined
def _likelihood(y: float, probabilities: Floats) -> float:
    return float(min(max(probabilities[np.int64(y)], TINY), 1.0 - TINY))


@inlined
def _learn(
    y: float, spread: float, judged: Floats, losses: Floats, weights: Floats, rate: float, classes: bool
) -> None:
    """Equation (1)."""
    total, bound = 0.0, BOUND * spread
    for m in range(len(weights)):
        if classes:
            weights[m] *= _likelihood(y, judged[1 + m])
        else:
            loss = losses[1 + m] * np.sqrt(losses[1 + m])
            weights[m] *= np.exp(-rate * (loss / spread if loss < bound else BOUND))
        total += weights[m]
    share = 1.0 / total
    for m in range(len(weights)):
        weights[m] *= share


@inlined
def _remember(weights: Floats, usual: Floats, service: Floats, k: int) -> None:
    """Equation (2)."""
    service[k] = MEMORY * service[k] + 1.0
    share = 1.0 / service[k]
    for m in range(len(weights)):
        usual[m] += share * (weights[m] - usual[m])


@inlined
def _share(weights: Floats, usual: Floats, mixed: int) -> None:
    """Equation (3)."""
    even = 1.0 / mixed
    for m in range(mixed):
        weights[m] += SHARE * (usual[m] + FLOOR * (even - usual[m]) - weights[m])
