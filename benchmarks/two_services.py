"""What does a second service add? Two processes of one group on two cores, against one.

A topic with two partitions on a real broker, the same number of events in each; every event is learned by one
GRU of 32 that looks one step back and published exactly once, 500 to a transaction. In turn one service
(`streamrnn run`) has both partitions, and two services have one each. Rates are read off the timestamps of
what was published while both partitions flowed, so that starts and the group's meeting do not count.

The broker works on the same two cores; its own time per event is shown. What the cores themselves allow is
shown by `streamrnn replay` of a file, without a broker: two at once against one.

    python benchmarks/two_services.py               five minutes; needs the extra `broker`
    python benchmarks/two_services.py --rounds 1 --repeat 1
    STREAMRNN_DATA=… python benchmarks/two_services.py --keep
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import STREAMRNN, Figure, Site, Topics, config, elec2, show, values
from kafka import KafkaConsumer
from kafka.structs import TopicPartition
from rich.console import Console
from rich.progress import track

from streamrnn.broker import Broker, create_topics
from streamrnn.sinks.kafka import produce

HIDDEN = 32
ROUNDS = 5
REPEAT = 3
"""How often the file stands in the topic, so that a run takes seconds."""
PARTITIONS = 2
MEETING = {"group.initial.rebalance.delay.ms": 6000}
"""How long a new group waits for its second member before it shares out the partitions."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--repeat", type=int, default=REPEAT)
    parser.add_argument("--keep", action="store_true", help="keep the figures, for docs")
    options = parser.parse_args()
    file, what = elec2()
    events = values(file) * options.repeat
    events = events[: len(events) // PARTITIONS * PARTITIONS]
    one, two, broker, alone, together = [], [], [], [], []
    with site() as (place, pid):
        create_topics(place.options, {"all.events": PARTITIONS}, {"retention.ms": "-1"})
        produce(place.options, "all.events", ((None, value) for value in events))  # they take turns
        rounds = range(options.rounds + 1)
        for number in track(rounds, "rounds", console=Console(stderr=True), transient=True):
            before = seconds_of(pid)
            mine = [served(place, f"{count}-{number}", len(events), count) for count in (1, 2)]
            spent = (seconds_of(pid) - before) / (2 * len(events)) * 1e6
            theirs = [replayed(place, file, count) for count in (1, 2)]
            if number:  # the first round compiles what is not in the cache
                found = (*mine, spent, *theirs)
                for figures, figure in zip((one, two, broker, alone, together), found, strict=True):
                    figures.append(figure)
    results = [
        Figure("one service", one, "events/s", ""),
        Figure("two services", two, "events/s", ""),
        Figure("two / one, in one round", ratios(two, one), "", "", ".2f"),
        Figure("CPU of the broker per event", broker, "µs", ""),
        Figure("one `replay`", alone, "events/s", ""),
        Figure("two at once", together, "events/s", ""),
        Figure("two / one, in one round", ratios(together, alone), "", "", ".2f"),
    ]
    title = f"GRU {HIDDEN}, one step, {what}, {PARTITIONS} partitions, medians of {options.rounds} rounds"
    show(results, title, "two_services" if options.keep else None)


def ratios(mine: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(mine, theirs, strict=True)]


@contextmanager
def site() -> Iterator[tuple[Site, int]]:
    """And the process id of its broker."""
    with tempfile.TemporaryDirectory(prefix="streamrnn-bench-") as name:
        folder = Path(name)
        with Broker(folder / "broker", settings=MEETING) as broker:
            assert broker.pid is not None
            yield Site(folder, broker), broker.pid


# --- through the broker -----------------------------------------------------------------------------


def served(place: Site, name: str, events: int, services: int) -> float:
    """Events per second of this number of services that share the partitions."""
    topics = Topics("all.events", f"{name}.predictions", f"{name}.dead")
    create_topics(place.options, dict.fromkeys(topics[1:], PARTITIONS), {"retention.ms": "-1"})
    configuration = place.configuration(name, HIDDEN, topics)
    share = str(events // services)
    slots = [f"source.kafka.slot=bench-{number}" for number in range(services)]
    processes = [place.service(configuration, "--max-records", share, "--set", slot) for slot in slots]
    if any([process.wait() for process in processes]):
        raise RuntimeError(configuration.with_suffix(".log").read_text())
    return rate(place, topics.predictions, events)


def seconds_of(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rate(place: Site, topic: str, events: int) -> float:
    """Records per second from when the last partition begins until the first one ends."""
    times = timestamps(place, topic, events)
    begin, end = max(map(min, times)), min(map(max, times))
    within = sum(begin < moment <= end for each in times for moment in each)
    if within < events / 2:
        raise RuntimeError(f"{topic}: only {within} of {events} events were learned side by side")
    return within / (end - begin) * 1000


def timestamps(place: Site, topic: str, events: int, seconds: float = 120.0) -> list[list[int]]:
    """Of every record of each partition, of which there must be `events` in all."""
    consumer = KafkaConsumer(**place.options, isolation_level="read_committed", enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    found: list[list[int]] = [[] for _ in partitions]
    deadline = time.monotonic() + seconds
    while sum(map(len, found)) < events:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{topic}: {sum(map(len, found))} of {events} records")
        for partition, records in consumer.poll(100, max_records=10_000).items():
            found[partition.partition] += [record.timestamp for record in records]
    consumer.close()
    return found


# --- from the file ----------------------------------------------------------------------------------


def replayed(place: Site, file: Path, at_once: int) -> float:
    """Events per second of this number of replays together, by the slowest of them."""
    configuration = place.folder / "replay.yaml"
    configuration.write_text(json.dumps(config(HIDDEN)))
    reports = [place.folder / f"report-{number}.json" for number in range(at_once)]
    command = [STREAMRNN, "replay", str(configuration), "--input", str(file), "--report"]
    processes = [subprocess.Popen([*command, str(path)], stdout=subprocess.DEVNULL) for path in reports]
    if any([process.wait() for process in processes]):
        raise RuntimeError("a replay failed")
    return at_once * min(json.loads(path.read_text())["events_per_second"] for path in reports)


if __name__ == "__main__":
    main()
