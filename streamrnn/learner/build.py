"""A learner's parts from the configuration."""

from typing import Literal, Protocol

from streamrnn import features as f
from streamrnn.arrays import State
from streamrnn.config import models as m
from streamrnn.core import Network, Schedule, Window
from streamrnn.mixing import Mixture

LOOK_EVERY = 2000
"""Labelled events between two looks of a growing window, unless the configuration says otherwise."""


class Stateful(Protocol):
    """A part whose state is a few named arrays."""

    def state(self) -> State: ...

    def load(self, state: State, /) -> None: ...


class PerKey(Protocol):
    """A part that holds a row for each key."""

    @property
    def bytes_per_key(self) -> int: ...

    def reserve(self, slots: int, /) -> None: ...


def target(task: m.Task) -> f.Target:
    match task:
        case m.Forecast():
            return f.Target(task.forecast, "number", task.horizon, task.season, task.reference)
        case m.Regression():
            return f.Target(task.regression, "number", 0, task.season, task.reference)
        case m.Binary():
            return f.Target(task.binary, "binary")


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


def networks(config: m.Config, inputs: int) -> list[Network]:
    return [network(part, config.task, inputs) for part in config.networks]


def network(part: m.Network, task: m.Task, inputs: int) -> Network:
    rate = part.learning_rate
    return Network(
        name=part.name,
        cell=part.cell,
        inputs=inputs,
        hidden=part.hidden,
        loss="logistic" if isinstance(task, m.Binary) else task.loss,
        horizon=target(task).horizon,
        window=window(part.window, None if isinstance(task, m.Binary) else task.season),
        stride=part.stride,
        optimiser=part.optimiser,
        schedule=Schedule(rate.rate, rate.warmup, rate.decay, rate.floor),
        clip=part.clip,
        dtype=part.dtype,
        seed=part.seed,
    )


def window(part: int | m.GrowingWindow, season: int | None) -> Window:
    if isinstance(part, int):
        return Window.fixed(part)
    first, last = part.grow
    return Window(first, last, part.by, part.every or LOOK_EVERY, season)


def mixture(config: m.Config) -> Mixture:
    goal = target(config.task)
    kind: Literal["number", "binary"] = goal.kind
    return Mixture(
        kind=kind,
        networks=[part.name for part in config.networks],
        horizon=goal.horizon,
        season=goal.season,
        enabled=config.mix.enabled,
    )
