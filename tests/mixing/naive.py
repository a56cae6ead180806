"""The mixture once more, slow and obvious: whole histories in lists, no rings, one event at a time."""

from itertools import pairwise

import numpy as np

from streamrnn.mixing.correction import BOUND as MOST
from streamrnn.mixing.correction import CUT, KEPT, RIDGE, WARM
from streamrnn.mixing.correction import SHARE as RETURNED
from streamrnn.mixing.mix import BOUND, FADE, FLOOR, LEAN, MEMORY, RATE, SHARE


class Key:
    """Everything that was ever said of one key."""

    def __init__(self, usual, service):
        self.labels = []  # in the order in which they came
        self.series = []  # of each step its label, or the last one that had come, or None
        self.deviations = []
        self.context = ()  # the last tokens, unless an unknown one came after them
        self.started = None  # the step of the first label
        self.own = []  # |error|^(3/2) of the mix
        self.squares = []  # of the mix's errors
        self.regressed = []  # differences of the members from the mix and its error, each in units of that
        self.trust = 0.5
        self.weights = usual.copy()
        self.past = [(usual, service)]  # weights so far, and how many events each stands for


def faded(past):
    return [count * MEMORY**age for age, (_, count) in enumerate(reversed(past))][::-1]


def served(past):
    return sum(faded(past))


def usually(past):
    return np.average([w for w, _ in past], axis=0, weights=faded(past)) if len(past) > 1 else past[0][0]


def recent(values):
    return np.average(values, weights=FADE ** np.arange(len(values))[::-1])


class NaiveMixture:
    def __init__(self, *, kind, networks, horizon=0, season=None, enabled=True, classes=0):
        self.networks, self.horizon, self.season, self.classes = networks, horizon, season, classes
        self.enabled, self.tokens = enabled, kind == "tokens"
        self.rate = RATE / np.sqrt(max(horizon, 1))
        baselines = 2 if season is None else 4
        self.size = networks + baselines
        self.past = [(np.full(self.size, 1 / self.size) if enabled else np.eye(self.size)[0], 0.0)]
        self.keys = {}
        self.waiting = {}
        self.labels = []  # of the whole stream
        self.pairs = []  # of the whole stream: did the label repeat the key's previous one?
        self.contexts = []  # of the whole stream: tokens, each with those before it in its key

    def score(self, stream):
        rows = [self.event(*row) for row in zip(*stream.steps, stream.label, stream.answers, strict=True)]
        return [np.array(column) for column in zip(*rows, strict=True)]

    def event(self, slot, fresh, moves, back, keep, judge, y, said):
        """Answers (1 + M, …), those judged, their losses, the weights."""
        if fresh:
            self.keys[slot] = Key(usually(self.past), min(served(self.past), LEAN))
        key = self.keys[slot]
        judged = answers = np.full((1 + self.size, *said.shape[1:]), np.nan)
        losses, weights = np.full(1 + self.size, np.nan), np.full(self.size, np.nan)
        if judge >= 0 and not np.isnan(y):
            judged, losses = self.judge(key, y, *self.waiting[judge])
        if self.horizon > 0 or judge >= 0:
            self.learn(key, y, own=self.horizon > 0)
        if moves:
            members = np.array(self.members(key, said))
            weights = key.weights.copy()
            mixed = np.tensordot(weights, members, 1)
            corrected = mixed if self.classes else self.corrected(key, mixed, members)
            published = key.trust * mixed + (1 - key.trust) * corrected if self.enabled else mixed
            answers = np.array([published, *members])
            if keep >= 0:
                self.waiting[keep] = answers, mixed, corrected
            if self.horizon == 0:
                self.learn(key, y if back == 0 else np.nan, own=True)
        if back == 0 and not np.isnan(y):
            judged, losses = self.judge(key, y, answers, mixed, corrected)
        return answers, judged, losses, weights

    def learn(self, key, y, own):
        """`own`: it is the label of the key's present step."""
        step = len(key.series)
        if np.isnan(y):
            key.context = ()
        else:
            self.contexts.append((key.context, int(y)))
            key.context = (*key.context, int(y))[-2:]
            if key.labels:
                self.pairs.append(key.labels[-1] == y)
            key.started = step if key.started is None else key.started
            self.labels.append(y)
            key.labels.append(y)
        if own:
            key.series.append(key.labels[-1] if key.labels else None)
            key.deviations.append(None if np.isnan(y) else self.deviation(key, step))

    def deviation(self, key, step):
        season = self.season
        return (
            None
            if season is None or step - season < key.started
            else key.series[step] - key.series[step - season]
        )

    def members(self, key, said):
        if self.classes:
            usable = [np.isfinite(p).all() and p.min() >= 0 and abs(p.sum() - 1) <= 1e-6 for p in said]
            spare = np.full(self.classes, 1 / self.classes)
            baselines = self.after(key.context) if self.tokens else self.frequencies(key)
        else:
            usable, baselines = np.isfinite(said), self.numbers(key)
            spare = baselines[0]
        return [p if fine else spare for p, fine in zip(said, usable, strict=True)] + baselines

    def numbers(self, key):
        last = key.labels[-1] if key.labels else (np.mean(self.labels) if self.labels else 0.0)
        mean = np.mean(key.labels) if key.labels else last
        if self.season is None:
            return [last, mean]
        now = len(key.series) - 1 if self.horizon else len(key.series)
        before = now + self.horizon - self.season
        if not key.labels or before < key.started:
            return [last, mean, last, last]
        ahead = max(self.horizon, 1)
        pairs = [
            (key.deviations[t - ahead] or 0.0, key.deviations[t])
            for t in range(ahead, len(key.series))
            if key.deviations[t] is not None
        ]
        started = sum(a * a for a, _ in pairs)
        part = np.clip(sum(a * b for a, b in pairs) / started, 0, 1) if started > 0 else 0.0
        latest = key.deviations[-1] or 0.0
        return [last, mean, key.series[before], key.series[before] + part * latest]

    def frequencies(self, key):
        each = np.arange(self.classes)
        counts = np.array([np.sum(np.array(key.labels) == c) for c in each])
        rates = (np.array([np.sum(np.array(self.labels) == c) for c in each]) + 1 / self.classes) / (
            len(self.labels) + 1
        )
        majority = (counts + 2 * rates) / (len(key.labels) + 2)
        if not key.labels:
            return [majority, majority]
        repeats = [a == b for a, b in pairwise(key.labels)]
        repeat = (sum(repeats) + 2 * (sum(self.pairs) + 0.5) / (len(self.pairs) + 1)) / (len(repeats) + 2)
        same = each == key.labels[-1]
        return [np.where(same, repeat, (1 - repeat) * majority / majority[~same].sum()), majority]

    def after(self, context):
        """Order 0 and order 2 by PPM's method D, interpolated."""
        orders = [np.full(self.classes, 1 / self.classes)]
        for length in range(len(context) + 1):
            end = context[len(context) - length :]
            came = [
                y
                for before, y in self.contexts
                if before[len(before) - length :] == end and len(before) >= length
            ]
            counts = np.bincount(came, minlength=self.classes)
            if came:
                left = np.maximum(counts - 0.5, 0) + 0.5 * np.count_nonzero(counts) * orders[-1]
                orders.append(left / len(came))
            else:
                orders.append(orders[-1])
        return [orders[1], orders[-1]]

    def corrected(self, key, mixed, members):
        if not key.regressed:
            return mixed
        unit = np.sqrt(recent(key.squares))
        differences, errors = (np.array(column) for column in zip(*key.regressed, strict=True))
        weight = KEPT ** np.arange(len(errors))[::-1]
        inner = differences.T @ (weight[:, None] * differences) + RIDGE * np.eye(self.size)
        theta = np.linalg.solve(inner, differences.T @ (weight * errors))
        return mixed + theta @ np.clip(members - mixed, -CUT * unit, CUT * unit)

    def judge_correction(self, key, y, judged, mixed, corrected):
        key.squares.append((y - mixed) ** 2)
        unit = np.sqrt(recent(key.squares))
        plain, other = (min((abs(y - said) / unit) ** 1.5, MOST) for said in (mixed, corrected))
        trust = key.trust / (key.trust + (1 - key.trust) * np.exp(self.rate * (plain - other)))
        key.trust = (1 - RETURNED) * trust + RETURNED / 2
        if (FADE ** np.arange(len(key.squares))).sum() > WARM:
            differences = np.clip((judged[1:] - mixed) / unit, -CUT, CUT)
            key.regressed.append((differences, np.clip((y - mixed) / unit, -CUT, CUT)))

    def judge(self, key, y, judged, mixed, corrected):
        """What was judged, and its losses."""
        if self.classes:
            losses = -np.log(np.clip(judged[:, int(y)], 1e-15, 1 - 1e-15))
            scaled = losses[1:]
        else:
            losses = np.abs(y - np.array([mixed, *judged[1:]]))
            key.own.append(losses[0] ** 1.5)
            scaled = self.rate * np.minimum(losses[1:] ** 1.5 / recent(key.own), BOUND)
        if self.enabled:
            w = key.weights * np.exp(-scaled)
            w /= w.sum()
            self.past.append((w, 1.0))
            key.past.append((w, 1.0))
            key.weights = (1 - SHARE) * w + SHARE * ((1 - FLOOR) * usually(key.past) + FLOOR / self.size)
            if not self.classes:
                self.judge_correction(key, y, judged, mixed, corrected)
                losses[0] = abs(y - judged[0])
        return judged, losses
