"""What learns, and how fast."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from streamrnn.config.parts import (
    Count,
    CountOrZero,
    Name,
    Part,
    Positive,
    Share,
    only_key_of,
    refuse_one,
)


class GrowingWindow(Part):
    """A window that doubles from the first to the second bound."""

    grow: tuple[Count, Count]
    """First and last number of steps."""
    by: Literal["plateau", "count"] = "plateau"
    """`plateau`: when the error stopped falling; `count`: every `every` labelled events."""
    every: Count | None = None
    """Labelled events between two looks (default 2000); with a season, rounded up to whole seasons."""

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.grow[0] >= self.grow[1]:
            refuse_one("grow", f"{list(self.grow)} does not grow; write [1, 16], or window: {self.grow[0]}")
        return self


Window = Annotated[
    Annotated[Count, Tag("steps")] | Annotated[GrowingWindow, Tag("growing")],
    Discriminator(lambda value: "growing" if isinstance(value, dict | GrowingWindow) else "steps"),
]


class LearningRate(Part):
    """Linear warm-up, then a shape over the labelled events."""

    rate: Share = 1e-3
    """After warm-up and before it falls; a forecast h ahead learns at 1/sqrt(h) of it: its errors overlap."""
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
            refuse_one("over", f"shape: {self.shape} {'has no' if self.over else 'needs'} over")
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
    """Settings of SGD."""


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
    only_key_of("sgd", "rmsprop", "adam", "adamw"),
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
    ] = AdamChoice(adam=Adam(beta_1=0.0))
    """A name, or a name with its settings. Default: Adam without momentum, because old gradients mislead on a
    changing stream."""
    learning_rate: Annotated[
        LearningRate, BeforeValidator(_plain_rate, json_schema_input_type=float | LearningRate)
    ] = LearningRate()
    """A plain number is its `rate`."""
    clip: Positive = 10.0
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
                refuse_one("optimizer", "optimiser is given too; keep one")
            value = {("optimiser" if key == "optimizer" else key): item for key, item in value.items()}
        return value

    @model_validator(mode="after")
    def _window_holds_stride(self) -> Self:
        least = self.window if isinstance(self.window, int) else self.window.grow[0]
        if least < self.stride:
            refuse_one("window", f"{least} is shorter than stride: {self.stride}; BPTT(k; s) needs k >= s")
        return self


class Network(Learning):
    """A built-in recurrent network, compiled."""

    cell: Literal["elman", "gru", "lstm"] = "gru"
    """The recurrent cell."""
    hidden: Annotated[int, Field(ge=1, le=4096, strict=True)] = 32
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
    args: dict[str, Any] = Field(default={})
    """Keyword arguments of the class."""
    device: Literal["cpu", "cuda"] = "cpu"
    """On `cuda` a restart is not promised to give the same bits."""


class LeastSquaresSettings(Part):
    """Recursive least squares with forgetting; an error beyond one scaled unit weighs less."""

    forgetting: Annotated[float, Field(gt=0.5, le=1, strict=True)] = 0.998
    """What each later event leaves of an earlier one's weight; 0.998 remembers about 500 events."""
    ridge: Positive = 100.0
    """How strongly coefficients are held at 0 in the beginning."""


class LeastSquares(Part):
    """A linear model of the same inputs, without a state, at its optimum after every label; for numbers."""

    name: Name
    """Stands in metrics, reports and predictions."""
    least_squares: LeastSquaresSettings
    """`{}` for the defaults."""


def _kind(value: Any) -> str:
    names = value if isinstance(value, dict) else type(value).model_fields
    return next((kind for kind in ("torch", "least_squares") if kind in names), "built-in")


AnyNetwork = Annotated[
    Annotated[Network, Tag("built-in")]
    | Annotated[TorchNetwork, Tag("torch")]
    | Annotated[LeastSquares, Tag("least_squares")],
    Discriminator(_kind),
]


class Boost(Part):
    """A higher learning rate for a while, once the error has risen."""

    learning_rate: Literal["boost"]
    """The only reaction so far."""
    factor: Annotated[float, Field(gt=1, le=100, strict=True)] = 3.0
    """How many times the rate."""
    lasts: Count = 500
    """Labelled events until the rate is back."""
