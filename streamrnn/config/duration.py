"""Durations as people write them: `30s`, `5m`, `1h`, `250ms`, or a number of seconds."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def parse_seconds(value: Any) -> Any:
    """Seconds from `30s`, `1.5h` and the like; numbers are passed on for the model to judge."""
    if not isinstance(value, str):
        return value
    if match := _PATTERN.fullmatch(value):
        return float(match[1]) * _UNITS[match[2]]
    raise ValueError("expected a duration such as 250ms, 30s, 5m or 1h")


Seconds = Annotated[
    float, BeforeValidator(parse_seconds, json_schema_input_type=float | str), Field(gt=0, strict=True)
]
