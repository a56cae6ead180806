"""Thousands of small snapshots, kept in memory where the machine offers that: each waits for its disk."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
