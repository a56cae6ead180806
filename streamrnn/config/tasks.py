"""What is predicted, and how its labels come."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from streamrnn.config.duration import Seconds
from streamrnn.config.parts import (
    Count,
    Part,
    Season,
    only_key_of,
    refuse_one,
)


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _season_given(reference: str, season: int | None) -> None:
    if reference == "season" and season is None:
        refuse_one("reference", "season needs a season, for example season: 24")


class Quantile(Part):
    """Quantiles instead of a middle value (pinball loss), several at once."""

    quantile: Annotated[tuple[Annotated[float, Field(gt=0, lt=1, strict=True)], ...], Field(min_length=1)]
    """Levels in rising order, such as [0.1, 0.5, 0.9]; the one nearest to 0.5 is the prediction."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.quantile) != sorted(set(self.quantile)):
            refuse_one("quantile", f"{list(self.quantile)} does not rise; write each level once, in order")
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
            refuse_one("loss", "poisson counts from nothing; write reference: none")
        if fields > 1:
            refuse_one("loss", "poisson is for one field")
    if isinstance(loss, Quantile) and interval is not None:
        refuse_one("interval", "the quantiles are intervals already; keep one of the two")


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
            refuse_one("forecast", "a field stands twice")
        _season_given(self.reference, self.season)
        if self.season is not None and self.season < self.horizon:
            refuse_one("season", f"{self.season} is shorter than horizon: {self.horizon}")
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
            refuse_one("season", "labels that come by id have no season")
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
    bound: Annotated[int, Field(ge=2, le=4096, strict=True)] = 64
    """Most classes that are taken up; labels beyond are counted, and nothing is learned from them."""
    delayed: Delayed | None = None
    """The label comes in a later record; none: it stands in the event."""

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        texts = [str(name).lower() if isinstance(name, bool) else str(name) for name in self.classes]
        if len(texts) == 1 or len(set(texts)) < len(texts):
            refuse_one("classes", f"{texts}: expected two or more that differ")
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
            refuse_one("vocabulary", "expected bytes, or two or more characters that differ")
        return self


Task = Annotated[
    Annotated[Forecast, Tag("forecast")]
    | Annotated[Regression, Tag("regression")]
    | Annotated[Binary, Tag("binary")]
    | Annotated[Multiclass, Tag("multiclass")]
    | Annotated[NextToken, Tag("next_token")],
    only_key_of("forecast", "regression", "binary", "multiclass", "next_token"),
]
AnyTask = Forecast | Regression | Binary | Multiclass | NextToken


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
