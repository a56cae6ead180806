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
    """Parts of a time field in an IANA time zone.

    Two inputs (sine, cosine) each; an hour, a weekday and a month also one for each value.
    """

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
    of the same event). Where the target is learned as a change from the last label, so are its lags, but for
    the newest.
    """

    field: str
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Previous:
    """The last label of the key that is known at prediction time, of each label field.

    Two inputs (value, missing) for a number, −1 or 1 for class 0 or 1; of more classes an input each, and
    one for "missing".
    """


Spec = Number | Category | Calendar | Elapsed | Lags | Previous


BYTES = 256


@dataclass(frozen=True)
class Target:
    """What is predicted: the numbers or the class in `labels`, of this event or some events ahead.

    A *number* or several are predicted in units of their running scale; a *count* in units of its running
    mean; *classes* are declared or discovered; *tokens* are the characters or bytes of a text, each of which
    is a step that the one before it predicts.
    """

    labels: tuple[str, ...]
    """The fields; one, unless the kind is number."""
    kind: Literal["number", "count", "classes", "tokens"] = "number"
    horizon: int = 0
    """Events of the key from the prediction to its label; 0: the event carries its own."""
    season: int | None = None
    reference: Literal["last", "season", "none"] = "none"
    """What the change that is learned is counted from; only for numbers."""
    classes: tuple[str, ...] = ()
    """All of them, where they are declared; for tokens the characters, without which they are bytes."""
    bound: int = 0
    """How many classes may be discovered, where none is declared."""
    id: str | None = None
    """The field that names an event whose label comes in another record."""
    label_of: str | None = None
    """The field that names the event that a record brings the label of."""

    def __post_init__(self) -> None:
        if not self.labels or (len(self.labels) > 1 and self.kind != "number"):
            raise ValueError(f"a task of {self.kind} has one label field; got {len(self.labels)}")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"a label field is named twice: {', '.join(self.labels)}")
        if self.reference != "none" and self.kind != "number":
            raise ValueError(f"{self.kind} are not learned as a change from a reference")
        if self.reference == "season" and (self.season is None or self.season < max(self.horizon, 1)):
            raise ValueError(
                f"season: {self.season} does not reach back from the target {self.horizon} ahead"
            )
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"a class is declared twice: {', '.join(self.classes)}")
        if self.kind == "classes" and self.class_count < 2:
            raise ValueError(f"{self.class_count} classes; expected at least 2, declared or as a bound")
        if self.kind == "tokens" and self.horizon != 1:
            raise ValueError(f"a token is predicted one step ahead; got {self.horizon}")
        if (self.id is None) != (self.label_of is None):
            raise ValueError("id and label_of belong together")
        if self.by_id and self.horizon:
            raise ValueError("a label that comes by id is that of the event itself; horizon must be 0")

    @property
    def ahead(self) -> bool:
        """True if the label is the field's value in a later event, so that its value of now is known."""
        return self.horizon > 0

    @property
    def by_id(self) -> bool:
        """True if labels come in other records than their events."""
        return self.id is not None

    @property
    def binary(self) -> bool:
        """True for the classes 0 and 1, which labels may write as false and true."""
        return self.kind == "classes" and self.classes == ("0", "1")

    @property
    def class_count(self) -> int:
        """C: classes, or tokens of which the last stands for every undeclared character; 0 for numbers."""
        if self.kind == "tokens":
            return len(self.classes) + 1 if self.classes else BYTES
        return len(self.classes) or self.bound


@dataclass(frozen=True)
class Fields:
    """The names that features are read from, each once, in order of appearance."""

    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    times: tuple[str, ...] = ()


def fields_of(specs: tuple[Spec, ...], target: Target) -> Fields:
    """Which fields the features read from a record.

    A label is remembered where it is a class or comes after its prediction: as a feature it needs no field of
    its own.
    """
    read = target.ahead and target.kind != "classes"
    remembered = set() if read else set(target.labels)
    numbers = [s.field for s in specs if isinstance(s, Number | Lags) and s.field not in remembered]
    categories = [s.field for s in specs if isinstance(s, Category)]
    times = [s.field for s in specs if isinstance(s, Calendar | Elapsed)]
    return Fields(*(tuple(dict.fromkeys(names)) for names in (numbers, categories, times)))
