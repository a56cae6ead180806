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

For classes L is the log loss and η = 1, so that (1) is Bayes' rule. For numbers L is the squared error
over the mix's own recent mean squared error in that key, at most BOUND; with η = 1/2 this is Bayes' rule
for independent errors that are normal with that variance. The errors of forecasts h ahead overlap and
are not independent: η = 1/2 / √h.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that
a function stands in, not of one that it imports from.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numba import njit

from streamrnn.arrays import Expected, State, nested, shapes, within
from streamrnn.mixing.table import Array, Floats, Ints, Table, copies, overwrite

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
"""Greatest loss of a number, in units of the mix's own mean squared error."""
FADE = 0.5 ** (1 / 20)
"""Keeps the mean squared error recent: half its weight lies in the key's last 20 judged events."""
TINY = 1e-15
"""Least probability in a logarithm (river's)."""
REACH = 1e100
"""Greatest number that a member may predict: its square must be a number too."""


class MixMemory(NamedTuple):
    """What the mix holds of each key."""

    steps: Ints
    """Events since the key was fresh."""
    weights: Floats
    """(slots, M): w"""
    usual: Floats
    """(slots, M): u"""
    service: Floats
    """How many events u weighs."""
    spread: Floats
    """Recent mean squared error of the mix."""
    heft: Floats
    """How many events that mean weighs."""
    pending: Floats
    """(slots, h, 1 + M): the answers to the last h events, that of step t in row t mod h."""


class MixStream(NamedTuple):
    """What the mix holds once."""

    usual: Floats
    """(M,): u over all keys."""
    service: Floats
    """(1,): how many events it weighs."""
    replaced: Ints
    """(N,): predictions of each network that were no usable number."""


class Mix:
    """Mixes M members, the first N of them networks, into one answer per event."""

    def __init__(self, *, binary: bool, networks: int, members: int, horizon: int, enabled: bool) -> None:
        if not enabled and networks == 0:
            raise ValueError("without a mix there must be a network to publish")
        self._binary = binary
        self._rate = RATE / max(horizon, 1) ** 0.5
        self._enabled = enabled
        self._table = Table(
            MixMemory,
            steps=(np.int64, ()),
            weights=(np.float64, (members,)),
            usual=(np.float64, (members,)),
            service=(np.float64, ()),
            spread=(np.float64, ()),
            heft=(np.float64, ()),
            pending=(np.float64, (horizon, 1 + members)),
        )
        start = np.full(members, 1 / members) if enabled else np.eye(members)[0]
        self.stream = MixStream(start, np.zeros(1), np.zeros(networks, np.int64))

    @property
    def bytes_per_key(self) -> int:
        return self._table.bytes_per_key

    def reserve(self, slots: int) -> None:
        self._table.reserve(slots)

    def weights(self, slot: int) -> Floats:
        """(M,): the weights of that key now."""
        weights: Floats = self._table.arrays.weights[: self._table.used][slot]
        return weights.copy()

    def answer(
        self,
        slots: Array,
        fresh: Array,
        back: Array,
        label: Floats,
        members: Floats,
        answers: Floats,
        judged: Floats,
        losses: Floats,
        weights: Floats,
    ) -> None:
        """Write `answers`, `judged`, `losses` (n, 1 + M; column 0 is the mix) and `weights` (n, M).

        A network's prediction that is no usable number is replaced, in `members` (n, M) too, by the first
        baseline's, or one half for classes. `judged` and `losses` are NaN where `back` is −1.
        """
        _answer(
            slots,
            fresh,
            back,
            label,
            members,
            answers,
            judged,
            losses,
            weights,
            self._table.arrays,
            self.stream,
            self._rate,
            self._binary,
            self._enabled,
        )

    def state(self) -> State:
        return self._table.state() | nested("stream", copies(self.stream._asdict()))

    def expected(self, keys: int) -> Expected:
        return {**self._table.expected(keys), **nested("stream", shapes(self.stream._asdict()))}

    def load(self, state: Mapping[str, Array]) -> None:
        self._table.load(state)
        overwrite(self.stream._asdict(), within("stream", state))


@njit(cache=True, error_model="numpy")
def _answer(
    slots: Array,
    fresh: Array,
    back: Array,
    label: Floats,
    members: Floats,
    answers: Floats,
    judged: Floats,
    losses: Floats,
    weights: Floats,
    key: MixMemory,
    stream: MixStream,
    rate: float,
    binary: bool,
    enabled: bool,
) -> None:
    horizon = key.pending.shape[1]
    for i in range(len(slots)):
        k = slots[i]
        if fresh[i]:
            key.steps[k] = 0
            key.weights[k, :] = stream.usual
            key.usual[k, :] = stream.usual
            key.service[k] = min(stream.service[0], LEAN)
            key.spread[k] = key.heft[k] = 0.0
            key.pending[k, :, :] = 0.0
        t = key.steps[k]
        judged[i, :] = np.nan
        losses[i, :] = np.nan
        if horizon > 0 and back[i] > 0:
            judged[i, :] = key.pending[k, (t - back[i]) % horizon]
            _judge(label[i], k, judged[i], losses[i], key, stream, rate, binary, enabled)
        _replace(members[i], stream.replaced, binary)
        _mix(key.weights[k], members[i], answers[i])
        weights[i, :] = key.weights[k]
        if horizon > 0:
            key.pending[k, t % horizon] = answers[i]
        elif back[i] == 0:
            judged[i, :] = answers[i]
            _judge(label[i], k, judged[i], losses[i], key, stream, rate, binary, enabled)
        key.steps[k] = t + 1


@njit(cache=True, error_model="numpy")
def _replace(members: Floats, replaced: Ints, binary: bool) -> None:
    networks = len(replaced)
    for m in range(networks):
        usable = 0.0 <= members[m] <= 1.0 if binary else abs(members[m]) <= REACH
        if not usable:
            members[m] = 0.5 if binary else members[networks]
            replaced[m] += 1


@njit(cache=True, error_model="numpy")
def _mix(weights: Floats, members: Floats, answers: Floats) -> None:
    mixed = 0.0
    for m in range(len(members)):
        mixed += weights[m] * members[m]
        answers[1 + m] = members[m]
    answers[0] = mixed


@njit(cache=True, error_model="numpy")
def _judge(
    y: float,
    k: int,
    judged: Floats,
    losses: Floats,
    key: MixMemory,
    stream: MixStream,
    rate: float,
    binary: bool,
    enabled: bool,
) -> None:
    """The losses of the judged answers; then the weights learn from them."""
    if binary:
        for j in range(len(judged)):
            losses[j] = -np.log(_likelihood(y, judged[j]))
    else:
        for j in range(len(judged)):
            losses[j] = abs(y - judged[j])
        key.heft[k] = FADE * key.heft[k] + 1.0
        key.spread[k] += (losses[0] * losses[0] - key.spread[k]) / key.heft[k]
    if enabled:
        _learn(y, key.spread[k], judged, losses, key.weights[k], rate, binary)
        _remember(key.weights[k], stream.usual, stream.service, 0)
        _remember(key.weights[k], key.usual[k], key.service, k)
        _share(key.weights[k], key.usual[k])


@njit(cache=True, error_model="numpy")
def _likelihood(y: float, p: float) -> float:
    p = min(max(p, TINY), 1.0 - TINY)
    return p if y == 1.0 else 1.0 - p


@njit(cache=True, error_model="numpy")
def _learn(
    y: float, spread: float, judged: Floats, losses: Floats, weights: Floats, rate: float, binary: bool
) -> None:
    """Equation (1)."""
    total = 0.0
    for m in range(len(weights)):
        if binary:
            weights[m] *= _likelihood(y, judged[1 + m])
        else:
            squared = losses[1 + m] * losses[1 + m]
            weights[m] *= np.exp(-rate * (squared / spread if squared < BOUND * spread else BOUND))
        total += weights[m]
    for m in range(len(weights)):
        weights[m] /= total


@njit(cache=True, error_model="numpy")
def _remember(weights: Floats, usual: Floats, service: Floats, k: int) -> None:
    """Equation (2)."""
    service[k] = MEMORY * service[k] + 1.0
    for m in range(len(weights)):
        usual[m] += (weights[m] - usual[m]) / service[k]


@njit(cache=True, error_model="numpy")
def _share(weights: Floats, usual: Floats) -> None:
    """Equation (3)."""
    even = 1.0 / len(weights)
    for m in range(len(weights)):
        weights[m] += SHARE * (usual[m] + FLOOR * (even - usual[m]) - weights[m])
