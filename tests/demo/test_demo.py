"""The demo as a whole, on a Kafka of its own: left, taken up again, killed, proved, begun anew."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import streamrnn
from streamrnn.caches import cache_folder

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

COMMAND = [sys.executable, "-m", "streamrnn", "demo"]
PATIENCE = 120.0


def environment() -> dict[str, str]:
    here = str(Path(streamrnn.__file__).parent.parent)
    numba = str(cache_folder().absolute() / "numba")
    sizeless = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return sizeless | {
        "PYTHONPATH": here,
        "STREAMRNN_CACHE_DIR": str(cache_folder().absolute()),
        "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", numba),
        "TERM": "xterm-256color",
    }


def nothing_runs_in(folder: Path) -> bool:
    demo = folder / ".data" / "demo"
    left = [demo / "worker.pid", demo / "broker" / "broker.pid"]
    return (demo / "config.yaml").exists() and not any(path.exists() for path in left)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def test_left_taken_up_killed_proved_and_begun_anew(folder: Path) -> None:
    _left_by_ctrl_c(folder)
    _taken_up_and_killed(folder)
    _begun_anew_in_a_terminal(folder)


def _left_by_ctrl_c(folder: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--rate", "2000"], cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "of 66,037 events" in line:
                break
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
    assert demo.returncode == 130, rest
    assert nothing_runs_in(folder)


def _taken_up_and_killed(folder: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--rate", "8000", "--crash"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("Going on where the input ended", "kill -9 after event", "killed once", "What next"):
        assert words in done.stdout
    assert done.stdout.count("identical") == 4
    assert "\x1b" not in done.stdout
    assert nothing_runs_in(folder)


def _begun_anew_in_a_terminal(folder: Path) -> None:
    lives = {path.name for path in (folder / ".data/demo/snapshots/melbourne").iterdir()}
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 140))
    before = termios.tcgetattr(theirs)
    with subprocess.Popen(
        COMMAND, cwd=folder, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs
    ) as demo:
        shown = _read_until(ours, b"kill -9 the worker")
        assert b"a new model begins" in shown
        os.write(ours, b"k")
        _read_until(ours, b", killed")
        os.write(ours, b"q")
        shown = _read_until(ours, b"Left half way")
        assert demo.wait(PATIENCE) == 0
    assert termios.tcgetattr(theirs) == before
    assert b"\x1b[?1049l" in shown  # the alternate screen was left
    os.close(ours)
    os.close(theirs)
    assert len({path.name for path in (folder / ".data/demo/snapshots/melbourne").iterdir()} - lives) == 2
    assert nothing_runs_in(folder)


def _read_until(descriptor: int, words: bytes) -> bytes:
    shown = b""
    deadline = time.monotonic() + PATIENCE
    while words not in shown:
        assert time.monotonic() < deadline, shown[-2000:]
        if select.select([descriptor], [], [], 0.5)[0]:
            shown += os.read(descriptor, 65536)
    return shown
