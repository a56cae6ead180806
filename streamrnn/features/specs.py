"""What a stream's inputs and its target are made of, as plain values."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Number:
    """A number field, scaled; one input and one for "missing"."""

    field: str


@dataclass(frozen=True)
class Category:
    """A string, integer or boolean; an input each for the first `bound` values, `buckets` for the rest."""

    field: str
    bound: int = 32
    buckets: int = 8


@dataclass(frozen=True)
class Calendar:
    """Parts of a time field in an IANA time zone; two inputs (sine, cosine) each."""

    field: str
    parts: tuple[str, ...] = ("hour", "weekday")
    zone: str = "UTC"


@dataclass(frozen=True)
class Elapsed:
    """log(1 + seconds since the key's previous event), scaled; one input."""

    field: str


@dataclass(frozen=True)
class Lags:
    """Earlier values of a number field of the key; two inputs (value, missing) each.

    A lag counts back from the target: with horizon h, lag L is the value L − h events ago (h = 0 for a label
    of the same event).
    """

    field: str
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Previous:
    """The last label of the key that is known at prediction time; two inputs (value, missing)."""


Spec = Number | Category | Calendar | Elapsed | Lags | Previous


@dataclass(frozen=True)
class Target:
    """What is predicted: the number or class in `label`, of this event (horizon 0) or some events ahead."""

    label: str
    kind: Literal["number", "binary"] = "number"
    horizon: int = 0
    season: int | None = None
    reference: Literal["last", "season", "none"] = "none"

    def __post_init__(self) -> None:
        if self.reference == "season" and (self.season is None or self.season < max(self.horizon, 1)):
            raise ValueError(
                f"season: {self.season} does not reach back from the target {self.horizon} ahead"
            )

    @property
    def inline(self) -> bool:
        """True if an event carries its own label."""
        return self.horizon == 0


@dataclass(frozen=True)
class Fields:
    """The names that features are read from, each once, in order of appearance."""

    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    times: tuple[str, ...] = ()


def fields_of(specs: tuple[Spec, ...], target: Target) -> Fields:
    """Which fields the features read from a record.

    Past labels of an inline task are remembered, not read: lags of the label need no field of their own.
    """
    remembered = {target.label} if target.inline else set()
    numbers = [s.field for s in specs if isinstance(s, Number | Lags) and s.field not in remembered]
    categories = [s.field for s in specs if isinstance(s, Category)]
    times = [s.field for s in specs if isinstance(s, Calendar | Elapsed)]
    return Fields(*(tuple(dict.fromkeys(names)) for names in (numbers, categories, times)))
