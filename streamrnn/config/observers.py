"""Who looks on: metrics and drift detectors of river, by name."""

from typing import Annotated, Any

from pydantic import Field, Tag

from streamrnn.config.parts import Part, only_key_of


class MetricObserver(Part):
    """A metric of river, told of every judged label."""

    metric: str
    """Its class in `river.metrics`, such as MacroF1."""
    args: dict[str, Any] = Field(default={})
    """Keyword arguments of the class."""


class DriftObserver(Part):
    """A drift detector of river, told of the published prediction's loss at every judged label."""

    drift: str
    """Its class in `river.drift`, such as ADWIN."""
    args: dict[str, Any] = Field(default={})
    """Keyword arguments of the class."""


Observer = Annotated[
    Annotated[MetricObserver, Tag("metric")] | Annotated[DriftObserver, Tag("drift")],
    only_key_of("metric", "drift"),
]
