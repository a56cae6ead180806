"""A small stream and its configuration, the same in all tests here, so that one kernel is compiled."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from streamrnn.cli.entry import execute

ROWS = 600
CONFIG = """\
task: {forecast: y, horizon: 2, season: 12}
key: sensor
features:
  - {number: y}
  - {number: x}
networks:
  - {name: small, hidden: 4, window: 2}
bad_records: {in_a_row: 20}
"""
NETWORKS = "networks=[{name: small, hidden: 4, window: 2}]"

Run = Callable[..., tuple[int, str, str]]


def row(i: int) -> dict[str, object]:
    noise = random.Random(i)
    y = 20 + 5 * math.sin(i // 2 / 12 * math.tau) + noise.gauss(0, 0.3) + 10 * (i % 2)
    return {"sensor": "ab"[i % 2], "x": noise.random(), "y": y}


def lines(rows: int = ROWS) -> list[str]:
    return [json.dumps(row(i)) for i in range(rows)]


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """600 rows of two keys in turn; each key has a season of 12."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines()) + "\n")
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line; exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = execute([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run
