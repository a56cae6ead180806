"""A learner's parts from the configuration."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

from streamrnn import features as f
from streamrnn.arrays import State
from streamrnn.config import models as m
from streamrnn.config.models import delayed_of, target_fields
from streamrnn.core import Boost, LeastSquares, Network, Schedule, TorchNetwork, Window
from streamrnn.core.weights import start_from
from streamrnn.errors import ConfigError
from streamrnn.learner.mixtures import Mixtures
from streamrnn.learner.prepass import Ahead, ById, Course

AnyNetwork = Network | TorchNetwork | LeastSquares
LOOK_EVERY = 2000
"""Labelled events between two looks of a growing window, unless the configuration says otherwise."""


class Stateful(Protocol):
    """A part whose state is a few named arrays."""

    def state(self) -> State: ...

    def load(self, state: State, /) -> None: ...


class PerKey(Protocol):
    """A part that holds something for each key, and for each answer that waits for its label."""

    @property
    def bytes_per_key(self) -> int: ...

    @property
    def bytes_per_row(self) -> int: ...

    def reserve(self, slots: int, rows: int, /) -> None: ...


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the path of what is at fault in front of a ConfigError."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


# --- features ---------------------------------------------------------------------------------------


def target(task: m.AnyTask) -> f.Target:
    delayed = delayed_of(task)
    late: dict[str, Any] = {} if delayed is None else {"id": delayed.id, "label_of": delayed.label_of}
    labels = target_fields(task)
    match task:
        case m.Forecast():
            return f.Target(labels, _kind_of_number(task), task.horizon, task.season, task.reference)
        case m.Regression():
            return f.Target(labels, _kind_of_number(task), 0, task.season, task.reference, **late)
        case m.Binary():
            return f.Target(labels, "classes", classes=("0", "1"), **late)
        case m.Multiclass():
            classes = tuple(f.canonical(name) for name in task.classes)
            return f.Target(labels, "classes", classes=classes, bound=0 if classes else task.bound, **late)
        case m.NextToken():
            characters = () if task.vocabulary == "bytes" else tuple(task.vocabulary)
            return f.Target(labels, "tokens", 1, classes=characters)


def _kind_of_number(task: m.Forecast | m.Regression) -> Literal["number", "count"]:
    return "count" if task.loss == "poisson" else "number"


def spec(feature: m.Feature) -> f.Spec:
    match feature:
        case m.NumberFeature():
            return f.Number(feature.number)
        case m.CategoryFeature():
            return f.Category(feature.category, feature.bound, feature.buckets)
        case m.CalendarFeature():
            return f.Calendar(feature.calendar, feature.parts, feature.zone)
        case m.ElapsedFeature():
            return f.Elapsed(feature.elapsed)
        case m.LagsFeature():
            return f.Lags(feature.lags, feature.steps)
        case m.PreviousFeature():
            return f.Previous()


def schema(config: m.Config) -> f.Schema:
    goal = target(config.task)
    fields = f.fields_of(tuple(map(spec, config.features)), goal)
    return f.Schema(
        fields,
        goal,
        key=config.key,
        time=config.time,
        zone=zone_of_bare_times(config),
        max_bytes=config.bad_records.max_bytes,
    )


def zone_of_bare_times(config: m.Config) -> str:
    """The zone of times written without an offset: that of the first calendar, or UTC."""
    return next((x.zone for x in config.features if isinstance(x, m.CalendarFeature)), "UTC")


def features(config: m.Config) -> f.Features:
    specs = tuple(map(spec, config.features))
    return f.Features(specs, target(config.task), half_life=config.scaling.half_life)


# --- labels -----------------------------------------------------------------------------------------


def course(task: m.AnyTask) -> Course:
    delayed = delayed_of(task)
    return Ahead(target(task).horizon) if delayed is None else ById(delayed.pool, delayed.ttl)


def pool(task: m.AnyTask) -> int:
    """Events that can wait for a label that comes by id; 0 where labels come otherwise."""
    delayed = delayed_of(task)
    return 0 if delayed is None else delayed.pool


# --- networks ---------------------------------------------------------------------------------------


def networks(config: m.Config, inputs: int) -> list[AnyNetwork]:
    return [network(f"networks.{i}", part, config, inputs) for i, part in enumerate(config.networks)]


def network(where: str, part: m.AnyNetwork, config: m.Config, inputs: int) -> AnyNetwork:
    """`where` it stands in the configuration."""
    goal = target(config.task)
    match part:
        case m.LeastSquares():
            settings = part.least_squares.model_dump()
            return LeastSquares(name=part.name, inputs=inputs, targets=len(goal.labels), **settings)
        case m.TorchNetwork():
            own: dict[str, Any] = {"module": part.torch, "args": part.args, "device": part.device}
            with naming(f"{where}.torch"):
                return TorchNetwork(**own, **_learning(part, config, inputs))
        case m.Network():
            own = part.model_dump(include={"cell", "hidden", "layers", "head", "activation"})
            return Network(**own, **_learning(part, config, inputs))


def _learning(part: m.Learning, config: m.Config, inputs: int) -> dict[str, Any]:
    """What both engines take."""
    goal = target(config.task)
    name, levels = loss(config.task)
    [(optimiser, settings)] = part.optimiser.model_dump().items()
    return {
        "name": part.name,
        "inputs": inputs,
        "loss": name,
        "targets": len(goal.labels),
        "classes": goal.class_count,
        "levels": levels,
        "horizon": goal.horizon,
        "pool": pool(config.task),
        "window": window(part.window, goal.season),
        "stride": part.stride,
        "optimiser": optimiser,
        "settings": settings,
        "schedule": schedule(part.learning_rate, goal.horizon),
        "boost": boost(config.on_drift),
        "clip": part.clip,
        "dtype": part.dtype,
        "seed": part.seed,
    }


def take_weights(where: str, network: AnyNetwork, part: m.AnyNetwork) -> None:
    """Begin with the weights of the file that the configuration names, if it names one."""
    if isinstance(part, m.Learning) and part.start_from and not isinstance(network, LeastSquares):
        with naming(f"{where}.start_from"):
            start_from(network, Path(part.start_from))


def loss(task: m.AnyTask) -> tuple[str, tuple[float, ...]]:
    """Its name, and the levels of quantiles."""
    match task:
        case m.Forecast() | m.Regression():
            levels = task.loss.quantile if isinstance(task.loss, m.Quantile) else ()
            return ("quantile", levels) if levels else (str(task.loss), ())
        case m.Binary():
            return "logistic", ()
        case m.Multiclass() | m.NextToken():
            return "softmax", ()


def schedule(part: m.LearningRate, horizon: int) -> Schedule:
    """Errors of forecasts h ahead overlap: √h of them say what one says, as the mix's rate assumes too."""
    settings = part.model_dump()
    return Schedule(**settings | {"rate": part.rate / max(horizon, 1) ** 0.5})


def window(part: int | m.GrowingWindow, season: int | None) -> Window:
    if isinstance(part, int):
        return Window.fixed(part)
    first, last = part.grow
    return Window(first, last, part.by, part.every or LOOK_EVERY, season)


def boost(part: m.Boost | None) -> Boost | None:
    return None if part is None else Boost(factor=part.factor, lasts=part.lasts)


# --- the mix ----------------------------------------------------------------------------------------


def mixtures(config: m.Config) -> Mixtures:
    goal = target(config.task)
    kind = "number" if goal.kind == "count" else goal.kind
    return Mixtures(
        goal.labels,
        kind=kind,
        networks=[part.name for part in config.networks],
        horizon=goal.horizon,
        season=goal.season,
        enabled=config.mix.enabled,
        baselines=config.mix.baselines,
        classes=goal.class_count,
    )


def interval(task: m.AnyTask) -> float | None:
    """Which share of labels the published interval shall cover; None: none is asked for."""
    return task.interval if isinstance(task, m.Forecast | m.Regression) else None
