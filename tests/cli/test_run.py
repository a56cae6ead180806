"""`run` from the command line: what it wires together, its log, its exit codes."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamrnn.cli.logs import JsonFormatter, TextFormatter
from tests.cli.conftest import CONFIG, ROWS, Run, lines


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """`run` sets up logging for its process; here it is put back."""
    root, ours = logging.getLogger(), logging.getLogger("streamrnn")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before


@pytest.fixture
def service(tmp_path: Path, stream: Path) -> Path:
    """From the small stream's file into a file."""
    path = tmp_path / "service.yaml"
    path.write_text(
        CONFIG + f"source: {{file: {stream}}}\nsink: {{file: {tmp_path}/out.jsonl}}\n"
        f"snapshots: {{store: {tmp_path}/snapshots}}\nhttp: {{port: 0}}\n"
    )
    return path


def test_a_file_is_learned_to_its_end_and_the_next_start_goes_on(
    run: Run, service: Path, stream: Path, tmp_path: Path
) -> None:
    assert run("run", service, "--log-level", "warning") == (0, "", "")
    with stream.open("a") as file:
        file.write("".join(line + "\n" for line in lines(ROWS + 10)[ROWS:]))
    assert run("run", service, "--log-level", "warning") == (0, "", "")
    published = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    predictions = [record for record in published if "prediction" in record]
    assert [record["event"] for record in predictions] == list(range(1, ROWS + 11))
    assert len({record["lineage"] for record in predictions}) == 1


def test_what_run_publishes_is_what_replay_says(
    run: Run, service: Path, stream: Path, tmp_path: Path
) -> None:
    assert run("run", service, "--log-level", "warning")[0] == 0
    assert run("replay", service, "--input", stream, "--predictions", tmp_path / "replayed.jsonl")[0] == 0
    live, replayed = (
        [json.loads(line)["prediction"] for line in (tmp_path / name).read_text().splitlines()]
        for name in ("out.jsonl", "replayed.jsonl")
    )
    assert live == replayed and len(live) == ROWS


def test_the_log_is_json_if_asked_for_and_names_the_address(run: Run, service: Path) -> None:
    code, out, err = run("run", service, "--log-format", "json", "--max-records", 50)
    assert (code, out) == (0, "")
    log = [json.loads(line) for line in err.splitlines()]
    assert all(set(line) == {"time", "level", "logger", "message"} for line in log)
    assert any(re.search(r"status at http://127\.0\.0\.1:\d+$", line["message"]) for line in log)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--set", "source=null"], 2, "source: is missing"),
        (["--set", "delivery=exactly_once"], 2, "delivery: exactly_once needs Kafka on both sides"),
        (["--set", "source={file: absent.csv}"], 3, "absent.csv cannot be read"),
        (["--idle-exit", "soon"], 2, "--idle-exit soon: expected a duration such as"),
    ],
)
def test_what_cannot_run_says_why(
    run: Run, service: Path, arguments: list[str], code: int, said: str
) -> None:
    found, _, err = run("run", service, "--log-level", "error", *arguments)
    assert found == code
    assert said in err and err.count("\n") == 1


def test_sigterm_ends_a_worker_in_order_and_its_health_is_on_http(service: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streamrnn", "run", str(service), "--set", "source.follow=true"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as worker:
        assert worker.stderr is not None
        address = next(found[0] for line in worker.stderr if (found := re.search(r"http://\S+", line)))
        out = tmp_path / "out.jsonl"
        deadline = time.monotonic() + 60
        while not out.exists() or out.read_text().count("\n") < ROWS:
            assert time.monotonic() < deadline, "nothing is published"
            time.sleep(0.1)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{address}/livez", timeout=10) as answer:
            assert answer.status == 200
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
        assert "SIGTERM: finishing the batch" in worker.stderr.read()


def test_formats_of_a_log_line() -> None:
    record = logging.LogRecord("streamrnn.x", logging.INFO, "file", 1, "%s rows", (3,), None)
    record.created = 1_700_000_000.25
    assert TextFormatter().format(record) == "2023-11-14T22:13:20.250Z INFO    3 rows"
    line = {"time": "2023-11-14T22:13:20.250Z", "level": "info", "logger": "streamrnn.x", "message": "3 rows"}
    assert json.loads(JsonFormatter().format(record)) == line
    try:
        raise ValueError("é\nx")
    except ValueError:
        record.exc_info = sys.exc_info()
    shown = JsonFormatter().format(record)
    assert "\n" not in shown and "ValueError: é" in json.loads(shown)["traceback"]
