"""What do many keys cost? Memory, speed and snapshots with one key, and with up to a million.

A forecast of one number from two, one GRU of 32 that looks one step back, blocks of 500. Each number of keys
has a process of its own:

1. new          every key comes for the first time, an event each
2. steady       events of keys drawn from all, and in turn of keys drawn from 1000 of them: there the tables
                are as large and the memory that is touched is not, so that the ratio is what caches cost,
                and nothing else
3. snapshot     the copy that the loop waits for, writing it, and reading it into a fresh learner, which must
                have the same bits; medians of three; the disk's own time comes on top

Times are of the CPU, which other work on the machine disturbs least.

    python benchmarks/many_keys.py                  two minutes, 3 GB of memory
    python benchmarks/many_keys.py --keys 1 1000    small
    python benchmarks/many_keys.py --keep
"""

import argparse
import gc
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from harness import show_table
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from streamrnn.config.models import Config
from streamrnn.learner import Learner
from streamrnn.snapshots import Provenance, Store
from streamrnn.types import Partition, Record

HIDDEN = 32
KEYS = (1, 1_000, 100_000, 1_000_000)
BLOCK = 500
FEW = 1000
ROUNDS = 7
ROUND = 20_000
"""Events of one round, of all keys and of a few."""
TIMES = 3
LEAST = 100_000
"""Keys from which resident memory tells bytes per key: before, it is the allocator's own pages."""
PARTITION = Partition("benchmark", 0)


class Costs(NamedTuple):
    """Of one number of keys; CPU in microseconds per event, in seconds per snapshot."""

    keys: int
    formula: int
    """Bytes per key as the learner says."""
    measured: float
    """Bytes per key by which resident memory grew."""
    new: float
    steady: list[float]
    few: list[float]
    copied: list[float]
    written: list[float]
    megabytes: float
    restored: list[float]

    def row(self) -> list[str]:
        many = self.keys > FEW
        ratios = [few / steady for few, steady in zip(self.few, self.steady, strict=True)]
        return [
            f"{self.keys:,}",
            str(self.formula),
            f"{self.measured:.0f}" if self.keys >= LEAST else "–",
            f"{1e6 / self.new:,.0f}" if many else "–",
            f"{1e6 / statistics.median(self.steady):,.0f}",
            f"{statistics.median(ratios):.2f}" if many else "–",
            *(f"{statistics.median(seconds):.2f}" for seconds in (self.copied, self.written)),
            f"{self.megabytes:,.1f}",
            f"{statistics.median(self.restored):.2f}",
        ]


COLUMNS = (
    "keys",
    "bytes/key, formula",
    "measured",
    "new keys/s",
    "events/s",
    f"of the rate at {FEW:,}",
    "s to copy",
    "s to write",
    "MB",
    "s to restore",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, nargs="+", default=KEYS, metavar="N")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--keep", action="store_true", help="keep the figures, for docs")
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        costs = [pool.submit(measure, keys, options.rounds).result() for keys in options.keys]
    title = f"GRU {HIDDEN}, one step, per second and in seconds of CPU, medians of {options.rounds} rounds"
    show_table(title, COLUMNS, [each.row() for each in costs], "many_keys" if options.keep else None)


def measure(keys: int, rounds: int) -> Costs:
    learner = made(keys)
    learner.warm_up()
    stream = Stream(learner, keys)
    stream.learn(np.zeros(10 * BLOCK, np.int64), "warming up")
    gc.collect()
    gc.freeze()  # as the service does
    before = resident()
    new = stream.learn(np.arange(keys), f"{keys:,} keys, new")
    measured = (resident() - before) / keys
    steady, few = [], []
    for number in range(rounds + 1):
        name = f"{keys:,} keys, round {number} of {rounds}"
        spent = stream.draw(keys, name), stream.draw(min(keys, FEW), name)
        if number:  # the first round warms up
            steady.append(spent[0])
            few.append(spent[1])
    copied, written, megabytes, restored = snapshots(learner, keys)
    costs = (learner.bytes_per_key, measured, new, steady, few, copied, written, megabytes, restored)
    return Costs(keys, *costs)


def made(keys: int) -> Learner:
    config: dict[str, Any] = {
        "task": {"forecast": "value"},
        "key": "key",
        "max_keys": keys,
        "features": [{"number": "value"}, {"number": "other"}],
        "networks": [{"name": "only", "cell": "gru", "hidden": HIDDEN, "window": 1}],
    }
    return Learner(Config.model_validate(config), "benchmark")


class Stream:
    """Gives events to a learner, made block by block; only learning is timed."""

    def __init__(self, learner: Learner, keys: int) -> None:
        self._learner = learner
        self._random = np.random.default_rng(keys)
        self._offset = 0

    def draw(self, keys: int, name: str) -> float:
        """A round of events of keys 0 … `keys` − 1; microseconds of CPU per event."""
        return self.learn(self._random.integers(0, keys, ROUND), name)

    def learn(self, keys: NDArray[np.int64], name: str) -> float:
        spent = 0.0
        begins = range(0, len(keys), BLOCK)
        for begin in track(begins, name, console=Console(stderr=True), transient=True):
            records = self._records(keys[begin : begin + BLOCK])
            start = time.thread_time()
            self._learner.learn(records, PARTITION)
            spent += time.thread_time() - start
        return spent / len(keys) * 1e6

    def _records(self, keys: NDArray[np.int64]) -> list[Record]:
        """A slow wave per key, and noise."""
        first, n = self._offset, len(keys)
        self._offset += n
        noise = self._random.normal(size=(2, n))
        value = np.sin(0.01 * np.arange(first, first + n) + keys) + 0.1 * noise[0]
        rows = zip(range(first, first + n), keys.tolist(), value.tolist(), noise[1].tolist(), strict=True)
        form = '{"key":"key-%010d","value":%.5f,"other":%.5f}'
        return [Record(at, None, (form % (key, a, b)).encode()) for at, key, a, b in rows]


# --- snapshots --------------------------------------------------------------------------------------


def snapshots(learner: Learner, keys: int) -> tuple[list[float], list[float], float, list[float]]:
    """Seconds to copy the state, to write it, and to read it into a learner; megabytes of a snapshot."""
    copied, written, restored = [], [], []
    before = learner.state_digest()
    with tempfile.TemporaryDirectory(prefix="streamrnn-bench-") as folder:
        store = Store(Path(folder), "benchmark")
        for offset in range(TIMES):
            seconds, state = timed(learner.state)
            copied.append(seconds)
            told = Provenance("benchmark", PARTITION, offset, learner.events, learner.digest, "", {}, {})
            seconds, manifest = timed(lambda state=state, told=told: store.save(state, told))
            written.append(seconds)
            del state
            seconds, other = timed(lambda offset=offset: restore(store, offset, keys))
            restored.append(seconds)
            if other.state_digest() != before:
                raise RuntimeError("the restored learner is another one")
            del other
    return copied, written, manifest.state.bytes / 1e6, restored


def restore(store: Store, offset: int, keys: int) -> Learner:
    found = store.newest("benchmark", PARTITION, offset).snapshot
    if found is None:
        raise RuntimeError(f"there is no snapshot at {offset}")
    learner = made(keys)
    learner.load(found.arrays)
    return learner


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = act()
    return time.process_time() - start, result


def resident() -> int:
    """Bytes of memory that this process occupies."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024


if __name__ == "__main__":
    main()
