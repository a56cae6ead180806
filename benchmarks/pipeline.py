"""What does learning cost beside transport? The whole service against a loop that only copies.

The service (`streamrnn run`, one GRU of 32 that looks one step back) reads events from a real broker, learns
them and publishes its predictions exactly once, 500 events to a transaction. Its opponent has the same
source, the same sink and the same transactions, and publishes each input as it came. They take turns over the
same events; the rate of each is read off the timestamps of what it published, and every round is checked: one
output per event. Then `streamrnn replay` of the same events from their file, without a broker.

    python benchmarks/pipeline.py               about two minutes
    STREAMRNN_DATA=… python benchmarks/pipeline.py --keep
"""

import argparse
import gc
import json
import subprocess
from pathlib import Path

from harness import STREAMRNN, Figure, Reader, Site, Topics, config, elec2, show, site, values

from streamrnn.sinks.kafka import KafkaSink, produce
from streamrnn.sources.kafka import KafkaSource
from streamrnn.types import Commit, Output

BATCH = 500
HIDDEN = 32
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--keep", action="store_true", help="keep the figures, for docs")
    options = parser.parse_args()
    file, what = elec2()
    gc.freeze()  # as the service does
    with site() as place:
        figures = [*through_the_broker(place, file, options.rounds), replayed(place, file, options.rounds)]
    title = f"GRU {HIDDEN}, one step, {what}, batch {BATCH}, medians of {options.rounds} rounds"
    show(figures, title, "pipeline" if options.keep else None)


# --- through the broker -----------------------------------------------------------------------------


def through_the_broker(place: Site, file: Path, rounds: int) -> list[Figure]:
    events = values(file)
    produce(place.options, place.topics("all").events, ((None, value) for value in events))
    learned, copied = [], []
    for number in range(rounds + 1):
        mine, theirs = (
            learn(place, f"learn-{number}", len(events)),
            copy(place, f"copy-{number}", len(events)),
        )
        if number:  # the first round compiles what is not in the cache
            learned.append(mine)
            copied.append(theirs)
    ratios = [mine / theirs for mine, theirs in zip(learned, copied, strict=True)]
    return [
        Figure("the service, exactly once", learned, "events/s", ""),
        Figure("a loop that only copies", copied, "events/s", ""),
        Figure("service / copy, in one round", ratios, "", "≥ 0.7", ".2f"),
    ]


def learn(place: Site, name: str, events: int) -> float:
    """Events per second of the service."""
    topics = place.topics(name, events="all.events")
    configuration = place.configuration(name, HIDDEN, topics)
    if place.service(configuration, "--max-records", str(events)).wait():
        raise RuntimeError(configuration.with_suffix(".log").read_text())
    return rate(place, topics, events)


def copy(place: Site, name: str, events: int) -> float:
    """Events per second of its opponent."""
    topics = place.topics(name, events="all.events")
    source = KafkaSource(place.options, topics=[topics.events], group=name, slot="copy", tick=_nothing)
    sink = KafkaSink(
        place.options,
        topics={"prediction": topics.predictions, "dead_letter": topics.dead},
        transactional_id=name,
        tick=_nothing,
    )
    done = 0
    while done < events:
        polled = source.poll(0.5, BATCH)
        for partition in source.changes().assigned:
            source.seek(partition, 0)
            source.resume([partition])
        for partition, records in polled.items():
            copies = [Output("prediction", record.key, record.value, []) for record in records]
            position = Commit(records[-1].offset + 1)
            sink.publish({partition: copies}, {partition: position}, source.membership())
            done += len(records)
    sink.close()
    source.close()
    return rate(place, topics, events)


def rate(place: Site, topics: Topics, events: int) -> float:
    """Records per second between the first and the last one of a topic, which must be `events`."""
    reader = Reader(place, topics.predictions)
    reader.read(events)
    reader.close()
    times = [record.timestamp for record in reader.records]
    if len(times) != events:
        raise RuntimeError(f"{len(times)} outputs of {events} events")
    return (events - 1) / (times[-1] - times[0]) * 1000


def _nothing() -> None:
    pass


# --- from the file ----------------------------------------------------------------------------------


def replayed(place: Site, file: Path, rounds: int) -> Figure:
    configuration, report = place.folder / "replay.yaml", place.folder / "report.json"
    configuration.write_text(json.dumps(config(HIDDEN)))
    command = [STREAMRNN, "replay", str(configuration), "--input", str(file), "--report", str(report)]
    rates = []
    for _ in range(rounds):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rates.append(json.loads(report.read_text())["events_per_second"])
    return Figure("`replay` from the file", rates, "events/s", "≥ 50,000")


if __name__ == "__main__":
    main()
