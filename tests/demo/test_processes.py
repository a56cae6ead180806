"""Worker, twin, keys and status: what the demo does with other processes and with the terminal."""

import fcntl
import json
import os
import pty
import subprocess
import sys
import termios
import time
from pathlib import Path
from string import Template

import pytest

from streamrnn.cli.demo import pedestrians, show, terminal, worker
from streamrnn.cli.demo.status import Status, ask, understood
from streamrnn.cli.demo.twin import Digests, Twin
from streamrnn.config import Config, load
from streamrnn.errors import ConfigError, TransportError
from streamrnn.learner import Learner
from streamrnn.learner.outputs import Digest
from streamrnn.snapshots import digest
from streamrnn.types import Partition, Record


@pytest.fixture
def config(tmp_path: Path) -> Config:
    template = Path(pedestrians.__file__).with_name("config.yaml").read_text()
    path = tmp_path / "config.yaml"
    path.write_text(Template(template).substitute(bootstrap_servers="127.0.0.1:1", store='"here"', port=0))
    return load(path, (), {})


def test_the_twin_is_the_learner_however_it_is_fed_and_never_goes_too_far(config: Config) -> None:
    events = [event for event in pedestrians.load() if event.partition == 1][:400]
    records = [Record(10 + index, event.key, event.value) for index, event in enumerate(events)]
    learner, place = Learner(config, "life"), Partition("pedestrians", 1)
    outputs = learner.learn(records[:300], place)
    chain = Digest()
    chain.add(outputs)

    twin = Twin(config, "life", 1, 10)
    twin.take([Record(9, None, b"of an earlier life"), *records[:170]])
    for goal in (50, 60, 310):
        while twin.advance(goal):
            pass
        twin.take(records[170:] if goal == 60 else [])
    assert twin.next == 310
    assert twin.digests() == Digests(300, str(chain), digest(learner.state()))


def test_a_left_over_worker_is_ended_and_a_namesake_is_not(tmp_path: Path) -> None:
    config, pid_file = str(tmp_path / "config.yaml"), tmp_path / "worker.pid"
    idle = "import time; time.sleep(60)"
    left_over = subprocess.Popen([sys.executable, "-c", idle, "streamrnn", "run", config])
    namesake = subprocess.Popen([sys.executable, "-c", idle, "streamrnn", "run", "another.yaml"])
    try:
        for process in (left_over, namesake):
            _wait_until_it_runs(process.pid)
            pid_file.write_text(json.dumps({"pid": process.pid, "config": config}))
            if process is left_over:
                _reap_soon(left_over)
            worker.end_left_over(pid_file)
            assert not pid_file.exists()
        assert left_over.wait(10) == -9
        assert namesake.poll() is None
    finally:
        for process in (left_over, namesake):
            process.kill()
            process.wait()


def _wait_until_it_runs(pid: int) -> None:
    """Until the child has become the program that it was started as."""
    deadline = time.monotonic() + 10
    while b"streamrnn" not in Path(f"/proc/{pid}/cmdline").read_bytes() and time.monotonic() < deadline:
        time.sleep(0.01)


def _reap_soon(process: "subprocess.Popen[bytes]") -> None:
    """A child that ended keeps its command line until its parent asks for it."""
    import threading

    threading.Thread(target=process.wait, daemon=True).start()


def test_a_worker_that_gives_up_ends_the_demo_with_its_last_words(tmp_path: Path) -> None:
    missing = worker.Worker(tmp_path / "no.yaml", tmp_path / "worker.log")
    missing.start()
    deadline = time.monotonic() + 30
    with pytest.raises(TransportError, match=r"exit code 2: .*no\.yaml"):
        while time.monotonic() < deadline:
            missing.supervise()
            time.sleep(0.05)
    missing.stop()
    assert not (tmp_path / "worker.pid").exists()


def test_a_kafka_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"no Kafka answers at 127\.0\.0\.1:1"):
        show.show(show.Options(bootstrap_servers="127.0.0.1:1"), tmp_path)


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another demo runs"):
            show.show(show.Options(), tmp_path)


def test_keys_come_at_once_and_the_terminal_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as stdin, os.fdopen(ours, "wb", buffering=0) as keyboard:
        monkeypatch.setattr(terminal.sys, "stdin", stdin)
        before = termios.tcgetattr(stdin)
        with pytest.raises(KeyboardInterrupt), terminal.Keys() as keys:
            assert keys.pressed() == ""
            keyboard.write(b"xk")
            time.sleep(0.05)
            assert keys.pressed() == "xk"
            assert termios.tcgetattr(stdin) != before
            raise KeyboardInterrupt
        assert termios.tcgetattr(stdin) == before


def test_without_a_terminal_no_keys_come(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(terminal.sys, "stdin", nothing)
        with terminal.Keys() as keys:
            assert keys.pressed() == ""


def test_status_is_put_together_from_the_partitions() -> None:
    answer = {
        "pid": 17,
        "ready": True,
        "reason": "fine",
        "partitions": [
            {"partition": 1, "windows": {"growing": 4}, "weights": {"growing": 0.5, "last": 0.5}},
            {"partition": 0, "windows": {"growing": 2}, "weights": {"growing": 0.1, "last": 0.9}},
        ],
    }
    status = understood(answer, Status())
    assert (status.pid, status.ready, status.reason) == (17, True, "fine")
    assert status.windows == {"growing": (2, 4)}
    assert status.weights == pytest.approx({"growing": 0.3, "last": 0.7})


def test_while_the_worker_is_away_or_restores_its_last_figures_stay() -> None:
    before = Status(17, True, "", {"growing": (2, 4)}, {"last": 1.0})
    restoring = {"partitions": [{"partition": 0, "windows": {}, "weights": {}}]}
    answer = {"pid": 18, "ready": False, "reason": "it restores", **restoring}
    assert understood(answer, before) == Status(18, False, "it restores", before.windows, before.weights)
    nobody = ask(1, before)
    assert (nobody.ready, nobody.windows, nobody.weights) == (False, before.windows, before.weights)
