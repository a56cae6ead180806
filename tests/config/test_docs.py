"""Every piece of configuration that README and docs show is one that loads."""

import re
from pathlib import Path
from typing import Any

import pytest

from streamrnn.config.document import read_yaml
from streamrnn.config.models import Config, Network

PROJECT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
WHOLE: dict[str, Any] = {
    "task": {"regression": "y"},
    "time": "at",
    "features": [{"number": "x"}],
    "source": {"kafka": {"bootstrap_servers": "127.0.0.1:9092", "topic": "in", "group": "g"}},
    "sink": {"kafka": {"topic": "out", "dead_letters": "dead"}},
}
"""What a piece is put into."""


def pieces() -> list[Any]:
    found = []
    for path in [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]:
        for number, block in enumerate(BLOCK.findall(path.read_text(encoding="utf-8"))):
            if "alert:" in block:  # Prometheus's
                continue
            tasks = [line for line in block.splitlines() if line.startswith("task: {")]
            alternatives = tasks if len(tasks) > 1 else [block]
            found += [
                pytest.param(piece, id=f"{path.name} {number} {i}") for i, piece in enumerate(alternatives)
            ]
    return found


@pytest.mark.parametrize("text", pieces())
def test_what_is_shown_loads(text: str) -> None:
    piece = read_yaml(text, "docs").data
    if piece.keys() <= Network.model_fields.keys() - Config.model_fields.keys():
        piece = {"networks": [{"name": "one", **piece}]}
    if "next_token" in piece.get("task", {}):
        piece["features"] = []
    if "kafka" in piece.get("source", {}):
        piece["source"] = {"kafka": {**WHOLE["source"]["kafka"], **piece["source"]["kafka"]}}
    Config.model_validate({**WHOLE, **piece})
