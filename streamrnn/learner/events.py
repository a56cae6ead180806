"""The passes over a block of events, each of which is one step of its key."""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np

from streamrnn.arrays import Steps
from streamrnn.config.models import Config
from streamrnn.features import Block, Classes, Inputs, Target
from streamrnn.learner import answers as a
from streamrnn.learner import build
from streamrnn.learner.build import PerKey, Stateful
from streamrnn.learner.forms import Answers, Binary, Class, Floats, Form, Ints, Number, Numbers
from streamrnn.learner.observers import Observers
from streamrnn.learner.outputs import Encoder
from streamrnn.learner.passes import Passes
from streamrnn.learner.prepass import Flags
from streamrnn.mixing import Intervals, Quantiles, Scored, Surprise
from streamrnn.types import Partition


class Events(Passes):
    """Features, networks, mix, and what is told beside the prediction."""

    def __init__(self, config: Config, lineage: str) -> None:
        goal = build.target(config.task)
        self._goal = goal
        self.classes = Classes(goal.classes, goal.bound) if goal.kind == "classes" else None
        self.features = build.features(config)
        super().__init__(config, build.course(config.task), self.features.inputs)
        self._loss, self._levels = build.loss(config.task)
        level = build.interval(config.task)
        self.intervals = [] if level is None else [Intervals(level) for _ in goal.labels]
        self.quantiles = [Quantiles(self._levels) for _ in goal.labels] if self._levels else []
        self.surprise = Surprise("number" if self.classes is None else "classes", len(goal.labels))
        self.observers = Observers(config.observers, goal)
        self._encoder = Encoder(
            lineage,
            _form(goal, self.classes, self.mixtures.members),
            goal.labels,
            self._levels,
            keyed=config.key is not None,
            timed=config.time is not None,
            by_id=goal.by_id,
            with_members=config.predictions.members,
        )

    def parts(self) -> dict[str, Stateful]:
        classes: dict[str, Stateful] = {} if self.classes is None else {"classes": self.classes}
        intervals = {f"intervals/{i}": part for i, part in enumerate(self.intervals)}
        quantiles = {f"quantiles/{i}": part for i, part in enumerate(self.quantiles)}
        told: dict[str, Stateful] = {
            **intervals,
            **quantiles,
            "surprise": self.surprise,
            "observers": self.observers,
        }
        return {**super().parts(), "features": self.features, **classes, **told}

    def per_key(self) -> list[PerKey]:
        return [self.features, *super().per_key(), *self.intervals, *self.quantiles, self.surprise]

    def rows_of_keys(self) -> list[str]:
        return ["features/keys/steps", *super().rows_of_keys()]

    def counts(self) -> dict[str, int]:
        labels = self.course.counts()
        return labels if self.classes is None else {**labels, "labels_beyond": self.classes.beyond}

    def figures(self) -> dict[str, dict[str, Any]]:
        labels = list(self.mixtures.by_field)
        several = len(labels) > 1
        return {
            "confusion": self._confusion(),
            "fields": {name: m.quality() for name, m in self.mixtures.by_field.items()} if several else {},
            "intervals": {name: part.quality() for name, part in zip(labels, self.intervals, strict=False)},
            "observers": self.observers.figures(),
            "quantiles": {name: part.quality() for name, part in zip(labels, self.quantiles, strict=False)},
        }

    def _confusion(self) -> dict[str, Any]:
        """How often the mix took one class for another; empty for numbers and for more than 64 classes."""
        (counts, *_) = [mixture.confusion() for mixture in self.mixtures.by_field.values()]
        if self.classes is None or not counts:
            return {}
        names = ["0", "1"] if self._goal.binary else list(self.classes.names)
        return {"classes": names, "counts": counts["mix"][: len(names), : len(names)].tolist()}

    # --- the event's path -------------------------------------------------------------------------

    def publish(self, block: Block, offsets: Sequence[int], partition: Partition, first: int) -> list[bytes]:
        return self._encoder.values(block, self.answer(block), offsets, partition, first)

    def answer(self, block: Block) -> Answers:
        steps = self.course.resolve(block, self.keys, self._brought(block))
        label, seen = self._label(block, steps)
        if self.classes is not None:
            steps = _of_placed(steps, label[0])
        if steps.fresh.any():
            self.reserve()
        inputs = self.features.featurise(block, steps, label)
        outs = [network.advance(steps, inputs.x, inputs.target, inputs.unit) for network in self.networks]
        scored = self.mixtures.score(steps, label, self._answers(outs, inputs))
        self.labelled += int(np.count_nonzero((steps.back >= 0) | (steps.judge >= 0)))
        if self.observers:
            self._show(label[0], seen, scored[0])
        return Answers(
            label,
            steps.moves,
            scored,
            seen,
            bounds=[
                part.answer(steps, label[field], scored[field].published)[:2]
                for field, part in enumerate(self.intervals)
            ],
            quantiles=self._quantiles(steps, label, outs, inputs, scored) if self.quantiles else None,
            surprise=self.surprise.score(steps, np.array([each.losses[:, 0] for each in scored]).T),
        )

    def _show(self, label: Floats, seen: Ints, scored: Scored) -> None:
        """What the block's labels have judged, to those who look on."""
        rows = np.flatnonzero(scored.judged)
        labels: list[Any] = label[rows].tolist()
        published: list[Any] = scored.judged_published[rows].tolist()
        if self.classes is not None:
            names = [False, True] if self._goal.binary else self.classes.names
            labels = [names[int(index)] for index in labels]
            counts = [2] * len(rows) if self._goal.binary else seen[rows].tolist()
            each = zip(published, counts, strict=True)
            published = [dict(zip(names[:known], chances, strict=False)) for chances, known in each]
        self.observers.look(labels, published, scored.losses[rows, 0].tolist())

    def _quantiles(
        self, steps: Steps, label: Floats, outs: list[Floats], inputs: Inputs, scored: list[Scored]
    ) -> Floats:
        """(n, w, q)"""
        each = a.quantiles(outs, inputs, len(self._levels))
        published = [
            part.answer(steps, label[field], each[:, :, field], scored[field].weights[:, : len(outs)])
            for field, part in enumerate(self.quantiles)
        ]
        return np.stack(published, axis=1)

    def _brought(self, block: Block) -> Flags:
        """(n,): the record brings a label."""
        if self.classes is None:
            return np.asarray(np.isfinite(block.label).any(axis=0))
        return np.array([label is not None for label in block.classes], np.bool_)

    def _label(self, block: Block, steps: Steps) -> tuple[Floats, Ints]:
        """(w, n) numbers, or (1, n) indices of classes, NaN: not known; and (n,) classes seen before each.

        A label by id that found no event names no class.
        """
        if self.classes is None:
            return block.label, np.zeros(len(block), np.int64)
        before = len(self.classes.names)
        lost = (steps.judge < 0).tolist() if self._goal.by_id else repeat(False)
        label = self.classes.resolve([None if no else c for c, no in zip(block.classes, lost, strict=False)])
        seen = np.fmax.accumulate(np.concatenate([[before], label + 1.0]))  # indices are given as they come
        return label[np.newaxis], seen[:-1].astype(np.int64)

    def _answers(self, outs: list[Floats], inputs: Inputs) -> Floats:
        """(n, N, w) numbers or (n, N, C) probabilities."""
        match self._loss:
            case "logistic":
                return a.two_classes(outs)
            case "softmax":
                return a.classes(outs)
            case "poisson":
                return a.counts(outs, inputs)
            case "quantile":
                return a.quantiles(outs, inputs, len(self._levels))[..., self._middle]
            case _:
                return a.numbers(outs, inputs)

    @property
    def _middle(self) -> int:
        """The level that is the prediction."""
        return int(np.argmin(np.abs(np.array(self._levels) - 0.5)))

    def warm_up(self) -> None:
        self.features.warm_up()
        for network in self.networks:
            network.warm_up()
        self.mixtures.warm_up()
        fields = np.empty((0, self.mixtures.width))
        none = Inputs(np.empty((0, self.features.inputs)), fields, fields, fields, fields)
        self._answers([np.empty((0, network.outputs)) for network in self.networks], none)
        for intervals in self.intervals[:1]:
            intervals.warm_up()
        for quantiles in self.quantiles[:1]:
            quantiles.warm_up()
        self.surprise.warm_up()


def _of_placed(steps: Steps, label: Floats) -> Steps:
    """A label whose class found no place judges nothing."""
    none, back, judge = np.isnan(label), steps.back, steps.judge
    return steps._replace(back=np.where(none, np.int32(-1), back), judge=np.where(none, np.int32(-1), judge))


def _form(goal: Target, classes: Classes | None, members: Sequence[str]) -> Form:
    if classes is not None:
        return Binary(members) if goal.binary else Class(classes, members)
    return Number(members) if len(goal.labels) == 1 else Numbers(goal.labels, members)
