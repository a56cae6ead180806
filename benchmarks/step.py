"""How long does it take to learn one event? The kernel alone and the whole learner, against eager PyTorch.

GRU with 8 inputs, linear head, squared error, clipping, Adam, float32, one thread; every event is
labelled. Each opponent learns the same stream in turn, several rounds over, so that whatever slows the
machine slows them all; shown are medians of CPU time per event, and medians of the ratios within a round.

    python benchmarks/step.py             all sizes, about two minutes
    python benchmarks/step.py --quick     hidden 64 alone
    python benchmarks/step.py --keep
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from harness import show_table
from torch_loop import TorchLoop

from streamrnn.arrays import Steps
from streamrnn.config.models import Config
from streamrnn.core import Network, Schedule, Window
from streamrnn.learner import Learner
from streamrnn.types import Partition, Record

HIDDEN = (32, 64, 256)
WINDOWS = (1, 16)
BLOCKS = (500, 1)
FIELDS = 4
"""Number fields of the learner's stream; with their masks they make 8 inputs."""
INPUTS = 2 * FIELDS
ROUNDS = 7


class Times(NamedTuple):
    """Microseconds of CPU per event, one value per round."""

    kernel: list[float]
    learner: list[float]
    torch: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="hidden 64 alone")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--keep", action="store_true", help="keep the figures, for docs")
    options = parser.parse_args()
    rows = [
        [str(hidden), str(window), str(block), *row(measure(hidden, window, block, options.rounds))]
        for hidden in ((64,) if options.quick else HIDDEN)
        for window in WINDOWS
        for block in BLOCKS
    ]
    title = f"Microseconds of CPU per event, torch {torch.__version__}, medians of {options.rounds} rounds"
    columns = ("hidden", "k", "block", "kernel", "learner", "torch", "torch / kernel", "torch / learner")
    show_table(title, columns, rows, "step" if options.keep else None)


def row(times: Times) -> list[str]:
    """Medians, and medians of ratios within a round."""
    ratios = [
        statistics.median(theirs / ours for theirs, ours in zip(times.torch, mine, strict=True))
        for mine in (times.kernel, times.learner)
    ]
    return [f"{statistics.median(mine):.1f}" for mine in times] + [f"{ratio:.0f}" for ratio in ratios]


def measure(hidden: int, window: int, block: int, rounds: int) -> Times:
    """Alternating rounds of the three opponents."""
    events = max(block, 2000 if hidden < 256 else 500)
    kernel, learner = kernel_alone(hidden, window, block), whole_learner(hidden, window, block)
    eager = peer(hidden, window)
    times = Times([], [], [])
    for number in range(rounds + 1):
        spent = (timed(kernel, events), timed(learner, events), timed(eager, max(events // 20, window + 5)))
        if number:  # the first round warms up
            for mine, value in zip(times, spent, strict=True):
                mine.append(value)
    return times


def timed(learn: Callable[[int], None], events: int) -> float:
    begin = time.thread_time()
    learn(events)
    return (time.thread_time() - begin) / events * 1e6


def kernel_alone(hidden: int, window: int, block: int) -> Callable[[int], None]:
    """`Network.advance` on arrays."""
    network = Network(
        name="bench",
        inputs=INPUTS,
        hidden=hidden,
        loss="squared",
        horizon=0,
        window=Window.fixed(window),
        schedule=Schedule(),
    )
    random = np.random.default_rng(0)
    zeros, none = np.zeros(block, np.int32), np.full(block, -1, np.int32)
    steps = Steps(zeros, np.zeros(block, np.bool_), np.ones(block, np.bool_), zeros, none, none)
    unit = np.ones((block, 1))
    x, target = random.normal(size=(2000, block, INPUTS)), random.normal(size=(2000, block, 1))

    def learn(events: int) -> None:
        for number in range(events // block):
            network.advance(steps, x[number], target[number], unit)

    return learn


def whole_learner(hidden: int, window: int, block: int) -> Callable[[int], None]:
    """`Learner.learn` from bytes to bytes: decoding, scaling, network, mix and scores, encoding, digest."""
    config = Config.model_validate(
        {
            "task": {"regression": "y", "loss": "squared"},
            "features": [{"number": f"x{i}"} for i in range(FIELDS)],
            "networks": [{"name": "bench", "hidden": hidden, "window": window}],
        }
    )
    learner = Learner(config, "bench")
    if learner.networks[0].inputs != INPUTS:
        raise RuntimeError(f"the learner has {learner.networks[0].inputs} inputs, not {INPUTS}")
    values = records(4000)
    partition = Partition("bench", 0)
    position = 0

    def learn(events: int) -> None:
        nonlocal position
        for _ in range(events // block):
            learner.learn(values[position : position + block], partition)
            position = (position + block) % (len(values) - block + 1)

    return learn


def records(count: int) -> list[Record]:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(count, FIELDS)), random.normal(size=count)
    rows: list[dict[str, Any]] = [{f"x{i}": value for i, value in enumerate(row)} for row in x.tolist()]
    return [
        Record(offset=number, key=None, value=json.dumps(row | {"y": label}).encode())
        for number, (row, label) in enumerate(zip(rows, y.tolist(), strict=True))
    ]


def peer(hidden: int, window: int) -> Callable[[int], None]:
    loop = TorchLoop(INPUTS, hidden, window)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2000, 1, INPUTS, generator=generator).unbind()
    target = torch.randn(2000, 1, 1, generator=generator).unbind()

    def learn(events: int) -> None:
        for number in range(events):
            loop.learn(x[number], target[number])

    return learn


if __name__ == "__main__":
    main()
