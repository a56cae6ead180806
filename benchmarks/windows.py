"""Is one step back enough? Windows side by side on the same streams, by how much has been seen.

    python benchmarks/windows.py            # made streams, and those under $STREAMRNN_DATA if it is set

For each stream one learner with four networks that differ in nothing but the window: k = 1, 4, 16, and
growing from 1 to 16 by plateau. Prints the error of each over successive parts of the stream: mean absolute
error, or log loss for classes; the lowest of a row is bold.
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from rich.progress import track

from streamrnn.cli.demo import pedestrians
from streamrnn.cli.rows import Rows
from streamrnn.config.models import Config
from streamrnn.learner import Learner
from streamrnn.types import Partition, Record

WINDOWS: dict[str, Any] = {"k = 1": 1, "k = 4": 4, "k = 16": 16, "growing": {"grow": [1, 16]}}
PARTS = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Ends of the parts, as shares of the stream."""
EXAMPLES = Path(__file__).parent.parent / "examples"
BLOCK = 500


def echo(lag: int, events: int = 50_000, seed: int = 0) -> list[Record]:
    """A random number, and as label the one of `lag` events before: a short window cannot learn to."""
    values = np.random.default_rng(seed).normal(size=events + lag)
    rows = ({"x": values[i + lag], "y": values[i]} for i in range(events))
    return [Record(i, None, json.dumps(row).encode()) for i, row in enumerate(rows)]


def from_file(path: Path) -> list[Record]:
    rows = Rows(path)
    records = [record for batch in rows.batches(10_000) for record in batch]
    rows.close()
    return records


def streams(data: Path | None) -> Iterator[tuple[str, dict[str, Any], list[Record]]]:
    """Name, configuration and records of each stream."""
    for lag in (3, 10):
        task = {"task": {"regression": "y"}, "features": [{"number": "x"}]}
        yield f"echo of {lag} events ago", task, echo(lag)
    records = [Record(i, None, event.value) for i, event in enumerate(pedestrians.load())]
    yield "pedestrians", configuration("pedestrians"), records
    if data is None:
        return
    for name in ("elec2", "bike_sharing", "etth1"):
        yield name, configuration(name), from_file(data / name / f"{name}.csv.gz")


def configuration(name: str) -> dict[str, Any]:
    """That of the example of this name."""
    config: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    return config


def errors_by_part(task: dict[str, Any], records: Sequence[Record], name: str) -> list[dict[str, float]]:
    """For each part, the error of each network over it."""
    like = task.get("networks", [{}])[0]
    networks = [like | {"name": f"net-{i}", "window": window} for i, window in enumerate(WINDOWS.values())]
    learner = Learner(Config.model_validate(task | {"networks": networks}), "benchmark")
    ends = [int(share * len(records)) for share in PARTS]
    parts = []
    before = learner.mixture.state()
    cuts = sorted({*range(0, len(records), BLOCK), *ends})
    for begin, end in track(list(pairwise(cuts)), name, console=Console(stderr=True), transient=True):
        learner.learn(records[begin:end], Partition("benchmark", 0))
        if end in ends:
            quality = learner.mixture.quality_between(before)
            error = "mae" if "mae" in quality["mix"] else "log_loss"
            parts.append({w: quality[f"net-{i}"][error] for i, w in enumerate(WINDOWS)})
            before = learner.mixture.state()
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAME", help="streams whose name begins so")
    only = parser.parse_args().only or ""
    data = os.environ.get("STREAMRNN_DATA")
    console = Console(width=120, highlight=False, markup=False)
    for name, task, records in streams(Path(data) if data else None):
        if not name.startswith(only):
            continue
        console.print(f"\n{name}, {len(records):,} events\n")
        console.print("| part of the stream | " + " | ".join(WINDOWS) + " |")
        console.print("| --- |" + " --- |" * len(WINDOWS))
        for (begin, end), part in zip(
            pairwise((0.0, *PARTS)), errors_by_part(task, records, name), strict=True
        ):
            best = min(part.values())
            cells = [f"**{value:.4g}**" if value == best else f"{value:.4g}" for value in part.values()]
            console.print(f"| {begin:.0%} – {end:.0%} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
