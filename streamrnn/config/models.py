"""The configuration file, as typed values: one frozen model per part, a sentence under each field."""

import difflib
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from streamrnn.config.duration import Seconds

# Strict numbers: `hidden: true` and `hidden: "64"` are mistakes, not ones and sixty-fours.
Count = Annotated[int, Field(ge=1, strict=True)]
CountOrZero = Annotated[int, Field(ge=0, strict=True)]
Season = Annotated[int, Field(ge=2, strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
Share = Annotated[float, Field(gt=0, le=1, strict=True)]


def _name(value: str) -> str:
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
    if not 1 <= len(value) <= 64 or not set(value) <= allowed:
        raise ValueError("expected 1 to 64 letters, digits, dots, dashes or underscores")
    return value


def _zone(value: str) -> str:
    """The value, if it is an IANA time zone of the package tzdata."""
    known = (resources.files("tzdata") / "zones").read_text(encoding="utf-8").split()
    if value not in known:
        near = difflib.get_close_matches(value, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ", for example Europe/Paris or UTC"
        raise ValueError(f"unknown time zone {value}{hint}")
    return value


Name = Annotated[str, AfterValidator(_name)]
Zone = Annotated[str, AfterValidator(_zone)]


class Fault(NamedTuple):
    """One disagreement between parts: the path within the model that found it, and what is wrong there."""

    where: str
    what: str


def _refuse(faults: Iterable[Fault]) -> None:
    """Raise all faults as one validation error; nothing if there are none."""
    found = [fault._asdict() for fault in faults]
    if found:
        text = "; ".join(f"{fault['where']}: {fault['what']}" for fault in found)
        raise PydanticCustomError("faults", "{text}", {"text": text, "faults": found})


def _refuse_one(where: str, what: str) -> NoReturn:
    _refuse([Fault(where, what)])
    raise AssertionError("a fault always raises")


class Part(BaseModel):
    """Base of every part: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )


def _only_key_of(*names: str) -> Discriminator:
    """Tells the members of a union apart by the one key that each of them alone has."""

    def pick(value: Any) -> str | None:
        keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", ())
        return next((name for name in names if name in keys), None)

    expected = ", ".join(names)
    return Discriminator(
        pick,
        custom_error_type="unknown_kind",
        custom_error_message=f"expected one of: {expected}",
    )


# --- what is predicted --------------------------------------------------------------------------


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _season_given(reference: str, season: int | None) -> None:
    if reference == "season" and season is None:
        _refuse_one("reference", "season needs a season, for example season: 24")


class Quantile(Part):
    """Quantiles instead of a middle value (pinball loss), several at once."""

    quantile: Annotated[tuple[Annotated[float, Field(gt=0, lt=1, strict=True)], ...], Field(min_length=1)]
    """Levels in rising order, such as [0.1, 0.5, 0.9]; the one nearest to 0.5 is the prediction."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.quantile) != sorted(set(self.quantile)):
            _refuse_one("quantile", f"{list(self.quantile)} does not rise; write each level once, in order")
        return self


Loss = Annotated[
    Annotated[Literal["squared", "absolute", "huber", "poisson"], Tag("name")]
    | Annotated[Quantile, Tag("quantile")],
    Discriminator(lambda value: "quantile" if isinstance(value, dict | Quantile) else "name"),
]
Level = Annotated[float, Field(gt=0, lt=1, strict=True)]


class Delayed(Part):
    """Labels that come later, in another record, which names the event by its id."""

    id: str
    """The field with an event's own id; a record that has it is an event and gets a prediction."""
    label_of: str
    """The field with the id of the event whose label the record brings."""
    ttl: Seconds
    """Event time after which a label is no longer waited for."""
    pool: Count = 10_000
    """Events of a partition that can wait at once; beyond, the oldest is given up and counted."""


def _loss_fits(loss: str | Quantile, reference: str, fields: int, interval: float | None) -> None:
    if loss == "poisson":
        if reference != "none":
            _refuse_one("loss", "poisson counts from nothing; write reference: none")
        if fields > 1:
            _refuse_one("loss", "poisson is for one field")
    if isinstance(loss, Quantile) and interval is not None:
        _refuse_one("interval", "the quantiles are intervals already; keep one of the two")


class Forecast(Part):
    """A number field of the same key, some events ahead; or several fields at once."""

    forecast: Annotated[
        tuple[str, ...],
        BeforeValidator(_one_or_more, json_schema_input_type=str | tuple[str, ...]),
        Field(min_length=1),
    ]
    """The field to forecast, or a list of fields."""
    horizon: Count = 1
    """How many events of the key ahead."""
    season: Season | None = None
    """Events in a season (168 for hourly data with a weekly rhythm)."""
    reference: Literal["last", "season", "none"] = "last"
    """What the change that is learned is counted from."""
    loss: Loss = "huber"
    """`huber` is deaf to outliers, `poisson` is for counts; or `{quantile: [0.1, 0.5, 0.9]}`."""
    interval: Level | None = None
    """Share of labels that the published interval shall cover, such as 0.9."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.forecast)) < len(self.forecast):
            _refuse_one("forecast", "a field stands twice")
        _season_given(self.reference, self.season)
        if self.season is not None and self.season < self.horizon:
            _refuse_one("season", f"{self.season} is shorter than horizon: {self.horizon}")
        _loss_fits(self.loss, self.reference, len(self.forecast), self.interval)
        return self


class Regression(Part):
    """A number that belongs to the same event as the features."""

    regression: str
    """The field that holds the label."""
    season: Season | None = None
    """Events in a season."""
    reference: Literal["last", "season", "none"] = "none"
    """`last` and `season` use past labels of the key, which are known by then."""
    loss: Loss = "huber"
    """`huber` is deaf to outliers, `poisson` is for counts; or `{quantile: [0.1, 0.5, 0.9]}`."""
    interval: Level | None = None
    """Share of labels that the published interval shall cover, such as 0.9."""
    delayed: Delayed | None = None
    """The label comes in a later record; none: it stands in the event."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _season_given(self.reference, self.season)
        _loss_fits(self.loss, self.reference, 1, self.interval)
        if self.delayed is not None and self.season is not None:
            _refuse_one("season", "labels that come by id have no season")
        return self


class Binary(Part):
    """A class, 0 or 1 (or false or true), that belongs to the same event as the features."""

    binary: str
    """The field that holds the label."""
    delayed: Delayed | None = None
    """The label comes in a later record; none: it stands in the event."""


class Multiclass(Part):
    """One of several classes (strings, integers or booleans), that belongs to the same event."""

    multiclass: str
    """The field that holds the label."""
    classes: tuple[str | int | bool, ...] = ()
    """All classes, if they are known; none: they are taken up as they appear."""
    bound: Annotated[int, Field(ge=2, le=4096, strict=True)] = 32
    """Most classes that are taken up; labels beyond are counted, and nothing is learned from them."""
    delayed: Delayed | None = None
    """The label comes in a later record; none: it stands in the event."""

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        texts = [str(name).lower() if isinstance(name, bool) else str(name) for name in self.classes]
        if len(texts) == 1 or len(set(texts)) < len(texts):
            _refuse_one("classes", f"{texts}: expected two or more that differ")
        return self


class NextToken(Part):
    """The next character of a text; every character is a step, and a record may hold any number of them."""

    next_token: str
    """The field that holds the text; a key's texts continue each other."""
    vocabulary: str = "bytes"
    """`bytes` (of UTF-8), or all characters that are told apart; others count as one more."""

    @model_validator(mode="after")
    def _characters_differ(self) -> Self:
        if self.vocabulary != "bytes" and not 2 <= len(set(self.vocabulary)) == len(self.vocabulary):
            _refuse_one("vocabulary", "expected bytes, or two or more characters that differ")
        return self


Task = Annotated[
    Annotated[Forecast, Tag("forecast")]
    | Annotated[Regression, Tag("regression")]
    | Annotated[Binary, Tag("binary")]
    | Annotated[Multiclass, Tag("multiclass")]
    | Annotated[NextToken, Tag("next_token")],
    _only_key_of("forecast", "regression", "binary", "multiclass", "next_token"),
]
AnyTask = Forecast | Regression | Binary | Multiclass | NextToken

# --- what it is predicted from ------------------------------------------------------------------


class NumberFeature(Part):
    """A number, scaled; missing is 0 and a mask input."""

    number: str
    """The field that holds it."""


class CategoryFeature(Part):
    """A string, integer or boolean: one input each for the first `bound` values, hashed beyond."""

    category: str
    """The field that holds it."""
    bound: Count = 32
    """Values that get an input of their own, in order of appearance."""
    buckets: Count = 8
    """Inputs that all later values share."""


CalendarPart = Literal["minute", "hour", "weekday", "day", "month", "yearday"]


class CalendarFeature(Part):
    """Parts of a time as sine and cosine."""

    calendar: str
    """The field that holds the time."""
    parts: Annotated[tuple[CalendarPart, ...], Field(min_length=1)] = ("hour", "weekday")
    """A pair of inputs each."""
    zone: Zone = "UTC"
    """IANA time zone of the parts, and of times written without an offset."""


class ElapsedFeature(Part):
    """Seconds since the key's previous event, as log(1 + s), scaled."""

    elapsed: str
    """The field that holds the time."""


class LagsFeature(Part):
    """Earlier values of a field of the key, counted back from the target.

    Lag 24 of a forecast 1 ahead is the value 23 events ago.
    """

    lags: str
    """A number field."""
    steps: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Events back from the target; a forecast needs steps of at least its horizon."""


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
    """First and last number of steps."""
    by: Literal["plateau", "count"] = "plateau"
    """`plateau`: when the error stopped falling; `count`: after every so many labelled events."""
    every: Count | None = None
    """Labelled events between two looks (default 2000); with a season, rounded up to whole seasons."""

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.grow[0] >= self.grow[1]:
            _refuse_one("grow", f"{list(self.grow)} does not grow; write [1, 16], or window: {self.grow[0]}")
        return self


Window = Annotated[
    Annotated[Count, Tag("steps")] | Annotated[GrowingWindow, Tag("growing")],
    Discriminator(lambda value: "growing" if isinstance(value, dict | GrowingWindow) else "steps"),
]


class LearningRate(Part):
    """Linear warm-up, then a shape over the labelled events."""

    rate: Share = 3e-4
    """After warm-up and before decay."""
    warmup: CountOrZero = 100
    """Labelled events over which the rate rises linearly from 0."""
    shape: Literal["constant", "inverse_sqrt", "cosine"] = "constant"
    """`inverse_sqrt` falls as 1/sqrt(count / over) once `over` are counted; `cosine` falls until then."""
    over: Count | None = None
    """Labelled events that the shape is measured in."""
    floor: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.1
    """Least share of the rate that falling leaves."""

    @model_validator(mode="after")
    def _over_given(self) -> Self:
        if (self.shape == "constant") != (self.over is None):
            _refuse_one("over", f"shape: {self.shape} {'has no' if self.over else 'needs'} over")
        return self


def _plain_rate(value: Any) -> Any:
    return {"rate": value} if isinstance(value, int | float | str) else value


NotNegative = Annotated[float, Field(ge=0, strict=True)]
Fading = Annotated[float, Field(ge=0, lt=1, strict=True)]


class Sgd(Part):
    """Gradient descent with momentum."""

    momentum: Fading = 0.9
    """Share of the last step that goes on."""
    weight_decay: NotNegative = 0.0
    """Added to the gradient, times the weight."""


class RmsProp(Part):
    """RMSprop (Hinton 2012), as torch computes it."""

    alpha: Fading = 0.99
    """Share of the mean square that stays."""
    epsilon: Positive = 1e-8
    """Added to its root."""
    momentum: Fading = 0.0
    """Share of the last step that goes on."""
    weight_decay: NotNegative = 0.0
    """Added to the gradient, times the weight."""


class Adam(Part):
    """Adam (Kingma and Ba 2015)."""

    beta_1: Fading = 0.9
    """Share of the mean gradient that stays."""
    beta_2: Fading = 0.999
    """Share of the mean square that stays."""
    epsilon: Positive = 1e-8
    """Added to its root."""
    weight_decay: NotNegative = 0.0
    """Added to the gradient, times the weight."""


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    weight_decay: NotNegative = 0.01
    """Taken from the weight, times the rate."""


class SgdChoice(Part):
    """`optimiser: sgd`, or `{sgd: {momentum: 0.5}}`."""

    sgd: Sgd = Sgd()
    """Its settings."""


class RmsPropChoice(Part):
    """`optimiser: rmsprop`, or with settings."""

    rmsprop: RmsProp = RmsProp()
    """Its settings."""


class AdamChoice(Part):
    """`optimiser: adam`, or with settings."""

    adam: Adam = Adam()
    """Its settings."""


class AdamWChoice(Part):
    """`optimiser: adamw`, or with settings."""

    adamw: AdamW = AdamW()
    """Its settings."""


def _plain_optimiser(value: Any) -> Any:
    return {value: {}} if isinstance(value, str) else value


Optimiser = Annotated[
    Annotated[SgdChoice, Tag("sgd")]
    | Annotated[RmsPropChoice, Tag("rmsprop")]
    | Annotated[AdamChoice, Tag("adam")]
    | Annotated[AdamWChoice, Tag("adamw")],
    _only_key_of("sgd", "rmsprop", "adam", "adamw"),
]


def _american_spelling_too(schema: dict[str, Any]) -> None:
    schema["properties"]["optimizer"] = schema["properties"]["optimiser"]


class Learning(Part):
    """What every kind of network has."""

    model_config = ConfigDict(json_schema_extra=_american_spelling_too)

    name: Name
    """Stands in metrics, reports and predictions."""
    window: Window = 1
    """Steps back that a gradient reaches: k of BPTT(k; s); or `{grow: [1, 16], by: plateau}`."""
    stride: Count = 1
    """Labelled events of a key per update: s of BPTT(k; s)."""
    optimiser: Annotated[
        Optimiser,
        BeforeValidator(
            _plain_optimiser,
            json_schema_input_type=Literal["sgd", "rmsprop", "adam", "adamw"] | Optimiser,
        ),
    ] = AdamChoice()
    """A name, or a name with its settings; `optimizer` is understood too."""
    learning_rate: Annotated[
        LearningRate, BeforeValidator(_plain_rate, json_schema_input_type=float | LearningRate)
    ] = LearningRate()
    """A plain number is its `rate`."""
    clip: Positive = 1.0
    """Greatest norm of a gradient."""
    dtype: Literal["float32", "float64"] = "float32"
    """float64 is slower and there for checking."""
    seed: CountOrZero = 0
    """Of the initial weights."""
    start_from: str | None = None
    """A .safetensors file of weights by torch's names to begin with; none: random ones."""

    @model_validator(mode="before")
    @classmethod
    def _american_spelling(cls, value: Any) -> Any:
        if isinstance(value, dict) and "optimizer" in value:
            if "optimiser" in value:
                _refuse_one("optimizer", "optimiser is given too; keep one")
            value = {("optimiser" if key == "optimizer" else key): item for key, item in value.items()}
        return value

    @model_validator(mode="after")
    def _window_holds_stride(self) -> Self:
        least = self.window if isinstance(self.window, int) else self.window.grow[0]
        if least < self.stride:
            _refuse_one("window", f"{least} is shorter than stride: {self.stride}; BPTT(k; s) needs k >= s")
        return self


class Network(Learning):
    """A built-in recurrent network, compiled."""

    cell: Literal["elman", "gru", "lstm"] = "gru"
    """The recurrent cell."""
    hidden: Annotated[int, Field(ge=1, le=4096, strict=True)] = 64
    """Units of a layer, hence floats of state per key and layer (twice as many for lstm)."""
    layers: Annotated[int, Field(ge=1, le=8, strict=True)] = 1
    """Recurrent layers, each reading the one below."""
    head: tuple[Annotated[int, Field(ge=1, le=4096, strict=True)], ...] = ()
    """Hidden widths between the last layer and the output; none: the output is linear."""
    activation: Literal["tanh", "relu", "gelu"] = "tanh"
    """Of the head's hidden units."""


class TorchNetwork(Learning):
    """A `torch.nn.Module` of your own with `forward(x, state) -> (output, state)`."""

    torch: str
    """The class, as `package.module:Class`."""
    args: dict[str, Any] = {}
    """Keyword arguments of the class."""
    device: Literal["cpu", "cuda"] = "cpu"
    """On `cuda` a restart is not promised to give the same bits."""


AnyNetwork = Annotated[
    Annotated[Network, Tag("built-in")] | Annotated[TorchNetwork, Tag("torch")],
    Discriminator(
        lambda value: (
            "torch"
            if isinstance(value, TorchNetwork) or (isinstance(value, dict) and "torch" in value)
            else "built-in"
        )
    ),
]


class Boost(Part):
    """A higher learning rate for a while, once the error has risen."""

    learning_rate: Literal["boost"]
    """What reacts."""
    factor: Annotated[float, Field(gt=1, le=100, strict=True)] = 3.0
    """How many times the rate."""
    lasts: Count = 500
    """Labelled events until the rate is back."""


class Scaling(Part):
    """How inputs and targets are brought to a common scale."""

    half_life: Positive | None = 20_000
    """Events after which a value counts half; null: all count the same for ever."""


class Mix(Part):
    """How members are weighted; `mix: false` publishes the first network alone."""

    enabled: bool = True
    """False publishes the first network alone."""


# --- where records come from and go to -----------------------------------------------------------


class KafkaConnection(Part):
    """How to reach a cluster; the names are kafka-python's."""

    bootstrap_servers: str = "127.0.0.1:9092"
    """One or more, `host:port,host:port`."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How the connection is secured."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How the user is authenticated."""
    sasl_plain_username: str | None = None
    """The user's name, for every SASL mechanism."""
    sasl_plain_password: SecretStr | None = None
    """Only from the environment, or from a file through `sasl_plain_password_file`."""
    sasl_plain_password_file: str | None = None
    """A file that holds the password and nothing else."""
    ssl_cafile: str | None = None
    """Certificates of authorities to trust, PEM."""
    ssl_certfile: str | None = None
    """The client's own certificate, PEM."""
    ssl_keyfile: str | None = None
    """The client's private key, PEM."""
    ssl_password: SecretStr | None = None
    """Only from the environment, or from a file through `ssl_password_file`."""
    ssl_password_file: str | None = None
    """A file that holds the password of the private key and nothing else."""
    ssl_check_hostname: bool = True
    """Refuse a broker whose certificate names another host."""


class KafkaSource(KafkaConnection):
    """A topic of Apache Kafka, and who reads it."""

    topic: str
    """Topic of the events."""
    group: str
    """Consumer group; also the first part of every snapshot's path."""
    slot: Name | None = None
    """Stable name of this worker (default: the host's name); two live workers must never share one."""
    session_timeout: Seconds = 10.0
    """Silence after which the group gives this worker's partitions to others."""
    max_poll_interval: Seconds = 300.0
    """Longest time between two polls before the group takes the partitions away."""


class KafkaSink(Part):
    """Topics of Apache Kafka for what is published."""

    topic: str
    """Topic of the predictions."""
    dead_letters: str
    """Topic of the records that could not be used."""
    bootstrap_servers: str | None = None
    """Not given: the source's. Exactly once needs one cluster."""


class KafkaSourceChoice(Part):
    """Events from Apache Kafka."""

    kafka: KafkaSource
    """A topic of Apache Kafka."""


class FileSourceChoice(Part):
    """Events from a file."""

    file: str
    """A CSV or JSON Lines file, plain or gz."""
    follow: bool = False
    """Wait for more at the end instead of ending."""


class StdinSourceChoice(Part):
    """Events from standard input."""

    stdin: Literal["jsonl", "csv"]
    """The format of what is read from standard input."""


class KafkaSinkChoice(Part):
    """Predictions into Apache Kafka."""

    kafka: KafkaSink
    """Topics of Apache Kafka."""


class FileSinkChoice(Part):
    """Predictions into a file; at least once."""

    file: str
    """Predictions as JSON Lines, appended."""
    dead_letters: str | None = None
    """Bad records as JSON Lines, appended; none: they are only counted."""


class StdoutSinkChoice(Part):
    """Predictions to standard output."""

    stdout: Literal["jsonl"]
    """The format of what is written to standard output."""


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
    """The newest so many."""
    hourly: CountOrZero = 24
    """The last of each of so many hours."""
    daily: CountOrZero = 7
    """The last of each of so many days."""


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
    max_keys: Count = 100_000
    """Keys per partition; beyond, the least recently used is forgotten and counted."""
    predictions: Published = Published()
    """What prediction records carry."""
    source: Source | None = None
    """Where events come from; only `streamrnn run` needs it."""
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
        _refuse(
            [
                *_names_differ(self.networks),
                *_key_fits(self.key, self.task),
                *_features_fit(self.features, self.task),
                *_labels_come(self.task, self.time, self.networks),
            ]
        )
        return self


_TAKEN = {"mix", "last", "mean", "season", "season_corrected", "last_label", "majority", "order0", "order2"}
"""The mix itself and its naive members: names that no network can have beside them."""


def _names_differ(networks: tuple[Learning, ...]) -> Iterator[Fault]:
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


def _labels_come(task: AnyTask, time: str | None, networks: tuple[Learning, ...]) -> Iterator[Fault]:
    delayed = delayed_of(task)
    if delayed is None:
        return
    if time is None:
        yield Fault("task.delayed.ttl", "labels are waited for in event time; write time: FIELD")
    if delayed.id == delayed.label_of:
        yield Fault("task.delayed.label_of", f"{delayed.id} names the event itself; another field is needed")
    for index, network in enumerate(networks):
        if network.stride > 1:
            yield Fault(
                f"networks.{index}.stride", "labels that come by id are learned one by one; stride: 1"
            )


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


def target_fields(task: AnyTask) -> tuple[str, ...]:
    """The names of the fields that hold the labels."""
    match task:
        case Forecast():
            return task.forecast
        case Regression():
            return (task.regression,)
        case Binary():
            return (task.binary,)
        case Multiclass():
            return (task.multiclass,)
        case NextToken():
            return (task.next_token,)


def delayed_of(task: AnyTask) -> Delayed | None:
    """How labels come that do not stand in their event."""
    return task.delayed if isinstance(task, Regression | Binary | Multiclass) else None
