"""The configuration file, as typed values: one frozen model per part, a sentence under each field."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    field_validator,
    model_validator,
)

from streamrnn.config.duration import Seconds

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Count = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """Base of every part: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _only_key_of(*names: str) -> Discriminator:
    """Tells the members of a union apart by the one key that each of them alone has."""

    def pick(value: Any) -> str | None:
        keys = value if isinstance(value, dict) else getattr(value, "model_fields_set", ())
        return next((name for name in names if name in keys), None)

    expected = ", ".join(names)
    return Discriminator(
        pick,
        custom_error_type="unknown_kind",
        custom_error_message=f"expected one of: {expected}",
    )


# --- what is predicted --------------------------------------------------------------------------


class Forecast(Part):
    """A number field of the same key, some events ahead."""

    forecast: str
    """The field to forecast."""
    horizon: Count = 1
    """How many events of the key ahead."""
    season: Annotated[int, Field(ge=2)] | None = None
    """Events in a season (168 for hourly data with a weekly rhythm)."""
    reference: Literal["last", "season", "none"] = "last"
    """What the change that is learned is counted from."""
    loss: Literal["squared", "huber"] = "huber"

    @model_validator(mode="after")
    def _season_fits(self) -> Self:
        if self.reference == "season" and self.season is None:
            raise ValueError("reference: season needs a season, for example season: 24")
        if self.season is not None and self.season < self.horizon:
            raise ValueError(f"season: {self.season} is shorter than horizon: {self.horizon}")
        return self


class Regression(Part):
    """A number that stands in the same event as the features."""

    regression: str
    """The field that holds the label."""
    season: Annotated[int, Field(ge=2)] | None = None
    reference: Literal["last", "season", "none"] = "none"
    """`last` and `season` use past labels of the key, which are known by then."""
    loss: Literal["squared", "huber"] = "huber"

    @model_validator(mode="after")
    def _season_fits(self) -> Self:
        if self.reference == "season" and self.season is None:
            raise ValueError("reference: season needs a season, for example season: 24")
        return self


class Binary(Part):
    """A class, 0 or 1 (or false or true), that stands in the same event as the features."""

    binary: str
    """The field that holds the label."""


Task = Annotated[
    Annotated[Forecast, Tag("forecast")]
    | Annotated[Regression, Tag("regression")]
    | Annotated[Binary, Tag("binary")],
    _only_key_of("forecast", "regression", "binary"),
]

# --- what it is predicted from ------------------------------------------------------------------


class NumberFeature(Part):
    """A number, scaled; missing is 0 and a mask input."""

    number: str


class CategoryFeature(Part):
    """A string, integer or boolean: one input each for the first `bound` values, hashed beyond."""

    category: str
    bound: Count = 32
    buckets: Count = 8


CalendarPart = Literal["minute", "hour", "weekday", "day", "month", "yearday"]


class CalendarFeature(Part):
    """Parts of a time as sine and cosine."""

    calendar: str
    parts: Annotated[tuple[CalendarPart, ...], Field(min_length=1)] = ("hour", "weekday")
    zone: str = "UTC"
    """IANA time zone of the parts, and of times written without an offset."""


class ElapsedFeature(Part):
    """Seconds since the key's previous event, as log(1 + s), scaled."""

    elapsed: str


class LagsFeature(Part):
    """Earlier values of a field of the key, counted back from the target: lag 24 of a forecast 1 ahead is 23 back."""

    lags: str
    steps: Annotated[tuple[Count, ...], Field(min_length=1)]


class PreviousFeature(Part):
    """The last label of the key that was known at prediction time."""

    previous: str
    """The task's own field."""


Feature = Annotated[
    Annotated[NumberFeature, Tag("number")]
    | Annotated[CategoryFeature, Tag("category")]
    | Annotated[CalendarFeature, Tag("calendar")]
    | Annotated[ElapsedFeature, Tag("elapsed")]
    | Annotated[LagsFeature, Tag("lags")]
    | Annotated[PreviousFeature, Tag("previous")],
    _only_key_of("number", "category", "calendar", "elapsed", "lags", "previous"),
]

# --- what learns ---------------------------------------------------------------------------------


class GrowingWindow(Part):
    """A window that doubles from the first to the second bound."""

    grow: tuple[Count, Count]
    by: Literal["plateau", "count"] = "plateau"
    every: Count | None = None
    """Labelled events between two looks (default 2000); with a season, rounded up to whole seasons."""

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.grow[0] >= self.grow[1]:
            raise ValueError(f"grow: {list(self.grow)} does not grow; write [1, 16] or window: {self.grow[0]}")
        return self


class LearningRate(Part):
    """Warm-up, then decay with the inverse square root of the labelled events, down to a floor."""

    rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    warmup: Annotated[int, Field(ge=0)] = 100
    """Labelled events over which the rate rises linearly from 0."""
    decay: Count | None = None
    """Labelled events after which the rate begins to fall as 1/sqrt(count / decay); none: it stays."""
    floor: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Least share of the rate that decay leaves."""


class Network(Part):
    """One recurrent network of the mix."""

    name: Name
    cell: Literal["gru"] = "gru"
    hidden: Annotated[int, Field(ge=1, le=4096)] = 64
    window: Count | GrowingWindow = 1
    """Steps back that a gradient reaches: k of BPTT(k; s)."""
    stride: Count = 1
    """Labelled events of a key per update: s of BPTT(k; s)."""
    optimiser: Literal["adam"] = "adam"
    learning_rate: LearningRate = LearningRate()
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Greatest norm of a gradient."""
    dtype: Literal["float32", "float64"] = "float32"
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _american_spelling(cls, value: Any) -> Any:
        if isinstance(value, dict) and "optimizer" in value:
            if "optimiser" in value:
                raise ValueError("both optimiser and optimizer are given; keep one")
            value = {("optimiser" if key == "optimizer" else key): item for key, item in value.items()}
        return value

    @field_validator("learning_rate", mode="before")
    @classmethod
    def _plain_rate(cls, value: Any) -> Any:
        return {"rate": value} if isinstance(value, int | float | str) else value

    @model_validator(mode="after")
    def _window_holds_stride(self) -> Self:
        least = self.window if isinstance(self.window, int) else self.window.grow[0]
        if least < self.stride:
            raise ValueError(f"window: {least} is shorter than stride: {self.stride}; BPTT(k; s) needs k >= s")
        return self


class Scaling(Part):
    """How inputs and targets are brought to a common scale."""

    half_life: Annotated[float, Field(gt=0)] | None = 20_000
    """Events after which a value counts half; null: all count the same for ever."""


class Mix(Part):
    """How members are weighted; `mix: false` publishes the first network alone."""

    enabled: bool = True


# --- where records come from and go to -----------------------------------------------------------


class KafkaConnection(Part):
    """How to reach a cluster; the names are kafka-python's."""

    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_plain_username: str | None = None
    sasl_plain_password: SecretStr | None = None
    """Only from the environment, or from a file through `sasl_plain_password_file`."""
    sasl_plain_password_file: str | None = None
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: SecretStr | None = None
    """Only from the environment, or from a file through `ssl_password_file`."""
    ssl_password_file: str | None = None
    ssl_check_hostname: bool = True


class KafkaSource(KafkaConnection):
    topic: str
    group: str
    """Consumer group; also the first part of every snapshot's path."""
    slot: Name | None = None
    """Stable name of this worker (default: the host's name); two live workers must never share one."""
    session_timeout: Seconds = 10.0
    max_poll_interval: Seconds = 300.0


class KafkaSink(Part):
    topic: str
    """Topic of the predictions."""
    dead_letters: str
    """Topic of the records that could not be used."""
    bootstrap_servers: str | None = None
    """Not given: the source's. Exactly once needs one cluster."""


class KafkaSourceChoice(Part):
    kafka: KafkaSource


class FileSourceChoice(Part):
    file: str
    """A CSV or JSON Lines file, plain or gz."""
    follow: bool = False
    """Wait for more at the end instead of ending."""


class StdinSourceChoice(Part):
    stdin: Literal["jsonl", "csv"]


class KafkaSinkChoice(Part):
    kafka: KafkaSink


class FileSinkChoice(Part):
    file: str
    """Predictions as JSON Lines, appended."""
    dead_letters: str | None = None


class StdoutSinkChoice(Part):
    stdout: Literal["jsonl"]


Source = Annotated[
    Annotated[KafkaSourceChoice, Tag("kafka")]
    | Annotated[FileSourceChoice, Tag("file")]
    | Annotated[StdinSourceChoice, Tag("stdin")],
    _only_key_of("kafka", "file", "stdin"),
]
Sink = Annotated[
    Annotated[KafkaSinkChoice, Tag("kafka")]
    | Annotated[FileSinkChoice, Tag("file")]
    | Annotated[StdoutSinkChoice, Tag("stdout")],
    _only_key_of("kafka", "file", "stdout"),
]

# --- how it runs ----------------------------------------------------------------------------------


class Keep(Part):
    """Which snapshots stay."""

    latest: Count = 3
    hourly: Annotated[int, Field(ge=0)] = 24
    daily: Annotated[int, Field(ge=0)] = 7


class Snapshots(Part):
    store: str = "./snapshots"
    """A folder that every worker of the group reaches."""
    every: Seconds = 30.0
    """Longest stretch of learning that a restart replays."""
    keep: Keep = Keep()


class BadRecords(Part):
    """When bad records are too many to go on."""

    in_a_row: Count = 1000
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of the last 1000 records of a partition."""
    max_bytes: Count = 1_000_000
    """Longest value that is decoded."""


class Http(Part):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """0: a free one, printed at start."""


class Published(Part):
    members: bool = False
    """Put each member's own prediction into every prediction record."""


class Config(Part):
    task: Task
    key: str | None = None
    """The field that names the stream an event belongs to; none: all are one stream."""
    time: str | None = None
    """The field that holds the event's time (ISO 8601, or seconds since 1970)."""
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    networks: Annotated[tuple[Network, ...], Field(min_length=1)] = (Network(name="one-step"),)
    scaling: Scaling = Scaling()
    mix: Mix = Mix()
    max_keys: Count = 100_000
    """Keys per partition; beyond, the least recently used is forgotten and counted."""
    predictions: Published = Published()
    source: Source | None = None
    sink: Sink | None = None
    delivery: Literal["exactly_once", "at_least_once"] = "exactly_once"
    batch: Count = 500
    """Most records per poll, hence per transaction."""
    bad_records: BadRecords = BadRecords()
    snapshots: Snapshots = Snapshots()
    http: Http = Http()

    @field_validator("mix", mode="before")
    @classmethod
    def _plain_mix(cls, value: Any) -> Any:
        return {"enabled": value} if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        names = [network.name for network in self.networks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"networks: the name {twice[0]} stands twice; names must differ")
        label = target_field(self.task)
        for index, feature in enumerate(self.features):
            where = f"features.{index}"
            if isinstance(feature, PreviousFeature) and feature.previous != label:
                raise ValueError(f"{where}: previous: {feature.previous} is not the task's field; write previous: {label}")
            if isinstance(feature, LagsFeature):
                horizon = self.task.horizon if isinstance(self.task, Forecast) else 1
                if min(feature.steps) < horizon:
                    raise ValueError(
                        f"{where}: lag {min(feature.steps)} is not known {horizon} ahead; steps must be >= {horizon}"
                    )
        if not isinstance(self.task, Forecast):
            given = {getattr(f, "number", getattr(f, "category", None)) for f in self.features}
            if label in given:
                raise ValueError(f"features: {label} is the label of the same event; use previous: {label}")
        return self


def target_field(task: Forecast | Regression | Binary) -> str:
    """The name of the field that holds the label."""
    if isinstance(task, Forecast):
        return task.forecast
    return task.regression if isinstance(task, Regression) else task.binary
