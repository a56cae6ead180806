"""Thousands of small snapshots, kept in memory where the machine offers that: each waits for its disk."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from streamrnn.broker import Broker

from .kafka_world import KafkaWorld

IN_MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    if not IN_MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(
        dir=IN_MEMORY, prefix="streamrnn-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


MakeWorld = Callable[..., KafkaWorld]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """`make_world(broker, partitions=…)`; its processes end with the test."""
    worlds: list[KafkaWorld] = []

    def make(broker: Broker, **more: Any) -> KafkaWorld:
        worlds.append(KafkaWorld(broker, tmp_path, f"service-{uuid4().hex[:8]}", **more))
        return worlds[-1]

    yield make
    for world in worlds:
        world.end()
