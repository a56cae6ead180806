"""The slow, obvious twin of the torch engine: lists per key, one tensor per parameter, no rings."""

from typing import NamedTuple

import numpy as np
import torch

from streamrnn.arrays import Steps

INPUTS = 3


class Stream(NamedTuple):
    """The arguments of `advance`."""

    steps: Steps
    x: np.ndarray
    target: np.ndarray
    unit: np.ndarray

    def between(self, begin: int, end: int) -> "Stream":
        steps = Steps(*(column[begin:end] for column in self.steps))
        return Stream(steps, *(array[begin:end] for array in self[1:]))


def stream(
    events: int, *, keys: int = 3, horizon: int = 0, pooled: bool = False, targets: int = 1, seed: int = 0
) -> Stream:
    """Keys at random, slots begun anew now and then, labels and single fields of them missing.

    Pooled: most steps wait in a row of a pool; their labels come in any order, some in events of their own.
    """
    random = np.random.default_rng(seed)
    slots = random.integers(keys, size=events).astype(np.int32)
    fresh = random.random(events) < 0.02
    moves, back = np.ones(events, np.bool_), np.full(events, -1, np.int32)
    keep, judge = np.full(events, -1, np.int32), np.full(events, -1, np.int32)
    steps: dict[int, int] = {}
    free, waiting = list(range(8)), []
    for e, slot in enumerate(slots.tolist()):
        if slot not in steps or fresh[e]:
            fresh[e], steps[slot] = True, 0
        if pooled:
            if waiting and random.random() < 0.6:
                judge[e] = waiting.pop(int(random.integers(len(waiting))))
                free.append(int(judge[e]))
                moves[e] = random.random() < 0.5
            if moves[e] and free and random.random() < 0.9:
                keep[e] = free.pop(0)
                waiting.append(int(keep[e]))
        elif random.random() < 0.8 and steps[slot] >= horizon:
            back[e] = horizon
        steps[slot] += bool(moves[e])
    target = random.normal(size=(events, targets))
    target[(back < 0) & (judge < 0)] = np.nan
    if targets > 1:
        target[random.random(events) < 0.3, 0] = np.nan
    columns = Steps(slots, fresh, moves, back, keep, judge)
    return Stream(columns, random.normal(size=(events, INPUTS)), target, random.uniform(0.5, 2, target.shape))


class Twin:
    """BPTT(k; s) by its definition. A window is (entry state, inputs, {row: target})."""

    def __init__(self, module, optimiser, loss, *, window, stride=1, horizon=0, pooled=False, clip=1.0):
        self.module, self.optimiser, self.loss = module.double(), optimiser, loss
        self.k, self.s, self.horizon, self.pooled, self.clip = window, stride, horizon, pooled, clip
        self.keys: dict[int, dict] = {}
        self.pool: dict[int, tuple] = {}

    def advance(self, stream: Stream) -> np.ndarray:
        """The outputs of the events, a row of NaN where there is no step."""
        rows = zip(*stream.steps, torch.tensor(stream.x), torch.tensor(stream.target), strict=True)
        outputs = stream.target.shape[1]
        return np.array([self._event(*row) or [np.nan] * outputs for row in rows])

    def _event(self, slot, fresh, moves, back, keep, judge, x, target):
        if fresh:
            self.keys[slot] = {
                "x": [],
                "entry": [],
                "state": self._of_one(self.module.initial_state(1)),
                "due": {},
            }
        key, output = self.keys[slot], None
        if self.pooled and judge >= 0:
            entry, inputs = self.pool.pop(judge)
            self._learn(entry, inputs, {len(inputs) - 1: target})
        if moves and self.horizon == 0:
            output = self._step(key, x)
        judged = len(key["x"]) - max(self.horizon, 1)
        if back >= 0:
            key["due"][judged] = target
        if key["due"] and (len(key["due"]) >= self.s or min(key["due"]) <= judged - self.k + 1):
            first = max(0, judged + 1 - self.k)
            labels = {step - first: label for step, label in key["due"].items()}
            self._learn(key["entry"][first], key["x"][first : judged + 1], labels)
            key["due"] = {}
        if moves and self.horizon > 0:
            output = self._step(key, x)
        if keep >= 0:
            self.pool[keep] = key["entry"][-self.k :][0], key["x"][-self.k :]
        return output

    def _of_one(self, state):
        state = state if isinstance(state, tuple) else (state,)
        return tuple(part.double() if part.is_floating_point() else part for part in state)

    def _run(self, state, inputs):
        outputs = []
        for x in inputs:
            output, state = self.module(x[None], state if len(state) > 1 else state[0])
            state = self._of_one(state)
            outputs.append(output[0])
        return outputs, state

    def _step(self, key, x):
        key["x"].append(x)
        key["entry"].append(key["state"])
        with torch.no_grad():
            outputs, key["state"] = self._run(key["state"], [x])
        return outputs[0].tolist()

    def _learn(self, entry, inputs, labels):
        outputs, _ = self._run(entry, inputs)
        self.optimiser.zero_grad()
        (sum(self.loss(outputs[row], label) for row, label in labels.items()) / len(labels)).backward()
        grads = [p.grad for p in self.module.parameters() if p.grad is not None]
        norm = float(torch.cat([grad.flatten() for grad in grads]).norm())
        for grad in grads:
            grad *= min(1.0, self.clip / norm)
        self.optimiser.step()
