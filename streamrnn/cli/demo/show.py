"""The demo from its first line to its last."""

import contextlib
import fcntl
import json
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from string import Template
from types import FrameType
from typing import NamedTuple

from rich.console import Console

from streamrnn.broker import Broker
from streamrnn.cli.demo import pedestrians, proof, summary, topics
from streamrnn.cli.demo.board import Scene
from streamrnn.cli.demo.publisher import Publisher
from streamrnn.cli.demo.readings import Readings
from streamrnn.cli.demo.screen import screen
from streamrnn.cli.demo.status import StatusPoller
from streamrnn.cli.demo.terminal import Keys
from streamrnn.cli.demo.twin import TwinProcess
from streamrnn.cli.demo.watcher import Fetched, Watcher
from streamrnn.cli.demo.worker import Worker
from streamrnn.errors import ConfigError, RecoveryError, TransportError
from streamrnn.kafka_client import probe

FOLDER = Path(".data/demo")
TURN_SECONDS = 0.05
TWIN_SECONDS = 1.0
"""How often the twin hears how far it may go."""
RATE_SECONDS = 3.0
PATIENCE_SECONDS = 10.0
"""How long a start waits before it says for what."""
ANSWER_SECONDS = 5.0
LEFT = "Left half way. Run it again: it goes on where the input ended."


class Options(NamedTuple):
    crash: bool = False
    follow: bool = False
    bootstrap_servers: str | None = None
    reset: bool = False
    rate: float = 1200.0


def show(options: Options, folder: Path = FOLDER) -> None:
    """Runs the demo; leaves nothing running, whatever happens."""
    console = Console(highlight=False)
    with contextlib.ExitStack() as closing:
        closing.enter_context(_ends_on_signals())
        closing.enter_context(_alone(folder))
        events = pedestrians.load()
        bootstrap_servers = _given_kafka(options) or _start_kafka(console, closing, folder)
        topics.create(bootstrap_servers)
        topics.check_ours(bootstrap_servers, events)
        stage = Stage(options, folder, console, events, bootstrap_servers, closing)
        stage.set()
        if not stage.play():
            return
        stage.prove()
        if options.follow:
            stage.follow()


def _given_kafka(options: Options) -> str | None:
    servers = options.bootstrap_servers
    if servers is not None and not probe({"bootstrap_servers": servers}, ANSWER_SECONDS):
        raise TransportError(
            f"no Kafka answers at {servers}; without --bootstrap-servers one is started here"
        )
    return servers


def _start_kafka(console: Console, closing: contextlib.ExitStack, folder: Path) -> str:
    console.print("Starting Apache Kafka (the first time its jars are downloaded, 44 MB) …")
    return closing.enter_context(Broker(folder / "broker")).bootstrap_servers


class Stage:
    """Everything that takes part, and what it does: `set`, `play`, `prove`, perhaps `follow`."""

    def __init__(
        self,
        options: Options,
        folder: Path,
        console: Console,
        events: list[pedestrians.Event],
        bootstrap_servers: str,
        closing: contextlib.ExitStack,
    ) -> None:
        self._options = options
        self._folder = folder
        self._console = console
        self._events = events
        self._bootstrap_servers = bootstrap_servers
        self._closing = closing
        self._port = _free_port()
        self._config = _write_config(folder, bootstrap_servers, self._port)
        self._worker = Worker(self._config, folder / "worker.log")
        self._crash_at = len(events) + 1
        self._crashes: list[Crash] = []
        self._rate = Rate()
        self._twin_told = 0.0

    # --- before the first event ---------------------------------------------------------------------

    def set(self) -> None:
        """Worker, twin and publisher are ready to go on from where the last demo ended, or to begin anew."""
        self._read_what_was()
        fresh = self._choose_life()
        self._start_worker(("--reset",) if fresh else ())
        self._begin_to_publish()
        self._twin = TwinProcess(self._config, self._bootstrap_servers, self._folder / "twin.log")
        self._closing.callback(self._twin.close)

    def _read_what_was(self) -> None:
        self._watcher = Watcher(self._bootstrap_servers, topics.PREDICTIONS)
        self._closing.callback(lambda: self._watcher.close())
        self._readings = Readings()
        for fetched in self._watcher.up_to_now():
            self._take(fetched)

    def _choose_life(self) -> bool:
        """True if a new life of the model begins: none has begun, or all was seen, or the user wants it."""
        held = topics.extent(self._bootstrap_servers, topics.INPUT)
        seen = self._seen(held.end) and sum(held.records.values()) == len(self._events)
        if seen or self._options.reset:
            self._console.print(
                "All of the stream was seen: a new model begins from its start." if seen else "Begins anew."
            )
            topics.empty(self._bootstrap_servers)
            self._watcher.close()
            self._read_what_was()
            held = topics.extent(self._bootstrap_servers, topics.INPUT)
        self._left = pedestrians.left(self._events, held.records)
        begun = len(self._events) - len(self._left)
        if begun and not seen:
            self._console.print(f"Going on where the input ended: event {begun:,} of {len(self._events):,}.")
        self._end = {
            partition: held.begin[partition] + sum(event.partition == partition for event in self._events)
            for partition in held.begin
        }
        if self._options.crash:
            self._crash_at = len(self._events) - len(self._left) // 2
        return begun == 0

    def _start_worker(self, arguments: tuple[str, ...]) -> None:
        self._console.print("Starting the worker (the first time it compiles its networks) …")
        self._worker.start(arguments)
        self._closing.callback(self._worker.stop)
        self._status = StatusPoller(self._port)
        self._status.start()
        self._closing.callback(self._status.stop)
        self._await_worker()

    def _await_worker(self) -> None:
        """Returns once the worker that runs now is ready."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while not (self._status.latest.ready and self._status.latest.pid == self._worker.pid):
            self._worker.supervise()
            time.sleep(TURN_SECONDS)
            if time.monotonic() > patience:
                reason = self._status.latest.reason
                self._console.print(f"  still waiting for the worker: {reason} (log: {self._worker.log})")
                patience += PATIENCE_SECONDS

    def _begin_to_publish(self) -> None:
        self._publisher = Publisher(self._bootstrap_servers, topics.INPUT, self._left, self._options.rate)
        self._publisher.start()
        self._closing.callback(self._publisher.stop)

    # --- while it flows -----------------------------------------------------------------------------

    def play(self) -> bool:
        """Shows the stream until all of it was learned; False if the user leaves before."""
        address = f"http://127.0.0.1:{self._port}"
        self._scene = Scene(self._readings, len(self._events), address=address)
        try:
            finished = self._watch()
        except KeyboardInterrupt:
            self._console.print(LEFT)
            raise
        if not finished:
            self._console.print(LEFT)
        return finished

    def _watch(self) -> bool:
        with screen(self._console) as view, Keys() as keys:
            while not (self._publisher.done and self._seen(self._end)):
                self._take(self._watcher.poll(TURN_SECONDS))
                self._worker.supervise()
                self._inform_twin()
                pressed = keys.pressed()
                if "q" in pressed:
                    return False
                if "k" in pressed or self._readings.count >= self._crash_at:
                    self._kill()
                self._update_scene()
                view.show(self._scene)
        return True

    def _take(self, fetched: Fetched) -> None:
        for partition, records in fetched.items():
            for record in records:
                if self._crashes:
                    self._crashes[-1].note(record.timestamp, self._readings.count)
                self._readings.add(partition, record.key, record.value or b"")

    def _seen(self, end: Mapping[int, int]) -> bool:
        """Everything before these offsets of the input has its prediction."""
        lives = self._readings.lives
        return all(
            partition in lives and lives[partition].next == offset for partition, offset in end.items()
        )

    def _inform_twin(self) -> None:
        now = time.monotonic()
        if now >= self._twin_told + TWIN_SECONDS:
            self._twin_told = now
            self._twin.allow(self._readings.lives)

    def _kill(self) -> None:
        self._crash_at = len(self._events) + 1
        self._worker.kill()
        self._crashes.append(Crash(self._readings.count))
        self._worker.supervise()

    def _update_scene(self) -> None:
        scene, count = self._scene, self._readings.count
        scene.rate = self._rate.of(count)
        scene.published = len(self._events) - len(self._left) + self._publisher.published
        scene.status = self._status.latest
        scene.kills = [crash.count for crash in self._crashes]
        scene.worker = f"worker {self._worker.pid}"
        if self._crashes:
            scene.worker += f", {self._crashes[-1]}"

    # --- after the last one -------------------------------------------------------------------------

    def prove(self) -> None:
        """Stops the worker, compares, sums up. Raises RecoveryError if anything differs from the twin."""
        self._publisher.stop()
        self._await_worker()  # killed at the very end, its successor has to come back first
        self._worker.stop()
        self._console.print("The twin, which nobody disturbed, learns the last of it …")
        twins = self._twin.finish(self._readings.lives)
        compared = proof.compare(self._folder / "snapshots", self._readings, twins)
        summary.tell(self._console, self._scene, compared, self._crashes)
        if not all(row.identical for row in compared):
            raise RecoveryError("the worker differs from its undisturbed twin: this is a fault of streamrnn")
        if not self._options.follow:
            summary.advise(self._console, self._folder, self._readings)

    def follow(self) -> None:
        """The service goes on until Ctrl-C."""
        self._worker.start()
        summary.addresses(self._console, self._bootstrap_servers, self._port, self._config)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                self._worker.supervise()
                time.sleep(TURN_SECONDS)


class Crash:
    """One kill -9 of the worker, and how long it took until its successor published."""

    def __init__(self, count: int) -> None:
        self.count = count
        """Events that had been predicted."""
        self.back_after: float | None = None
        """Seconds until the next prediction."""
        self._at = time.time()

    def note(self, timestamp: int, count: int) -> None:
        """A prediction that was published at `timestamp` [ms] follows `count` others."""
        if self.back_after is None and timestamp / 1000 > self._at:
            self.back_after, self.count = timestamp / 1000 - self._at, count

    def __str__(self) -> str:
        if self.back_after is None:
            return f"killed {time.time() - self._at:.1f} s ago"
        return f"back after {self.back_after:.1f} s"


class Rate:
    """Events per second over the last few seconds."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def of(self, count: int) -> float:
        now = time.monotonic()
        self._marks.append((now, count))
        while now - self._marks[0][0] > RATE_SECONDS:
            self._marks.popleft()
        then, before = self._marks[0]
        return (count - before) / (now - then) if now > then else 0.0


# --- the machine ----------------------------------------------------------------------------------


def _write_config(folder: Path, bootstrap_servers: str, port: int) -> Path:
    """The worker's configuration, a file that its reader may take as an example."""
    template = resources.files("streamrnn.cli.demo").joinpath("config.yaml").read_text()
    path = folder / "config.yaml"
    store = json.dumps(str(folder / "snapshots"))
    path.write_text(
        Template(template).substitute(bootstrap_servers=bootstrap_servers, store=store, port=port)
    )
    return path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One demo at a time in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"another demo runs in {folder.absolute()}; leave it first") from None
        yield


@contextlib.contextmanager
def _ends_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP leave as Ctrl-C does: through every exit that tidies up."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
