"""Durations as people write them: `30s`, `5m`, `1h`, `250ms`, or a number of seconds."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def parse_seconds(value: Any) -> Any:
    """Seconds from `30s`, `1.5h` and the like; anything else is passed on for the model to judge."""
    if isinstance(value, str) and (match := _PATTERN.fullmatch(value)):
        return float(match[1]) * _UNITS[match[2]]
    return value


Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0)]
