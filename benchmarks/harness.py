"""What the benchmarks of whole processes share: a stream, a broker with topics, and how results are shown."""

import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from kafka import KafkaConsumer
from kafka.structs import TopicPartition
from rich.console import Console
from rich.table import Table

from streamrnn.broker import Broker, create_topics
from streamrnn.cli.rows import Rows

NUMBERS = ("period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")
RESULTS = Path(__file__).parent / "results"
STREAMRNN = str(Path(sys.executable).with_name("streamrnn"))


# --- the stream -------------------------------------------------------------------------------------


def elec2() -> tuple[Path, str]:
    """A file of electricity prices, and what it is: the real one of $STREAMRNN_DATA, or one of its shape."""
    if folder := os.environ.get("STREAMRNN_DATA"):
        return Path(folder) / "elec2" / "elec2.csv.gz", "elec2"
    path = Path(tempfile.gettempdir()) / "streamrnn-like-elec2.csv.gz"
    if not path.exists():
        path.write_bytes(gzip.compress(_made(45_312).encode()))
    return path, "a made stream like elec2"


def _made(rows: int) -> str:
    """Slow waves and noise in [0, 1], and whether the price is above the mean of the last day."""
    random = np.random.default_rng(0)
    hours = np.arange(rows) / 2
    waves = 0.5 + 0.3 * np.sin(2 * np.pi * (hours[:, np.newaxis] / 24 + np.arange(4) / 7))
    values = np.clip(waves + random.normal(0, 0.1, (rows, 4)), 0, 1)
    total = np.concatenate([[0.0], np.cumsum(values[:, 0])])
    before = np.maximum(np.arange(rows) - 48, 0)
    above = values[:, 0] > (total[1:] - total[before]) / (np.arange(rows) + 1 - before)
    lines = ["date,day,period,nswprice,nswdemand,vicprice,vicdemand,transfer,target"]
    for i in range(rows):
        numbers = ",".join(f"{value:.6f}" for value in (i % 48 / 47, *values[i], values[i, :2].mean()))
        lines.append(f"{i / rows:.6f},{i // 48 % 7 + 1},{numbers},{int(above[i])}")
    return "\n".join(lines) + "\n"


def config(hidden: int, **rest: Any) -> dict[str, Any]:
    """A configuration for `elec2`: one GRU that looks one step back."""
    return {
        "task": {"binary": "target"},
        "features": [
            *({"number": name} for name in NUMBERS),
            {"category": "day", "bound": 7, "buckets": 1},
            {"previous": "target"},
        ],
        "networks": [{"name": "one-step", "cell": "gru", "hidden": hidden, "window": 1}],
        **rest,
    }


def values(path: Path) -> list[bytes]:
    """The rows of a file as record values."""
    rows = Rows(path)
    found = [record.value or b"" for batch in rows.batches(10_000) for record in batch]
    rows.close()
    return found


# --- a broker, and processes that work on it --------------------------------------------------------


class Topics(NamedTuple):
    """One partition each."""

    events: str
    predictions: str
    dead: str


class Site:
    """A broker of its own in a folder of its own, and services that work on it."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.options = {"bootstrap_servers": broker.bootstrap_servers}

    def topics(self, name: str, events: str = "") -> Topics:
        """Fresh ones, though the events may be those of a topic that is there."""
        topics = Topics(events or f"{name}.events", f"{name}.predictions", f"{name}.dead")
        create_topics(self.options, dict.fromkeys(topics, 1), {"retention.ms": "-1"})
        return topics

    def configuration(self, name: str, hidden: int, topics: Topics) -> Path:
        """The file of a service of that name: its group, its snapshots."""
        servers = self.options["bootstrap_servers"]
        source = {"bootstrap_servers": servers, "topic": topics.events, "group": name, "slot": "bench"}
        sink = {"topic": topics.predictions, "dead_letters": topics.dead}
        settings = config(
            hidden,
            source={"kafka": source},
            sink={"kafka": sink},
            snapshots={"store": str(self.folder / "snapshots")},
            http={"port": 0},
        )
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(settings))
        return path

    def service(self, configuration: Path, *options: str) -> subprocess.Popen[bytes]:
        """`streamrnn run`, its log beside its configuration."""
        with configuration.with_suffix(".log").open("ab") as log:
            return subprocess.Popen([STREAMRNN, "run", str(configuration), *options], stderr=log, stdout=log)


@contextmanager
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="streamrnn-bench-") as name:
        folder = Path(name)
        with Broker(folder / "broker") as broker:
            yield Site(folder, broker)


class Reader:
    """What a consumer of committed records sees of a topic, as soon as it can see it."""

    def __init__(self, site: Site, topic: str) -> None:
        self._consumer = KafkaConsumer(
            **site.options, isolation_level="read_committed", enable_auto_commit=False, fetch_max_wait_ms=10
        )
        place = TopicPartition(topic, 0)
        self._consumer.assign([place])
        self._consumer.seek(place, 0)
        self.records: list[Any] = []

    def read(self, count: int, seconds: float = 120.0) -> float:
        """Reads on until there are `count` records in all; returns when they were, by the monotonic clock."""
        deadline = time.monotonic() + seconds
        while len(self.records) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.records)} of {count} records within {seconds:.0f} s")
            for records in self._consumer.poll(20, max_records=10_000).values():
                self.records += records
        return time.monotonic()

    def close(self) -> None:
        self._consumer.close()


# --- results ----------------------------------------------------------------------------------------


class Figure(NamedTuple):
    """One result: a median of several runs."""

    what: str
    values: Sequence[float]
    unit: str
    goal: str
    form: str = ",.0f"

    def row(self) -> list[str]:
        low, middle, high = min(self.values), statistics.median(self.values), max(self.values)
        shown = [format(value, self.form) for value in (middle, low, high)]
        return [self.what, f"{shown[0]} {self.unit}".strip(), f"{shown[1]} … {shown[2]}", self.goal]


def show(figures: Sequence[Figure], title: str, keep: str | None) -> None:
    rows = [figure.row() for figure in figures]
    show_table(title, ("what", "median", "range", "goal"), rows, keep)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], keep: str | None) -> None:
    """For people; with `keep`, also into results/KEEP.json, from which docs are made."""
    when = f"{machine()}, {datetime.now(UTC):%Y-%m-%d}"
    table = Table(*columns, title=f"{title}; {when}")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if keep is not None:
        RESULTS.mkdir(exist_ok=True)
        kept = {"title": title, "when": when, "columns": list(columns), "rows": [list(row) for row in rows]}
        (RESULTS / f"{keep}.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


class Kept(NamedTuple):
    """What `show_table` kept."""

    title: str
    when: str
    columns: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        return [row[self.columns.index(name)] for row in self.rows]

    def markdown(self) -> str:
        return f"{self.title}; {self.when}\n\n{markdown_table(self.columns, self.rows)}"


def kept_table(name: str) -> Kept:
    path = RESULTS / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"{path} is not there: run the benchmark with --keep first")
    return Kept(**json.loads(path.read_text()))


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [columns, ["---"] * len(columns), *rows])


def machine() -> str:
    """Its processor where Linux tells, and how many of its cores there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"
