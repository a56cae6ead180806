"""Validation errors as lines that people can act on: where, what, and the nearest valid name."""

import difflib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import ErrorDetails

from streamrnn.config.document import Document, Path
from streamrnn.config.shape import Place, locate, secret_names

_WORDS = {
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "string_type": "expected a text",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "tuple_type": "expected a list",
    "model_type": "expected a mapping of fields",
    "dict_type": "expected a mapping of fields",
    "missing": "missing",
}


def problem_lines(document: Document, errors: Iterable[ErrorDetails]) -> list[str]:
    """One line per problem, `where: path: what`."""
    found = [problem for error in errors for problem in _problems(error)]
    paths = [path for path, _ in found]
    return [
        problem_line(document, path, what)
        for path, what in found
        if what != _TOO_FEW or not any(_below(path, other) for other in paths)
    ]


def problem_line(document: Document, path: Path, what: str) -> str:
    where = ".".join(map(str, path))
    return f"{document.origin(path)}: {where}: {what}" if where else f"{document.origin(path)}: {what}"


_TOO_FEW = "expected at least one entry"


def _problems(error: ErrorDetails) -> Iterator[tuple[Path, str]]:
    place = locate(error["loc"])
    kind, value = error["type"], error["input"]
    if kind == "faults":
        for fault in error["ctx"]["faults"]:
            steps = (int(step) if step.isdecimal() else step for step in fault["where"].split("."))
            yield (*place.path, *steps), fault["what"]
    elif kind == "extra_forbidden":
        yield place.path, _unknown(place)
    elif kind == "unknown_kind":
        yield _unknown_kind(place, value)
    elif kind == "too_short":
        yield place.path, _TOO_FEW
    else:
        yield place.path, _expected(error, place)


def _unknown(place: Place) -> str:
    name = str(place.path[-1])
    if name in place.rivals:
        others = ", ".join(rival for rival in place.rivals if rival != name)
        return f"cannot stand beside another kind ({others}); keep one"
    if near := difflib.get_close_matches(name, place.names, 1):
        return f"unknown; did you mean {near[0]}?"
    return f"unknown; known here: {', '.join(place.names)}"


def _unknown_kind(place: Place, value: Any) -> tuple[Path, str]:
    """Of several kinds, none was named: point at the key that looks like one, if there is one."""
    for name in value if isinstance(value, dict) else ():
        if near := difflib.get_close_matches(str(name), place.rivals, 1):
            return (*place.path, name), f"unknown; did you mean {near[0]}?"
    return place.path, f"expected a mapping with one of: {', '.join(place.rivals)}"


def _expected(error: ErrorDetails, place: Place) -> str:
    what = _WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    what = what.replace("Input should be ", "expected ").replace("'", "")
    if not what.startswith("expected") or (place.path and place.path[-1] in secret_names()):
        return what
    shown = _shown(error["input"])
    hint = ""
    if error["type"] == "literal_error":
        allowed = what.removeprefix("expected ").replace(" or ", ", ").split(", ")
        near = difflib.get_close_matches(str(error["input"]), allowed, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
    return f"{what}, not {shown}{hint}" if shown else what


def _shown(value: Any) -> str:
    """The value as it stands in a file, or nothing if it is too long to help."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else ""


def _below(path: Path, other: Path) -> bool:
    return len(other) > len(path) and other[: len(path)] == path


def in_order(lines: Iterable[str]) -> list[str]:
    """Each line once: the environment and the command line first, then the file from its top down."""
    return sorted(dict.fromkeys(lines), key=_line_number)


def _line_number(line: str) -> int:
    number = line.split(":", 2)[1]
    return int(number) if number.isdecimal() else 0
