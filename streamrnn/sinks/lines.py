"""Outputs as lines of JSON, for sinks without headers and keys of their own."""

import json

from streamrnn.types import Output


def prediction_line(output: Output) -> bytes:
    """The value itself: it carries its key and position."""
    return (output.value or b"null") + b"\n"


def dead_letter_line(output: Output) -> bytes:
    """A JSON object of key, headers and value; what is not UTF-8 appears as backslash escapes."""
    plain = {
        "key": _text(output.key),
        "headers": {name: _text(value) for name, value in output.headers},
        "value": _text(output.value),
    }
    return json.dumps(plain, ensure_ascii=False).encode() + b"\n"


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="backslashreplace")
