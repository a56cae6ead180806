"""Does anything wear out? Ten million events through one learner, and the same again with interruptions.

A dozen keys whose levels drift and jump, values that are missing, outliers up to 1e200; a GRU of 8 that looks
one step back and an LSTM of 8 that looks four back, side by side. One process learns the stream in blocks of
500. Another learns it at the same time in blocks of random lengths, and at random places writes a snapshot,
reads it into a fresh learner and goes on with that one. At the end of each tenth both must be the same bit
for bit, with no number in their state that is not finite; shown are time and memory of each tenth.

    python benchmarks/long_run.py                       ten minutes
    python benchmarks/long_run.py --events 200000       small
    python benchmarks/long_run.py --keep
"""

import argparse
import gc
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from harness import show_table
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from streamrnn.arrays import State
from streamrnn.config.models import Config
from streamrnn.learner import Learner
from streamrnn.snapshots import Provenance, Store
from streamrnn.types import Partition, Record

EVENTS = 10_000_000
TENTHS = 10
KEYS = 12
BLOCK = 500
PAGE = 10_000
"""Events that are made at once, each page by a generator of its own: any process can begin anywhere."""
RESTORES = 50
PARTITION = Partition("benchmark", 0)
CONFIG: dict[str, Any] = {
    "task": {"forecast": "value"},
    "key": "key",
    "features": [{"number": "value"}, {"number": "other"}, {"lags": "value", "steps": [1, 24]}],
    "networks": [
        {"name": "one-step", "cell": "gru", "hidden": 8, "window": 1},
        {"name": "four-steps", "cell": "lstm", "hidden": 8, "window": 4},
    ],
}
MARKERS = ("keys/labels", "window/before")
"""Ends of names of arrays in which NaN says that there is nothing."""


class Tenth(NamedTuple):
    """What a run was like at the end of a tenth of its stream."""

    microseconds: float
    """CPU per event of this tenth, learning alone."""
    megabytes: float
    """Resident memory."""
    digest: str
    """Of everything published so far."""
    state: str
    """Hash of the state."""


Next = Callable[[Learner, int], tuple[Learner, int]]
"""The learner to go on with, and how many events to learn next; told how many have been."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--keep", action="store_true", help="keep the figures, for docs")
    options = parser.parse_args()
    straight, broken = side_by_side(options.events)
    same = [a[2:] == b[2:] for a, b in zip(straight, broken, strict=True)]
    rows = [
        [
            f"{options.events * (i + 1) // TENTHS:,}",
            *(text for tenth in (a, b) for text in (f"{tenth.microseconds:.2f}", f"{tenth.megabytes:.1f}")),
            "yes" if same[i] else "NO",
        ]
        for i, (a, b) in enumerate(zip(straight, broken, strict=True))
    ]
    columns = ("events", "µs CPU", "MB", f"µs, {RESTORES} restores", "MB, restores", "same bits")
    ratio = straight[-1].microseconds / straight[0].microseconds
    title = f"GRU 8 and LSTM 8, {KEYS} keys; last tenth / first tenth: {ratio:.3f} of the time"
    show_table(title, columns, rows, "long_run" if options.keep else None)
    if not all(same):
        raise SystemExit("the run that was restored went another way")


def side_by_side(events: int) -> list[list[Tenth]]:
    """The tenths of the undisturbed run, and of the one that is cut and restored."""
    spawn = multiprocessing.get_context("spawn")
    names = {"in one go": uncut, "cut and restored": cut}
    found: dict[str, list[Tenth]] = {}
    with Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        tasks = {name: progress.add_task(name, total=events) for name in names}
        mine: dict[Any, str] = {}
        processes = []
        for name, run in names.items():
            here, there = spawn.Pipe(duplex=False)
            mine[here] = name
            processes.append(spawn.Process(target=run, args=(events, there), daemon=True))
            processes[-1].start()
            there.close()  # so that the end of the process is the end of the pipe
        while mine:
            for pipe in wait(list(mine)):
                message = pipe.recv()  # type: ignore[union-attr]
                if isinstance(message, int):
                    progress.update(tasks[mine[pipe]], completed=message)
                else:
                    found[mine.pop(pipe)] = message
    for process in processes:
        process.join()
    return [found[name] for name in names]


# --- the two runs -----------------------------------------------------------------------------------


def uncut(events: int, pipe: Connection) -> None:
    pipe.send(learned(events, pipe, lambda learner, _: (learner, BLOCK)))


def cut(events: int, pipe: Connection) -> None:
    random = Random(1)
    places = sorted(random.sample(range(1, events), RESTORES))
    with tempfile.TemporaryDirectory(prefix="streamrnn-bench-") as folder:
        store = Store(Path(folder), "benchmark")

        def following(learner: Learner, done: int) -> tuple[Learner, int]:
            if places and places[0] == done:
                places.pop(0)
                learner = restored(learner, store, done)
            length = random.choice((1, 7, 50, 500, 2000))
            return learner, min(length, places[0] - done) if places else length

        pipe.send(learned(events, pipe, following))


def restored(learner: Learner, store: Store, offset: int) -> Learner:
    told = Provenance("benchmark", PARTITION, offset, learner.events, learner.digest, "", {}, {})
    store.save(learner.state(), told)
    found = store.newest("benchmark", PARTITION, offset).snapshot
    if found is None:
        raise RuntimeError(f"there is no snapshot at {offset}")
    other = made()
    other.load(found.arrays)
    return other


def learned(events: int, pipe: Connection, following: Next) -> list[Tenth]:
    learner = made()
    learner.warm_up()
    gc.freeze()  # as the service does
    tenths, spent, done = [], 0.0, 0
    stream = Reader(events)
    for tenth in range(TENTHS):
        begin, end = done, events * (tenth + 1) // TENTHS
        while done < end:
            learner, length = following(learner, done)
            records = stream.read(min(length, end - done))
            start = time.thread_time()
            learner.learn(records, PARTITION)
            spent += time.thread_time() - start
            done += len(records)
            if done % PAGE < len(records):
                pipe.send(done)
        state = learner.state()
        refuse_odd(state, done)
        microseconds, spent = spent / (end - begin) * 1e6, 0.0
        tenths.append(Tenth(microseconds, resident(), learner.digest, learner.state_digest()))
    return tenths


def made() -> Learner:
    return Learner(Config.model_validate(CONFIG), "benchmark")


def refuse_odd(state: State, done: int) -> None:
    for name, array in state.items():
        if not name.endswith(MARKERS) and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise RuntimeError(f"after {done} events array {name} holds a number that is not finite")


def resident() -> float:
    """Megabytes of memory that this process occupies."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


# --- the stream -------------------------------------------------------------------------------------


class Reader:
    """The stream from its beginning, as many events at a time as are asked for."""

    def __init__(self, events: int) -> None:
        self._pages = (page(number) for number in range(-(-events // PAGE)))
        self._ready: list[Record] = []
        self._at = 0

    def read(self, count: int) -> list[Record]:
        """At most `count` events: no more than what is left of a page."""
        if self._at == len(self._ready):
            self._ready, self._at = next(self._pages), 0
        records = self._ready[self._at : self._at + count]
        self._at += len(records)
        return records


def page(number: int) -> list[Record]:
    """10,000 events: waves on a level that wanders and jumps, by key; 2 % of values missing, outliers."""
    random = np.random.default_rng(number)
    at = number * PAGE + np.arange(PAGE)
    key = random.integers(0, KEYS, PAGE)
    level = 20.0 * np.sin(1e-6 * at + key) + 5.0 * ((at // 700_000 + key) % 3)
    value = level + (1 + key % 4) * np.sin(0.02 * at + key) + random.normal(0.0, 0.3, PAGE)
    value *= 10.0 ** np.where(random.random(PAGE) < 2e-4, random.choice([3, 9, 200], PAGE), 0)
    texts = list(map("%.6g".__mod__, value.tolist()))
    for row in np.flatnonzero(random.random(PAGE) < 0.02).tolist():
        texts[row] = "null"
    other = random.normal(size=PAGE).tolist()
    form = '{"key":"key-%d","value":%s,"other":%.4f}'
    rows = zip(at.tolist(), key.tolist(), texts, other, strict=True)
    return [Record(i, None, (form % (k, v, x)).encode()) for i, k, v, x in rows]


if __name__ == "__main__":
    main()
