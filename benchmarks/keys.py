"""Do many keys disturb each other? Settled error per key with 1000 keys in turn, against 10.

    python benchmarks/keys.py

Noisy sines with a level, height and phase of their own, forecast one ahead by one GRU 16; the mean absolute
error over the last quarter of 300,000 events of 1000 keys, and of as many of 10 keys. Prints both and their
ratio by window and learning rate.
"""

import json
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from streamrnn.config.models import Config
from streamrnn.learner import Learner
from streamrnn.types import Partition, Record

EVENTS = 300_000
WINDOWS = (1, 4, 16)
RATES: dict[str, dict[str, Any]] = {
    "3e-4": {"rate": 3e-4},
    "3e-4, inverse_sqrt over 5000": {"rate": 3e-4, "shape": "inverse_sqrt", "over": 5000, "floor": 0.05},
}


def waves(keys: int, steps: int) -> list[Record]:
    random = np.random.default_rng(5)
    level, height, phase = random.normal(0, 10, keys), random.uniform(5, 20, keys), random.uniform(0, 9, keys)
    clean = level + height * np.sin(0.7 * np.arange(steps)[:, None] + phase)
    value = clean + random.normal(0, 2, (steps, keys))
    return [
        Record(t * keys + k, None, json.dumps({"key": k, "value": value[t, k]}).encode())
        for t in range(steps)
        for k in range(keys)
    ]


def settled_error(records: list[Record], window: int, rate: dict[str, Any]) -> float:
    config = {
        "task": {"forecast": "value"},
        "key": "key",
        "features": [{"number": "value"}],
        "networks": [{"name": "only", "hidden": 16, "window": window, "learning_rate": rate}],
    }
    learner = Learner(Config.model_validate(config), "benchmark")
    last_quarter = len(records) * 3 // 4
    learner.learn(records[:last_quarter], Partition("benchmark", 0))
    before = learner.mixture.state()
    learner.learn(records[last_quarter:], Partition("benchmark", 0))
    return learner.mixture.quality_between(before)["only"]["mae"]


def main() -> None:
    few, many = waves(10, EVENTS // 10), waves(1000, EVENTS // 1000)
    cases = [(window, name) for window in WINDOWS for name in RATES]
    rows = []
    for window, name in track(cases, "learning", transient=True):
        a, b = settled_error(few, window, RATES[name]), settled_error(many, window, RATES[name])
        rows.append(f"| {window} | {name} | {a:.3f} | {b:.3f} | {b / a:.2f} |")
    console = Console(width=120, highlight=False, markup=False)
    console.print("| k | learning rate | 10 keys | 1000 keys | ratio |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        console.print(row)


if __name__ == "__main__":
    main()
