"""The stream is what the package holds, in the order of time, and goes on where it was left."""

from collections import Counter

import msgspec
import pytest

from streamrnn.cli.demo import pedestrians
from streamrnn.cli.demo.pedestrians import Event


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return pedestrians.load()


def test_all_hours_of_four_sensors_come_in_the_order_of_time(events: list[Event]) -> None:
    values = [msgspec.json.decode(event.value) for event in events]
    times = [value["timestamp"] for value in values]
    # counted with `cut -d, -f1 pedestrian.csv | sort | uniq -c`
    assert Counter(value["sensor"] for value in values) == {
        "Birrarung Marr": 14566,
        "Bourke Street Mall (North)": 16414,
        "QV Market-Elizabeth St (West)": 17518,
        "Southern Cross Station": 17539,
    }
    assert len(events) == 66037
    assert times == sorted(times)
    assert values[0] == {"sensor": "Birrarung Marr", "timestamp": "2014-12-31T13:00:00Z", "count": 1630}


def test_a_sensor_stays_in_one_partition_and_both_have_two(events: list[Event]) -> None:
    places = {(event.key, event.partition) for event in events}
    assert len(places) == 4
    assert Counter(partition for _, partition in places) == {0: 2, 1: 2}


def test_publishing_goes_on_behind_what_each_partition_holds(events: list[Event]) -> None:
    rest = pedestrians.left(events, {0: 3, 1: 100})
    for partition, held in ((0, 3), (1, 100)):
        whole = [event for event in events if event.partition == partition]
        assert [event for event in rest if event.partition == partition] == whole[held:]
    assert pedestrians.left(events, {0: 0, 1: 0}) == events
    assert pedestrians.left(rest, Counter(event.partition for event in rest)) == []
