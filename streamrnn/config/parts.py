"""What the models of all parts share: strict numbers, names, and errors that say where."""

import difflib
from collections.abc import Iterable
from importlib import resources
from typing import Annotated, Any, NamedTuple, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field
from pydantic_core import PydanticCustomError

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


def refuse(faults: Iterable[Fault]) -> None:
    """Raise all faults as one validation error; nothing if there are none."""
    found = [fault._asdict() for fault in faults]
    if found:
        text = "; ".join(f"{fault['where']}: {fault['what']}" for fault in found)
        raise PydanticCustomError("faults", "{text}", {"text": text, "faults": found})


def refuse_one(where: str, what: str) -> NoReturn:
    refuse([Fault(where, what)])
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


def only_key_of(*names: str) -> Discriminator:
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
