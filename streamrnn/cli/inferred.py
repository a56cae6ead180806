"""An inferred configuration as the text of a file."""

from pathlib import Path
from typing import Any

import yaml

from streamrnn.cli.infer import Inference, Wishes, infer
from streamrnn.cli.rows import first_rows
from streamrnn.errors import InputError

SAMPLE_ROWS = 20_000
"""Rows that the guesses are made from."""


def infer_from_file(path: Path, wishes: Wishes) -> Inference:
    """Raises InputError when the file cannot be read or a wish cannot be met."""
    rows = first_rows(path, SAMPLE_ROWS)
    if not rows:
        raise InputError(f"{path}: no rows can be read in it; expected CSV with a header row, or JSON Lines")
    return infer(rows, wishes)


def as_yaml(inference: Inference) -> str:
    """The configuration as people write one: a part a line, lists of parts as dashes."""
    lines = []
    for name, value in inference.document().items():
        if isinstance(value, list):
            lines += [f"{name}:", *(f"  - {_flow(item)}" for item in value)]
        else:
            lines.append(f"{name}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=float("inf"), allow_unicode=True
    )
    return text.removesuffix("...\n").strip()
