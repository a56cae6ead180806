"""The undisturbed twin: a plain learner per partition that reads the same topic, in a process of its own.

It takes no part in a consumer group, publishes nothing and is never killed. Standard input tells it, a JSON
line at a time, whose twin it is and how far the worker came; it never learns beyond that. When the input
closes, it learns up to there and answers with its digests.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

from streamrnn.cli.demo import topics
from streamrnn.cli.demo.readings import Life
from streamrnn.cli.demo.watcher import Watcher
from streamrnn.config import Config, load
from streamrnn.errors import RecoveryError
from streamrnn.learner import Learner
from streamrnn.learner.outputs import Digest
from streamrnn.snapshots import digest
from streamrnn.types import Partition, Record

BLOCK = 500
LEAST_PRIORITY = 19
WAIT_SECONDS = 0.2


class Goal(msgspec.Struct, frozen=True):
    """What one partition's twin has to become: that life, from `start` up to before `offset`."""

    lineage: str
    start: int
    offset: int


class Digests(msgspec.Struct, frozen=True):
    """What must be equal bit for bit."""

    events: int
    predictions: str
    """Chains key and value of every prediction, in order."""
    state: str
    """Of every array of the learner: weights, hidden states, optimiser, scalers, mix, quality."""


Goals = dict[int, Goal]


class Twin:
    """One partition's twin."""

    def __init__(self, config: Config, lineage: str, partition: int, start: int) -> None:
        self._learner = Learner(config, lineage)
        self._partition = Partition(topics.INPUT, partition)
        self._predictions = Digest()
        self._coming: list[Record] = []
        self._start = start
        self.next = start

    def take(self, records: list[Record]) -> None:
        self._coming += [record for record in records if record.offset >= self._start]

    def advance(self, offset: int) -> bool:
        """Learns a block of what came before `offset`; False if nothing of it is left to learn."""
        block = [record for record in self._coming[:BLOCK] if record.offset < offset]
        if not block:
            return False
        del self._coming[: len(block)]
        outputs = self._learner.learn(block, self._partition)
        self._predictions.add([output for output in outputs if output.kind == "prediction"])
        self.next = block[-1].offset + 1
        return True

    def digests(self) -> Digests:
        state = digest(self._learner.state())
        return Digests(self._learner.events, str(self._predictions), state)


# --- the process ----------------------------------------------------------------------------------


class _Orders:
    """The goals of the last line, and whether it was the last one. A thread reads them."""

    def __init__(self, lines: IO[bytes]) -> None:
        self.goals: Goals = {}
        self.final = False
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def _read(self, lines: IO[bytes]) -> None:
        for line in lines:
            self.goals = msgspec.json.decode(line, type=Goals)
        self.final = True


def follow(config: Config, bootstrap_servers: str, orders: _Orders) -> dict[int, Digests]:
    """Learns what the orders allow, until the last of them is fulfilled."""
    watcher = Watcher(bootstrap_servers, topics.INPUT)
    twins: dict[int, Twin] = {}
    unclaimed: dict[int, list[Record]] = {}
    while True:
        final, goals = orders.final, orders.goals
        for partition, goal in goals.items():
            if partition not in twins:
                twins[partition] = Twin(config, goal.lineage, partition, goal.start)
        if final and all(twins[partition].next >= goal.offset for partition, goal in goals.items()):
            watcher.close()
            return {partition: twin.digests() for partition, twin in twins.items()}
        for partition, records in watcher.poll(WAIT_SECONDS).items():
            unclaimed.setdefault(partition, []).extend(records)
        for partition, twin in twins.items():
            twin.take(unclaimed.pop(partition, []))
            while twin.advance(goals[partition].offset):
                pass


def main() -> None:
    os.nice(LEAST_PRIORITY)
    config, bootstrap_servers = Path(sys.argv[1]), sys.argv[2]
    orders = _Orders(sys.stdin.buffer)
    answer = follow(load(config, (), os.environ), bootstrap_servers, orders)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


# --- the demo's end of it -------------------------------------------------------------------------


class TwinProcess:
    """Starts the twin and talks to it."""

    def __init__(self, config: Path, bootstrap_servers: str, log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-m", "streamrnn.cli.demo.twin", str(config), bootstrap_servers],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )

    def allow(self, lives: Mapping[int, Life]) -> None:
        """It may learn what these lives have published."""
        self._say({partition: Goal(life.lineage, life.start, life.next) for partition, life in lives.items()})

    def finish(self, lives: Mapping[int, Life]) -> dict[int, Digests]:
        """Its digests where these lives stand now. Raises RecoveryError if it failed."""
        self.allow(lives)
        answer, _ = self._process.communicate()
        if self._process.returncode != 0:
            raise RecoveryError(f"the twin failed, so nothing is proved (log: {self._log})")
        return msgspec.json.decode(answer, type=dict[int, Digests])

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _say(self, goals: Any) -> None:
        if self._process.poll() is not None or self._process.stdin is None:
            raise RecoveryError(
                f"the twin ended before its time, so nothing can be proved (log: {self._log})"
            )
        self._process.stdin.write(msgspec.json.encode(goals) + b"\n")
        self._process.stdin.flush()


if __name__ == "__main__":
    main()
