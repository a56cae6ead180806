"""Metrics and drift detectors of river, by name: they look on, and nothing is learned from them.

Each costs one to twenty microseconds of Python per label. One that fails ends there, with a warning, and its
figure is NaN from then on: what looks on must not stop what learns.
"""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamrnn.arrays import State, expect, from_texts, to_texts
from streamrnn.config.models import MetricObserver, Observer
from streamrnn.errors import ConfigError, SnapshotError
from streamrnn.features import Target
from streamrnn.learner import build, plain

_log = logging.getLogger(__name__)

_FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What river's code raises of values that do not suit it."""
_TRIAL = 300
"""Updates after which a fresh observer must survive being saved and read again."""


class Observers:
    """Told of every judged label in order, with what had been published for it and how wrong that was."""

    def __init__(self, wanted: Sequence[Observer], target: Target) -> None:
        """Raises ConfigError for what river does not have, what does not suit such labels, and what cannot be
        saved exactly.
        """
        self._specs = [part.model_dump_json() for part in wanted]
        self._names = [_name(part) for part in wanted]
        self._parts = [observer(f"observers.{i}", part, target) for i, part in enumerate(wanted)]
        self._drifts = [0] * len(wanted)
        self._failed = [False] * len(wanted)

    def __bool__(self) -> bool:
        return bool(self._parts)

    def look(self, labels: Sequence[Any], published: Sequence[Any], losses: Sequence[float]) -> None:
        """Of n judged labels: classes may be published as {class: probability}."""
        for i, part in enumerate(self._parts):
            if self._failed[i]:
                continue
            try:
                self._look(i, part, labels, published, losses)
            except _FAILURES as error:
                self._failed[i] = True
                _log.warning("observer %s ends here: %r", self._names[i], error)

    def _look(
        self, i: int, part: Any, labels: Sequence[Any], published: Sequence[Any], losses: Sequence[float]
    ) -> None:
        if hasattr(part, "drift_detected"):
            for loss in losses:
                part.update(loss)
                self._drifts[i] += int(part.drift_detected)
        else:
            for label, answer in zip(labels, published, strict=True):
                part.update(label, _suited(part, answer))

    def figures(self) -> dict[str, float]:
        """By name: a metric's value, or how many drifts were seen; NaN of one that failed."""
        each = zip(self._names, self._parts, self._drifts, self._failed, strict=True)
        return {name: math.nan if failed else _value(part, drifts) for name, part, drifts, failed in each}

    def state(self) -> State:
        contents = {f"{i}/content": plain.dumps(part) for i, part in enumerate(self._parts)}
        return {
            "specs": from_texts(self._specs),
            "drifts": np.array(self._drifts, np.int64),
            "failed": np.array(self._failed, np.bool_),
            **{name: np.frombuffer(content, np.uint8).copy() for name, content in contents.items()},
        }

    def load(self, state: State) -> None:
        """Those that the state does not know begin anew, those that nobody asks for any more are dropped."""
        specs = to_texts("specs", state["specs"]) if "specs" in state else []
        texts = {f"{i}/content": (np.uint8, (None,)) for i in range(len(specs))}
        flags = {"drifts": (np.int64, (len(specs),)), "failed": (np.bool_, (len(specs),))}
        expect(state, {"specs": (np.uint8, (None,)), **flags, **texts})
        for i, spec in enumerate(self._specs):
            if spec in specs:
                there = specs.index(spec)
                part = plain.loads(state[f"{there}/content"].tobytes())
                if type(part) is not type(self._parts[i]):
                    raise SnapshotError(f"array {there}/content holds a {type(part).__name__}")
                self._parts[i], self._drifts[i] = part, int(state["drifts"][there])
                self._failed[i] = bool(state["failed"][there])


def _name(part: Observer) -> str:
    return part.metric if isinstance(part, MetricObserver) else part.drift


def observer(where: str, part: Observer, target: Target) -> Any:
    """The object of river that is asked for; `where` it stands in the configuration. Raises ConfigError."""
    with build.naming(f"{where}.{'metric' if isinstance(part, MetricObserver) else 'drift'}"):
        kind = _kind(part, target)
        try:
            made, tried = kind(**part.args), kind(**part.args)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{_name(part)}: {error}") from None
        _try(tried, _name(part), target)
        return made


def _kind(part: Observer, target: Target) -> type:
    """Its class."""
    try:
        import river.drift
        import river.metrics
    except ImportError:
        raise ConfigError("needs river. Install it with: pip install 'streamrnn[river]'") from None
    family = river.metrics if isinstance(part, MetricObserver) else river.drift
    kind, suited = getattr(family, _name(part), None), _suited_kinds(target)
    if not isinstance(kind, type):
        raise ConfigError(f"{family.__name__} has no {_name(part)}")
    if isinstance(part, MetricObserver) and not issubclass(kind, suited):
        raise ConfigError(
            f"{_name(part)} does not suit this task, whose metrics are those that river calls "
            + " or ".join(each.__name__ for each in suited)
        )
    return kind


def _suited_kinds(target: Target) -> tuple[type, ...]:
    """River's families of metrics for such labels."""
    from river.metrics import base

    if target.kind != "classes":
        return (base.RegressionMetric,)
    return (base.BinaryMetric, base.MultiClassMetric) if target.binary else (base.MultiClassMetric,)


def _try(part: Any, name: str, target: Target) -> None:
    """Nothing is promised that was not seen: it must go on alike once it has been saved and read again."""
    try:
        _feed(part, target, 0)
        twin = plain.loads(plain.dumps(part))
        _feed(part, target, _TRIAL)
        _feed(twin, target, _TRIAL)
        alike = plain.dumps(part) == plain.dumps(twin)
        _value(part, 0)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    except (*_FAILURES, NotImplementedError) as error:
        raise ConfigError(f"{name} cannot take this task's labels: {error!r}") from None
    if not alike:
        raise ConfigError(f"{name} does not go on alike once it was saved; choose another")


def _feed(part: Any, target: Target, begin: int) -> None:
    """A few hundred labels of the task's kind, numbers of both signs among them if there may be."""
    names = [False, True] if target.binary else ["a", "b", "c"]
    for i in range(begin, begin + _TRIAL):
        value = (i * 2654435761 % 1000) / 1000.0
        if hasattr(part, "drift_detected"):
            part.update(value)
        elif target.kind == "classes":
            chances = dict.fromkeys(names, (1 - value) / len(names))
            chances[names[i % len(names)]] += value
            part.update(names[int(value * len(names))], _suited(part, chances))
        else:
            level = 0.0 if target.kind == "count" else -10.0
            part.update(20 * value + level, 20 * value * value + level)


def _value(part: Any, drifts: int) -> float:
    return float(drifts if hasattr(part, "drift_detected") else part.get())


def _suited(part: Any, answer: Any) -> Any:
    """The likeliest class, for a metric that compares classes."""
    if isinstance(answer, dict) and getattr(part, "requires_labels", False):
        return max(answer, key=answer.__getitem__, default=None)
    return answer
