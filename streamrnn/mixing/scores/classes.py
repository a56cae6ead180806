"""Scores of classes.

The compiled functions of this file call only each other: numba's cache notices an edit of the file that
a function stands in, not of one that it imports from.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.compiled import inlined, loop
from streamrnn.mixing.scores.base import Quality, ratio, ratios
from streamrnn.mixing.table import Array, Floats, Ints, Memory, Table

RECENT = 0.5 ** (1 / 1000)
"""Of the recent error, per judged event: half its weight lies in the last 1000."""
THRESHOLDS = 100
"""Points of the ROC curve, evenly over [0, 1] (river's `n_thresholds`)."""
MOST_CONFUSED = 64
"""Classes up to which the confusion matrices are kept."""


class ClassMemory(NamedTuple):
    last: Ints
    """The key's last known label; −1: none."""


class ClassWaiting(NamedTuple):
    last: Ints
    """The same at the time of the answer that waits in this row."""


class ClassSums(NamedTuple):
    seen: Ints
    """(C,): judged events with that label."""
    said: Ints
    """(1 + M, C): events for which that class was said, the likeliest one."""
    hits: Ints
    """(1 + M, C): those of them with that label."""
    confusion: Ints
    """(1 + M, C, C): events by label and class said; none beyond MOST_CONFUSED classes."""
    repeats: Ints
    """(1,): events whose label was the last known one of their key."""
    log_loss: Floats
    """(1 + M,): Σ of it."""
    above: Ints
    """(1 + M, THRESHOLDS + 1, 2): of two classes, events by the number of thresholds below the probability
    of class 1, and by label; none of more classes."""
    recent: Floats
    """(1 + M,): Σ log loss, fading."""
    heft: Floats
    """(1,): Σ 1, fading likewise."""


class ClassScores(Memory[ClassMemory, ClassWaiting, ClassSums]):
    """river's Accuracy, CrossEntropy (LogLoss), MacroF1, BalancedAccuracy, CohenKappa, of two classes ROCAUC;
    and kappa_temporal, the same with the accuracy of saying each key's last known label again in place of
    that by chance (Žliobaitė et al. 2015; a key's first label counts as missed by that rule).
    """

    error = "log_loss"

    def __init__(self, columns: int, classes: int) -> None:
        confused = classes if classes <= MOST_CONFUSED else 0
        sums = ClassSums(
            seen=np.zeros(classes, np.int64),
            said=np.zeros((columns, classes), np.int64),
            hits=np.zeros((columns, classes), np.int64),
            confusion=np.zeros((columns, confused, confused), np.int64),
            repeats=np.zeros(1, np.int64),
            log_loss=np.zeros(columns),
            above=np.zeros((columns, THRESHOLDS + 1 if classes == 2 else 0, 2), np.int64),
            recent=np.zeros(columns),
            heft=np.zeros(1),
        )
        super().__init__(
            Table(ClassMemory, {"last": (np.int64, ())}), Table(ClassWaiting, {"last": (np.int64, ())}), sums
        )
        self._thresholds = np.arange(THRESHOLDS) / (THRESHOLDS - 1)
        self._thresholds[[0, -1]] += [-1e-7, 1e-7]  # 0 lies above the first, 1 below the last

    def learn(self, steps: Steps, label: Floats, judged: Floats, losses: Floats) -> None:
        _learn(
            steps.slots,
            steps.fresh,
            steps.moves,
            steps.back,
            steps.keep,
            steps.judge,
            label,
            judged,
            losses,
            self._thresholds,
            self.keys.arrays,
            self.waiting.arrays,
            self.stream,
        )

    def quality(self, earlier: Mapping[str, Array] | None = None) -> list[Quality]:
        s = self.stream
        if earlier is not None:
            passing = {
                name: now if name in ("recent", "heft") else now - earlier[f"stream/{name}"]
                for name, now in s._asdict().items()
            }
            s = ClassSums(**passing)
        return [_quality(s, column) for column in range(len(s.log_loss))]

    def confusion(self) -> Ints | None:
        return self.stream.confusion.copy() if self.stream.confusion.shape[1] else None


def _quality(s: ClassSums, column: int) -> Quality:
    count = int(s.seen.sum())
    hits, said = s.hits[column], s.said[column]
    accuracy = ratio(hits.sum(), count)
    quality = {
        "count": count,
        "accuracy": accuracy,
        "log_loss": ratio(s.log_loss[column], count),
        "macro_f1": ratio(ratios(2 * hits, s.seen + said).sum(), np.count_nonzero(s.seen + said)),
        "balanced_accuracy": ratio(ratios(hits, s.seen).sum(), np.count_nonzero(s.seen)),
        "kappa": _beyond(accuracy, ratio(s.seen.astype(np.float64) @ said, float(count) ** 2)),
        "kappa_temporal": _beyond(accuracy, ratio(s.repeats[0], count)),
        "recent": ratio(s.recent[column], s.heft[0]),
    }
    if len(s.seen) == 2:
        quality["roc_auc"] = _area(s.above[column], s.seen)
        quality["base_rate"] = ratio(s.seen[1], count)
    return quality


def _beyond(accuracy: float, naive: float) -> float:
    """Which part of a naive rule's mistakes is avoided."""
    return ratio(accuracy - naive, 1.0 - naive)


def _area(above: Ints, seen: Ints) -> float:
    """Trapezoids under the curve through (false, true positive rate) at each threshold."""
    positive = above[::-1].cumsum(axis=0)[::-1][1:]  # (THRESHOLDS, 2): above threshold i, by label
    false, true = positive[:, 0] / max(seen[0], 1), positive[:, 1] / max(seen[1], 1)
    return float(np.sum((false[:-1] - false[1:]) * (true[:-1] + true[1:]) / 2))


@loop
def _learn(
    slots: Array,
    fresh: Array,
    moves: Array,
    back: Array,
    keep: Array,
    judge: Array,
    label: Floats,
    judged: Floats,
    losses: Floats,
    thresholds: Floats,
    key: ClassMemory,
    waiting: ClassWaiting,
    s: ClassSums,
) -> None:
    for i in range(len(slots)):
        k = slots[i]
        if fresh[i]:
            key.last[k] = -1
        if judge[i] >= 0:
            _judge(label[i], k, waiting.last[judge[i]], judged[i], losses[i], thresholds, key, s)
        if moves[i] and keep[i] >= 0:
            waiting.last[keep[i]] = key.last[k]
        if back[i] == 0:
            _judge(label[i], k, key.last[k], judged[i], losses[i], thresholds, key, s)


@inlined
def _judge(
    label: float,
    k: int,
    last: int,
    judged: Floats,
    losses: Floats,
    thresholds: Floats,
    key: ClassMemory,
    s: ClassSums,
) -> None:
    if np.isnan(losses[0]):
        return
    y = np.int64(label)
    key.last[k] = y
    s.seen[y] += 1
    s.repeats[0] += np.int64(y == last)
    s.heft[0] = RECENT * s.heft[0] + 1.0
    for j in range(len(losses)):
        said = _likeliest(judged[j])
        s.said[j, said] += 1
        s.hits[j, said] += np.int64(said == y)
        if s.confusion.shape[1] > 0:
            s.confusion[j, y, said] += 1
        if s.above.shape[1] > 0:
            s.above[j, _below(judged[j, 1], thresholds), y] += 1
        s.log_loss[j] += losses[j]
        s.recent[j] = RECENT * s.recent[j] + losses[j]


@inlined
def _likeliest(probabilities: Floats) -> int:
    """The class with the greatest probability, the first of equals."""
    best = 0
    for c in range(1, len(probabilities)):
        best = c if probabilities[c] > probabilities[best] else best
    return best


@inlined
def _below(p: float, thresholds: Floats) -> int:
    """How many thresholds lie below p in [0, 1]: a guess that rounding can put off by one, corrected."""
    last = len(thresholds) - 1
    below = int(min(int(p * last) + 1, last))
    if p <= thresholds[below - 1] and below > 1:
        return below - 1
    if p > thresholds[below] and below < last:
        return below + 1
    return below
