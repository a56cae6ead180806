"""Does surprise point at anomalies? The learner's score against river's HalfSpaceTrees, on the NAB series.

    STREAMRNN_DATA=… python benchmarks/anomalies.py               # two minutes; needs river

Each series with labelled windows is streamed once through a fresh learner that forecasts the next value, one
configuration for all of them. Its published `surprise` is compared with `MinMaxScaler | HalfSpaceTrees`, both
as they come, scoring each value before learning it. The figure is the area under the ROC curve of the score
of every event against whether it lies in an anomaly window; where there is no score yet it counts as 0.
"""

import argparse
import csv
import gzip
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from harness import show_table
from numpy.typing import NDArray
from rich.progress import track
from river import anomaly, preprocessing

from streamrnn.config.models import Config
from streamrnn.learner import Learner
from streamrnn.types import Partition, Record

CONFIG: dict[str, Any] = {
    "task": {"forecast": "value"},
    "time": "timestamp",
    "features": [{"number": "value"}, {"calendar": "timestamp", "parts": ["hour", "weekday"]}],
    "networks": [{"name": "one-step", "hidden": 32, "window": 1, "learning_rate": 0.001}],
}
BLOCK = 500
Scores = NDArray[np.float64]


def series(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of each series that has anomaly windows, in order of time."""
    rows = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            rows[row["series"]].append(row | {"value": float(row["value"])})
    return {name: of for name, of in rows.items() if any(int(row["in_window"]) for row in of)}


def ours(rows: Sequence[dict[str, Any]]) -> Scores:
    learner = Learner(Config.model_validate(CONFIG), "benchmark")
    values = [msgspec.json.encode({name: row[name] for name in ("timestamp", "value")}) for row in rows]
    records = [Record(i, None, value) for i, value in enumerate(values)]
    scores: list[float] = []
    for start in range(0, len(records), BLOCK):
        for output in learner.learn(records[start : start + BLOCK], Partition("benchmark", 0)):
            scores.append(msgspec.json.decode(output.value or b"").get("surprise") or 0.0)
    return np.array(scores)


def theirs(rows: Sequence[dict[str, Any]]) -> Scores:
    model = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=42)
    scores = []
    for row in rows:
        x = {"value": row["value"]}
        scores.append(model.score_one(x))
        model.learn_one(x)
    return np.array(scores)


def area(scores: Scores, positive: NDArray[np.bool_]) -> float:
    """The share of pairs of one event in a window and one outside that the scores put in order; ties count
    half (Mann & Whitney 1947)."""
    inside, outside = np.sort(scores[positive]), scores[~positive]
    above = len(inside) - np.searchsorted(inside, outside, side="right")
    tied = np.searchsorted(inside, outside, side="right") - np.searchsorted(inside, outside, side="left")
    return float((above + tied / 2).sum() / (len(inside) * len(outside)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true", help="keep the figures, for docs")
    options = parser.parse_args()
    if not (folder := os.environ.get("STREAMRNN_DATA")):
        parser.error("set STREAMRNN_DATA to a folder that holds nab/nab_values.csv.gz")
    found: dict[str, tuple[float, float]] = {}
    for name, rows in track(series(Path(folder) / "nab" / "nab_values.csv.gz").items(), transient=True):
        positive = np.array([row["in_window"] == "1" for row in rows])
        found[name] = area(ours(rows), positive), area(theirs(rows), positive)
    areas = np.array(list(found.values()))
    lines = [[name, *(f"{value:.3f}" for value in pair)] for name, pair in found.items()]
    lines.append(["mean", *(f"{value:.4f}" for value in areas.mean(axis=0))])
    title = f"Area under the ROC curve, {len(found)} series of NAB"
    show_table(title, ("series", "surprise", "HalfSpaceTrees"), lines, "anomalies" if options.keep else None)


if __name__ == "__main__":
    main()
