"""What is handed to the client: how to reach a cluster, and partitions and positions as its own types."""

from collections.abc import Callable, Mapping
from typing import Any

from kafka.structs import OffsetAndMetadata, TopicPartition

from streamrnn.types import Commit, Partition

Options = Mapping[str, Any]
"""How to reach a cluster, by kafka-python's names: `bootstrap_servers`, `security_protocol`, …"""
Tick = Callable[[], None]
"""Called while a call waits; tells the watchdog that the loop lives."""


def native(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def native_offsets(commits: Mapping[Partition, Commit]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {native(p): OffsetAndMetadata(commit.offset, commit.metadata, -1) for p, commit in commits.items()}
