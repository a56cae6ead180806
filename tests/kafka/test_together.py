"""Who reads what: partitions of one number stay together, and none has two readers."""

from types import SimpleNamespace
from typing import Any

import pytest
from kafka.protocol.consumer.metadata import ConsumerProtocolSubscription
from kafka.structs import TopicPartition

from streamrnn.kafka_client.assignor import Together

NUMBERS = range(5)
Held = dict[str, set[tuple[str, int]]]


def _member(name: str, topics: list[str], owned: set[tuple[str, int]]) -> Any:
    by_topic: dict[str, list[int]] = {}
    for topic, number in owned:
        by_topic.setdefault(topic, []).append(number)
    entry = ConsumerProtocolSubscription.TopicPartition
    metadata = ConsumerProtocolSubscription(
        version=1,
        topics=topics,
        user_data=b"",
        owned_partitions=[entry(topic=topic, partitions=found) for topic, found in by_topic.items()],
    )
    return SimpleNamespace(member_id=name, group_instance_id=name, metadata=metadata)


def _round(reads: dict[str, list[str]], held: Held) -> Held:
    """One rebalance: what each member holds after it."""
    cluster = SimpleNamespace(partitions_for_topic=lambda _: set(NUMBERS), topics=lambda: {"a", "b", "c"})
    members = [_member(name, topics, held.get(name, set())) for name, topics in reads.items()]
    placed = Together().assign(cluster, members)
    return {name: {tuple(place) for place in assignment.partitions()} for name, assignment in placed.items()}


def _settled(reads: dict[str, list[str]]) -> Held:
    held: Held = {}
    for _ in range(3):
        held = _round(reads, held)
    return held


def test_numbers_are_shared_out_whole() -> None:
    held = _settled({"x": ["b", "a"], "y": ["a", "b"]})
    assert set().union(*held.values()) == {(topic, number) for topic in "ab" for number in NUMBERS}
    assert sorted(map(len, held.values())) == [4, 6]
    assert not {number for _, number in held["x"]} & {number for _, number in held["y"]}


def test_a_number_that_moves_is_first_given_up_and_then_taken() -> None:
    both = {"x": ["a", "b"], "y": ["a", "b"]}
    first = _round(both, _settled({"x": ["a", "b"]}))
    assert (len(first["x"]), len(first["y"])) == (6, 0)
    second = _round(both, first)
    assert second["x"] == first["x"]
    assert len(second["y"]) == 4


@pytest.mark.parametrize(
    "reads",
    [
        {"x": ["a", "b"], "y": ["a", "b", "c"]},
        {"x": ["b", "c"], "y": ["a", "b", "c"]},
        {"x": ["a", "b"], "y": ["b", "c"], "z": ["b"]},
        {"x": ["a"], "y": ["b"]},
    ],
)
def test_members_that_read_different_topics_never_read_the_same_partition(
    reads: dict[str, list[str]],
) -> None:
    held = _settled(reads)
    places = [TopicPartition(*place) for each in held.values() for place in each]
    assert len(places) == len(set(places))
    for name, topics in reads.items():
        assert {topic for topic, _ in held[name]} <= set(topics)
