"""The configuration file, as typed values: one frozen model per part, a sentence under each field."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from streamrnn.config.duration import Seconds
from streamrnn.config.ends import FileSinkChoice as FileSinkChoice
from streamrnn.config.ends import FileSourceChoice as FileSourceChoice
from streamrnn.config.ends import KafkaConnection as KafkaConnection
from streamrnn.config.ends import KafkaSink as KafkaSink
from streamrnn.config.ends import KafkaSinkChoice as KafkaSinkChoice
from streamrnn.config.ends import KafkaSource as KafkaSource
from streamrnn.config.ends import KafkaSourceChoice as KafkaSourceChoice
from streamrnn.config.ends import Sink as Sink
from streamrnn.config.ends import Source as Source
from streamrnn.config.ends import StdinSourceChoice as StdinSourceChoice
from streamrnn.config.ends import StdoutSinkChoice as StdoutSinkChoice
from streamrnn.config.features import CalendarFeature as CalendarFeature
from streamrnn.config.features import CategoryFeature as CategoryFeature
from streamrnn.config.features import ElapsedFeature as ElapsedFeature
from streamrnn.config.features import Feature as Feature
from streamrnn.config.features import LagsFeature as LagsFeature
from streamrnn.config.features import NumberFeature as NumberFeature
from streamrnn.config.features import PreviousFeature as PreviousFeature
from streamrnn.config.networks import Adam as Adam
from streamrnn.config.networks import AdamChoice as AdamChoice
from streamrnn.config.networks import AdamW as AdamW
from streamrnn.config.networks import AnyNetwork as AnyNetwork
from streamrnn.config.networks import Boost as Boost
from streamrnn.config.networks import GrowingWindow as GrowingWindow
from streamrnn.config.networks import Learning as Learning
from streamrnn.config.networks import LearningRate as LearningRate
from streamrnn.config.networks import LeastSquares as LeastSquares
from streamrnn.config.networks import Network as Network
from streamrnn.config.networks import Optimiser as Optimiser
from streamrnn.config.networks import RmsProp as RmsProp
from streamrnn.config.networks import Sgd as Sgd
from streamrnn.config.networks import SgdChoice as SgdChoice
from streamrnn.config.networks import TorchNetwork as TorchNetwork
from streamrnn.config.observers import DriftObserver as DriftObserver
from streamrnn.config.observers import MetricObserver as MetricObserver
from streamrnn.config.observers import Observer as Observer
from streamrnn.config.parts import Count, CountOrZero, Fault, Part, Positive, Share, refuse
from streamrnn.config.tasks import AnyTask as AnyTask
from streamrnn.config.tasks import Binary as Binary
from streamrnn.config.tasks import Delayed as Delayed
from streamrnn.config.tasks import Forecast as Forecast
from streamrnn.config.tasks import Loss as Loss
from streamrnn.config.tasks import Multiclass as Multiclass
from streamrnn.config.tasks import NextToken as NextToken
from streamrnn.config.tasks import Quantile as Quantile
from streamrnn.config.tasks import Regression as Regression
from streamrnn.config.tasks import Task as Task
from streamrnn.config.tasks import delayed_of as delayed_of
from streamrnn.config.tasks import target_fields as target_fields


class Scaling(Part):
    """How inputs and targets are brought to a common scale."""

    half_life: Positive | None = 20_000
    """Events after which a value counts half; null: all count the same for ever."""


class Mix(Part):
    """How members are weighted; `mix: false` publishes the first network alone."""

    enabled: bool = True
    """False publishes the first network alone."""
    baselines: bool = True
    """False mixes the networks alone; the naive rules are still scored beside them."""


class Keep(Part):
    """Which snapshots stay."""

    latest: Count = 3
    """How many of the newest to keep."""
    hourly: CountOrZero = 24
    """Of how many hours to keep the last one of each."""
    daily: CountOrZero = 7
    """Of how many days to keep the last one of each."""


class Snapshots(Part):
    """Where the state is saved, and how often."""

    store: str = "./snapshots"
    """A folder that every worker of the group reaches."""
    every: Seconds = 30.0
    """Longest stretch of learning that a restart replays."""
    keep: Keep = Keep()
    """Which of them stay."""


class BadRecords(Part):
    """When bad records are too many to go on."""

    in_a_row: Count = 1000
    """So many one after the other stop the service."""
    share: Share = 0.5
    """Of the last 1000 records of a partition."""
    max_bytes: Count = 1_000_000
    """Longest value that is decoded."""


class Http(Part):
    """The port for health, metrics and status."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all of the machine's."""
    port: Annotated[int, Field(ge=0, le=65535, strict=True)] = 8080
    """0: a free one, printed at start."""


class Published(Part):
    """What prediction records carry beyond the prediction."""

    members: bool = False
    """Put each member's own prediction into every prediction record."""


def _plain_mix(value: Any) -> Any:
    return {"enabled": value} if isinstance(value, bool) else value


class Config(Part):
    """All of one service."""

    task: Task
    """What is predicted: `{forecast: FIELD}`, or `regression`, `binary`, `multiclass`, `next_token`."""
    key: str | None = None
    """The field that names the stream an event belongs to; none: all are one stream."""
    time: str | None = None
    """The field that holds the event's time (ISO 8601, or seconds since 1970)."""
    features: tuple[Feature, ...] = ()
    """What it is predicted from; a task over text has none."""
    networks: Annotated[tuple[AnyNetwork, ...], Field(min_length=1)] = (Network(name="one-step"),)
    """What learns; all of them see the same features, and the mix weighs them."""
    on_drift: Boost | None = None
    """How networks react when their error rises: `{learning_rate: boost}`; none: not at all."""
    scaling: Scaling = Scaling()
    """How inputs and targets are scaled."""
    mix: Annotated[Mix, BeforeValidator(_plain_mix, json_schema_input_type=bool | Mix)] = Mix()
    """`false` publishes the first network alone."""
    observers: tuple[Observer, ...] = ()
    """River's metrics and drift detectors that look on; their figures stand in status and metrics."""
    max_keys: Count = 100_000
    """Keys per partition; beyond, the least recently used is forgotten and counted."""
    predictions: Published = Published()
    """What prediction records carry."""
    source: Source | None = None
    """Where events come from; only `streamrnn run` and `merge` need it."""
    sink: Sink | None = None
    """Where predictions go; only `streamrnn run` needs it."""
    delivery: Literal["exactly_once", "at_least_once"] = "exactly_once"
    """`at_least_once` may repeat predictions after a crash; learning is exact in both."""
    batch: Count = 500
    """Most records per poll, hence per transaction."""
    bad_records: BadRecords = BadRecords()
    """When bad records are too many."""
    snapshots: Snapshots = Snapshots()
    """Where and how often the state is saved."""
    http: Http = Http()
    """Health, metrics and status."""

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        refuse(
            [
                *_names_differ(self.networks),
                *_key_fits(self.key, self.task),
                *_features_fit(self.features, self.task),
                *_labels_come(self.task, self.time, self.networks),
                *_lines_fit(self.networks, self.task),
                *_observers_fit(self.observers, self.task),
            ]
        )
        return self


_TAKEN = {"mix", "last", "mean", "season", "season_corrected", "last_label", "majority", "order0", "order2"}
"""The mix itself and its naive members: names that no network can have beside them."""


def _names_differ(networks: tuple[AnyNetwork, ...]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, network in enumerate(networks):
        if network.name in _TAKEN:
            what = f"{network.name} is the name of something else in the mix; choose another"
            yield Fault(f"networks.{index}.name", what)
        if network.name in seen:
            yield Fault(f"networks.{index}.name", f"{network.name} stands twice; names must differ")
        seen.add(network.name)


def _key_fits(key: str | None, task: AnyTask) -> Iterator[Fault]:
    """Events of one key share a state: what it has learned would tell the label before the prediction."""
    if key in target_fields(task) and not isinstance(task, Forecast):
        yield Fault("key", f"{key} is the label of the same event; its key would give it away")


def _labels_come(task: AnyTask, time: str | None, networks: tuple[AnyNetwork, ...]) -> Iterator[Fault]:
    delayed = delayed_of(task)
    if delayed is None:
        return
    if time is None:
        yield Fault("task.delayed.ttl", "labels are waited for in event time; write time: FIELD")
    if delayed.id == delayed.label_of:
        yield Fault("task.delayed.label_of", f"{delayed.id} names the event itself; another field is needed")
    for index, network in enumerate(networks):
        if isinstance(network, Learning) and network.stride > 1:
            yield Fault(
                f"networks.{index}.stride", "labels that come by id are learned one by one; stride: 1"
            )


def _lines_fit(networks: tuple[AnyNetwork, ...], task: AnyTask) -> Iterator[Fault]:
    """Least squares is for one middle value of numbers."""
    numbers = (
        isinstance(task, Forecast | Regression) and isinstance(task.loss, str) and task.loss != "poisson"
    )
    for index, network in enumerate(networks):
        if isinstance(network, LeastSquares) and not numbers:
            what = "predicts numbers, by loss squared, absolute or huber; leave it out of this task"
            yield Fault(f"networks.{index}.least_squares", what)


def _observers_fit(observers: tuple[Observer, ...], task: AnyTask) -> Iterator[Fault]:
    if observers and (isinstance(task, NextToken) or len(target_fields(task)) > 1):
        yield Fault("observers", "look at one label at a time; leave them out of texts and of several fields")
    names = [part.metric if isinstance(part, MetricObserver) else part.drift for part in observers]
    if len(set(names)) < len(names):
        yield Fault("observers", "one of them stands twice")


def _features_fit(features: tuple[Feature, ...], task: AnyTask) -> Iterator[Fault]:
    """Nothing may be asked for that is not known at prediction time."""
    if isinstance(task, NextToken):
        if features:
            yield Fault(
                "features", f"the characters of {task.next_token} are all that is read; leave them out"
            )
        return
    if not features:
        yield Fault("features", "expected at least one")
    labels = target_fields(task)
    horizon = task.horizon if isinstance(task, Forecast) else 1
    for index, feature in enumerate(features):
        where = f"features.{index}"
        if isinstance(feature, PreviousFeature) and feature.previous not in labels:
            yield Fault(
                f"{where}.previous",
                f"{feature.previous} is not the task's field; write previous: {labels[0]}",
            )
        if isinstance(feature, LagsFeature) and min(feature.steps) < horizon:
            least = min(feature.steps)
            yield Fault(
                f"{where}.steps", f"lag {least} is not known {horizon} ahead; steps must be >= {horizon}"
            )
        if isinstance(feature, LagsFeature) and isinstance(task, Multiclass) and feature.lags in labels:
            yield Fault(
                f"{where}.lags", f"{feature.lags} holds classes, no numbers; use previous: {labels[0]}"
            )
        read = {getattr(feature, kind, None) for kind in ("number", "category", "calendar", "elapsed")}
        if read.intersection(labels) and not isinstance(task, Forecast):
            yield Fault(where, f"{labels[0]} is the label of the same event; use previous: {labels[0]}")
