"""The mixture once more, slow and obvious: whole histories in lists, no rings, one event at a time."""

from itertools import pairwise

import numpy as np

from streamrnn.mixing.mix import BOUND, FADE, FLOOR, LEAN, MEMORY, RATE, SHARE


class Key:
    """Everything that was ever said of one key."""

    def __init__(self, usual, service):
        self.labels = []
        self.deviations = []
        self.answers = []
        self.squares = []
        self.weights = usual.copy()
        self.past = [(usual, service)]  # weights so far, and how many events each stands for

    def known(self):
        return [y for y in self.labels if not np.isnan(y)]

    def filled(self, t):
        """The label of step t, or the last one before it that is known; None if there is none."""
        known = [y for y in self.labels[: t + 1] if not np.isnan(y)] if t >= 0 else []
        return known[-1] if known else None

    def deviation(self, t, season):
        if t < 0 or np.isnan(self.labels[t]) or self.filled(t - season) is None:
            return 0.0
        return self.labels[t] - self.filled(t - season)


def faded(past):
    return [count * MEMORY**age for age, (_, count) in enumerate(reversed(past))][::-1]


def served(past):
    return sum(faded(past))


def usually(past):
    return np.average([w for w, _ in past], axis=0, weights=faded(past)) if len(past) > 1 else past[0][0]


class NaiveMixture:
    def __init__(self, *, kind, networks, horizon=0, season=None, enabled=True):
        self.binary, self.networks, self.horizon, self.season = kind == "binary", networks, horizon, season
        self.enabled = enabled
        baselines = 2 if self.binary or season is None else 4
        self.size = networks + baselines
        self.past = [(np.full(self.size, 1 / self.size) if enabled else np.eye(self.size)[0], 0.0)]
        self.keys = {}
        self.labels = []  # of the whole stream
        self.pairs = []  # of the whole stream: did the label repeat the key's previous one?

    def score(self, stream):
        rows = [self.event(*row) for row in zip(*stream, strict=True)]
        return [np.array(column) for column in zip(*rows, strict=True)]

    def event(self, slot, fresh, back, y, predictions):
        if fresh:
            self.keys[slot] = Key(usually(self.past), min(served(self.past), LEAN))
        key = self.keys[slot]
        nothing = np.full(1 + self.size, np.nan)
        judged = losses = nothing
        if self.horizon > 0:
            self.learn(key, y)
            if back > 0:
                judged = key.answers[len(key.answers) - back]
                losses = self.judge(key, y, judged)
        members = self.members(key, predictions)
        weights = key.weights.copy()
        key.answers.append(np.array([weights @ members, *members]))
        answers = key.answers[-1]
        if self.horizon == 0:
            self.learn(key, y)
            if back == 0:
                judged = answers
                losses = self.judge(key, y, judged)
        return answers, judged, losses, weights

    def learn(self, key, y):
        known = key.known()
        if not np.isnan(y):
            if known:
                self.pairs.append(known[-1] == y)
            self.labels.append(y)
        key.labels.append(y)
        if self.season is not None:
            key.deviations.append(key.deviation(len(key.labels) - 1, self.season))

    def members(self, key, predictions):
        baselines = self.classes(key) if self.binary else self.numbers(key)
        spare = 0.5 if self.binary else baselines[0]
        return np.array([p if np.isfinite(p) else spare for p in predictions] + baselines)

    def numbers(self, key):
        known = key.known()
        last = known[-1] if known else (np.mean(self.labels) if self.labels else 0.0)
        mean = np.mean(known) if known else last
        if self.season is None:
            return [last, mean]
        now = len(key.labels) - 1
        ahead = max(self.horizon, 1)
        seasonal = key.filled(now + ahead - self.season)
        if seasonal is None:
            return [last, mean, last, last]
        pairs = [
            (key.deviations[t - ahead], key.deviations[t])
            for t in range(ahead, now + 1)
            if not np.isnan(key.labels[t]) and key.filled(t - self.season) is not None
        ]
        started = sum(a * a for a, _ in pairs)
        part = np.clip(sum(a * b for a, b in pairs) / started, 0, 1) if started > 0 else 0.0
        return [last, mean, seasonal, seasonal + part * key.deviations[now]]

    def classes(self, key):
        known = key.known()
        repeats = [a == b for a, b in pairwise(known)]
        rate = (sum(self.labels) + 1) / (len(self.labels) + 2)
        repeat_rate = (sum(self.pairs) + 1) / (len(self.pairs) + 2)
        majority = (sum(known) + 2 * rate) / (len(known) + 2)
        repeat = (sum(repeats) + 2 * repeat_rate) / (len(repeats) + 2)
        last_label = majority if not known else (repeat if known[-1] == 1 else 1 - repeat)
        return [last_label, majority]

    def judge(self, key, y, judged):
        if self.binary:
            clipped = np.clip(judged, 1e-15, 1 - 1e-15)
            losses = -np.log(clipped if y == 1 else 1 - clipped)
            scaled = losses[1:]
        else:
            losses = np.abs(y - judged)
            key.squares.append(losses[0] ** 2)
            fading = FADE ** np.arange(len(key.squares))[::-1]
            rate = RATE / np.sqrt(max(self.horizon, 1))
            scaled = rate * np.minimum(losses[1:] ** 2 / np.average(key.squares, weights=fading), BOUND)
        if self.enabled:
            w = key.weights * np.exp(-scaled)
            w /= w.sum()
            self.past.append((w, 1.0))
            key.past.append((w, 1.0))
            key.weights = (1 - SHARE) * w + SHARE * ((1 - FLOOR) * usually(key.past) + FLOOR / self.size)
        return losses
