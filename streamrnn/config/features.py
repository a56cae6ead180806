"""What it is predicted from."""

from typing import Annotated, Literal

from pydantic import Field, Tag

from streamrnn.config.parts import (
    Count,
    Part,
    Zone,
    only_key_of,
)


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
    """Parts of a time as sine and cosine; an hour, a weekday and a month also by value."""

    calendar: str
    """The field that holds the time."""
    parts: Annotated[tuple[CalendarPart, ...], Field(min_length=1)] = ("hour", "weekday")
    """A pair of inputs each, for an hour 24 more, for a weekday 7, for a month 12."""
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
    only_key_of("number", "category", "calendar", "elapsed", "lags", "previous"),
]
