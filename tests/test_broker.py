"""The local Apache Kafka: what is acknowledged survives, what is left over is found, the extra is named."""

import builtins
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamrnn.broker import Broker, create_topics, end_left_over
from streamrnn.errors import ConfigError, TransportError
from streamrnn.kafka_client import probe

pytestmark = pytest.mark.kafka

START_AND_DIE = """
import os, sys
from pathlib import Path
from streamrnn.broker import Broker
broker = Broker(Path(sys.argv[1]))
broker.start()
print(broker.pid, flush=True)
os._exit(9)
"""


def test_left_over_of_a_dead_owner_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")  # it must not leak in: nothing starts with that
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    started = subprocess.run(
        [sys.executable, "-c", START_AND_DIE, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=False
    )
    pid = int(started.stdout)
    command = Path(f"/proc/{pid}/cmdline")
    assert b"kafka.Kafka" in command.read_bytes()
    end_left_over(tmp_path)
    assert not (tmp_path / "broker.pid").exists()
    assert not command.exists() or command.read_bytes() == b""  # nobody may have waited for it yet


def test_directory_of_a_living_owner_is_refused(broker: Broker) -> None:
    with pytest.raises(ConfigError, match=r"runs in .* already"):
        Broker(broker.directory).start()
    assert broker.pid is not None


def test_pid_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (tmp_path / "broker.pid").write_text(f'{{"pid": {bystander.pid}, "owner": 1, "owner_started": "0"}}')
        end_left_over(tmp_path)
        assert bystander.poll() is None
        bystander.send_signal(signal.SIGKILL)
    assert not (tmp_path / "broker.pid").exists()


def test_topics_survive_kill_and_restart_on_the_same_port(fragile_broker: Broker) -> None:
    options = {"bootstrap_servers": fragile_broker.bootstrap_servers}
    create_topics(options, {"survivor": 3})
    fragile_broker.kill()
    assert not probe(options, seconds=0.5)
    fragile_broker.restart()
    assert options == {"bootstrap_servers": fragile_broker.bootstrap_servers}
    with pytest.raises(ConfigError, match="topic survivor has 3 partitions, 2 are asked for"):
        create_topics(options, {"survivor": 2})


def test_frozen_broker_does_not_answer_until_it_is_thawed(fragile_broker: Broker) -> None:
    options = {"bootstrap_servers": fragile_broker.bootstrap_servers}
    fragile_broker.freeze()
    assert not probe(options, seconds=0.5)
    fragile_broker.thaw()
    assert probe(options, seconds=5)


def test_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_jgo(name: str, *rest: object) -> object:
        if name.startswith("jgo"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_jgo)
    with pytest.raises(ConfigError, match=r"pip install 'streamrnn\[broker\]'"):
        Broker(tmp_path).start()


def test_jar_that_differs_from_its_checksum_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamrnn import broker as module

    class Artifact:
        cached_path = tmp_path / "some.jar"

        def resolve(self) -> Path:
            self.cached_path.write_bytes(b"not what was pinned")
            return self.cached_path

    class Context:
        def project(self, *_: str) -> "Context":
            return self

        at_version = project

        def artifact(self) -> Artifact:
            return Artifact()

    with pytest.raises(TransportError, match="is not the one that was pinned"):
        module._fetch_one(Context(), "a:b:1", "0" * 64)
    assert not Artifact.cached_path.exists()


def test_a_cluster_id_that_begins_with_a_dash_is_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamrnn.broker._cluster_id", lambda: "-tVm7gQpT1OmyQbkxq2Hzg")
    with Broker(tmp_path) as broker:
        assert probe({"bootstrap_servers": broker.bootstrap_servers}, 5.0)
