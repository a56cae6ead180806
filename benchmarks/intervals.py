"""Do intervals cover what they are asked to, all along, and how wide are they?

    STREAMRNN_DATA=… python benchmarks/intervals.py               # half a minute

Four streams, one pass each, `interval: 0.9`. The coverage of the published intervals is taken over each
tenth of the stream; the figure is the tenth that is farthest off. Their opponent is a rule without any
feedback: the 0.9 quantile of all absolute errors so far of the same predictions. Widths compare by the mean
interval score: the width, and 20 times how far outside a label lies (Gneiting & Raftery 2007); the lower
the better.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import yaml
from harness import show_table
from numpy.typing import NDArray
from rich.progress import track

from streamrnn.cli.rows import Rows
from streamrnn.config.models import Config
from streamrnn.learner import Learner
from streamrnn.types import Partition

LEVEL = 0.9
BLOCK = 500
EXAMPLES = Path(__file__).parent.parent / "examples"
SUNSPOTS: dict[str, Any] = {
    "task": {"forecast": "sunspots"},
    "time": "timestamp",
    "features": [{"number": "sunspots"}],
    "networks": [{"name": "one-step", "hidden": 32, "window": 1, "learning_rate": 0.001}],
}
Floats = NDArray[np.float64]


class Question(NamedTuple):
    name: str
    file: str
    config: dict[str, Any]


class Judged(NamedTuple):
    """Labels, and the prediction and interval that each of them judges (n,)."""

    label: Floats
    prediction: Floats
    low: Floats
    high: Floats


def questions() -> list[Question]:
    etth1, bikes = (
        yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()) for name in ("etth1", "bike_sharing")
    )
    unknown = [feature for feature in etth1["features"] if "lags" in feature]  # most of them a day ahead
    features = [feature for feature in etth1["features"] if feature not in unknown]
    features.append({"lags": "OT", "steps": [25, 26, 27, 28, 29, 168, 169]})
    day = etth1 | {"task": etth1["task"] | {"horizon": 24}, "features": features}
    return [
        Question("etth1, 1 ahead", "etth1/etth1.csv.gz", etth1),
        Question("etth1, 24 ahead", "etth1/etth1.csv.gz", day),
        Question("bike_sharing", "bike_sharing/bike_sharing.csv.gz", bikes),
        Question("sunspots, daily", "sunspots/sunspots_daily.csv.gz", SUNSPOTS),
    ]


def judged(question: Question, file: Path) -> Judged:
    config = question.config | {"task": question.config["task"] | {"interval": LEVEL}}
    learner = Learner(Config.model_validate(config), "benchmark")
    horizon, rows, answers = config["task"].get("horizon", int("forecast" in config["task"])), [], []
    source = Rows(file)
    for batch in track(source.batches(BLOCK), question.name, transient=True):
        answers += [msgspec.json.decode(out.value) for out in learner.learn(batch, Partition("benchmark", 0))]
    source.close()
    for i, answer in enumerate(answers):
        if "judged" in answer and (interval := answers[i - horizon].get("interval")):
            rows.append((answer["judged"]["label"], answer["judged"]["prediction"], *interval))
    return Judged(*np.array([row for row in rows if row[2] is not None]).T)


def running_quantile(of: Judged) -> Judged:
    """Without feedback: as wide as would have covered the asked share so far."""
    errors, half = np.abs(of.label - of.prediction), np.zeros(len(of.label))
    past: Floats = np.empty(0)
    for i, error in enumerate(errors.tolist()):
        half[i] = past[min(int(LEVEL * (i + 1)), i - 1)] if i else error
        past = np.insert(past, np.searchsorted(past, error), error)
    return of._replace(low=of.prediction - half, high=of.prediction + half)


def line(name: str, method: str, of: Judged) -> Sequence[str]:
    inside = (of.low <= of.label) & (of.label <= of.high)
    tenths = [tenth.mean() for tenth in np.array_split(inside, 10)]
    outside = np.maximum(of.low - of.label, 0) + np.maximum(of.label - of.high, 0)
    width = (of.high - of.low).mean()
    score = width + 2 / (1 - LEVEL) * outside.mean()
    farthest = max(tenths, key=lambda tenth: abs(tenth - LEVEL))
    return name, method, f"{inside.mean():.3f}", f"{farthest:.3f}", f"{width:.4g}", f"{score:.4g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true", help="keep the figures, for docs")
    options = parser.parse_args()
    if not (folder := os.environ.get("STREAMRNN_DATA")):
        parser.error("set STREAMRNN_DATA to a folder that holds etth1, bike_sharing and sunspots")
    lines = []
    for question in questions():
        of = judged(question, Path(folder) / question.file)
        lines.append(line(question.name, "published", of))
        lines.append(line("", "all errors so far", running_quantile(of)))
    columns = ("stream", "intervals", "coverage", "farthest tenth", "width", "score")
    show_table(f"Intervals of level {LEVEL}", columns, lines, "intervals" if options.keep else None)


if __name__ == "__main__":
    main()
