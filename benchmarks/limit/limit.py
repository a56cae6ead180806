"""How far is the compiled kernel from C? The same arithmetic in `limit.c`, written for speed, on one stream.

A layer with 8 inputs, linear head, squared error, clipping, Adam, float32, one key, one thread, every event
labelled; windows of 16 steps are run again with today's weights by both. First both learn 300
events from the same parameters, and their outputs must agree to 1e-4. Then kernel, C and a second instance
of C take turns in many short rounds of the same events; shown are medians of CPU time per event and of the
ratios within a round. The last column is C against itself: what a ratio is worth here.

Needs gcc or clang; $CC names another.

    python benchmarks/limit/limit.py             three cells, all sizes, about two and a half minutes
    python benchmarks/limit/limit.py --quick     the GRU with 64 hidden values alone
    python benchmarks/limit/limit.py --keep
"""

import argparse
import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import show_table

from streamrnn.arrays import Steps
from streamrnn.core import Network, Schedule, Window

Array = npt.NDArray[np.float64]
Learn = Callable[[Array, Array], Array]
"""(x (n, d), target (n,)) → outputs (n,), learning on the way."""

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-mprefer-vector-width=512")
CELLS = ("elman", "gru", "lstm")
"""In the order of `enum cell`."""
HIDDEN = (32, 64, 256)
WINDOWS = (1, 16)
INPUTS = 8
RATE, WARMUP, CLIP = 3e-4, 100, 1.0
EVENTS = 300
"""Over which kernel and C must agree."""
TOLERANCE = 1e-4
WORK = 10_000_000
"""Hidden values squared, times steps, that a round takes: milliseconds, beside which its call is nothing."""
ROUNDS = 300


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the GRU with 64 hidden values alone")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--keep", action="store_true", help="keep the figures, for docs")
    options = parser.parse_args()
    with compiled() as library:
        rows = [
            [cell, str(hidden), str(window), *measure(library, cell, hidden, window, options.rounds)]
            for cell in (("gru",) if options.quick else CELLS)
            for window in WINDOWS
            for hidden in ((64,) if options.quick else HIDDEN)
        ]
    title = f"Microseconds of CPU per event, medians of {options.rounds} rounds"
    columns = ("cell", "hidden", "k", "kernel", "C", "kernel / C", "C / C")
    show_table(title, columns, rows, "limit" if options.keep else None)


def measure(library: ctypes.CDLL, cell: str, hidden: int, window: int, rounds: int) -> list[str]:
    """Times of kernel and C, their ratio, and that of C to itself."""
    network, kernel = ours(cell, hidden, window)
    parameters = flat(network)
    with (
        peer(library, cell, hidden, window, parameters) as c,
        peer(library, cell, hidden, window, parameters) as again,
    ):
        learners = (kernel, c, again)
        x, target = stream(EVENTS)
        outputs = [learn(x, target) for learn in learners]
        if (gap := float(np.abs(outputs[0] - outputs[1]).max())) > TOLERANCE:
            raise RuntimeError(f"{cell} {hidden}, k = {window}: kernel and C are {gap:.1e} apart")
        x, target = stream(max(10, WORK // (hidden * hidden * (window + 1))))
        times: list[list[float]] = [[], [], []]
        for number in range(rounds + 2):
            order = (0, 1, 2) if number % 2 else (2, 1, 0)
            spent = {which: timed(learners[which], x, target) for which in order}
            if number >= 2:  # the first rounds warm up
                for which, value in spent.items():
                    times[which].append(value)
    middle = [statistics.median(mine) for mine in times[:2]]
    return [f"{value:.2f}" for value in (*middle, ratio(times[0], times[1]), ratio(times[2], times[1]))]


def ratio(mine: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(mine, theirs, strict=True))


def timed(learn: Learn, x: Array, target: Array) -> float:
    begin = time.thread_time()
    learn(x, target)
    return (time.thread_time() - begin) / len(x) * 1e6


def stream(events: int) -> tuple[Array, Array]:
    """Something that can be learned in part: a slow wave and one of the inputs."""
    random = np.random.default_rng(0)
    x = random.normal(size=(events, INPUTS))
    return x, np.sin(0.1 * np.cumsum(x[:, 0])) + x[:, 1]


# --- ours -------------------------------------------------------------------------------------------


def ours(cell: str, hidden: int, window: int) -> tuple[Network, Learn]:
    """`Network.advance` on arrays."""
    network = Network(
        name="limit",
        cell=cell,
        inputs=INPUTS,
        hidden=hidden,
        loss="squared",
        horizon=0,
        window=Window.fixed(window),
        schedule=Schedule(rate=RATE, warmup=WARMUP),
        clip=CLIP,
    )

    def learn(x: Array, target: Array) -> Array:
        n = len(x)
        zeros, none = np.zeros(n, np.int32), np.full(n, -1, np.int32)
        steps = Steps(zeros, np.zeros(n, np.bool_), np.ones(n, np.bool_), zeros, none, none)
        return network.advance(steps, x, target[:, np.newaxis], np.ones((n, 1)))[:, 0]

    return network, learn


def flat(network: Network) -> npt.NDArray[np.float32]:
    """Its parameters in the order of `limit.c`."""
    named = network.parameters()
    biases = [named.get("bias_ih_l0", named.get("bias_l0")), named.get("bias_hh_l0")]
    parts = [named["weight_ih_l0"].T, biases[0], named["weight_hh_l0"].T, biases[1]]
    parts += [named["head.0.weight"], named["head.0.bias"]]
    return np.concatenate([part.ravel() for part in parts if part is not None]).astype(np.float32)


# --- C ----------------------------------------------------------------------------------------------


@contextmanager
def compiled() -> Iterator[ctypes.CDLL]:
    """`limit.c` as a library."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("No C compiler found. Install gcc or clang, or set CC to one.")
    with tempfile.TemporaryDirectory(prefix="streamrnn-limit-") as folder:
        path = Path(folder) / "limit.so"
        source = Path(__file__).with_name("limit.c")
        subprocess.run([compiler, *FLAGS, "-shared", "-fPIC", source, "-o", path, "-lm"], check=True)
        library = ctypes.CDLL(str(path))
        library.born.restype = ctypes.c_void_p
        yield library


@contextmanager
def peer(
    library: ctypes.CDLL, cell: str, hidden: int, window: int, parameters: npt.NDArray[np.float32]
) -> Iterator[Learn]:
    """A learner in C that begins with these parameters."""
    sizes = (CELLS.index(cell), INPUTS, hidden, window)
    pace = (ctypes.c_float(CLIP), ctypes.c_float(RATE), WARMUP)
    handle = ctypes.c_void_p(library.born(*sizes, *pace, ctypes.c_void_p(parameters.ctypes.data)))

    def learn(x: Array, target: Array) -> Array:
        out = np.empty(len(x))
        arrays = (ctypes.c_void_p(array.ctypes.data) for array in (x, target, out))
        library.learn(handle, ctypes.c_long(len(x)), *arrays)
        return out

    yield learn
    library.gone(handle)


if __name__ == "__main__":
    main()
