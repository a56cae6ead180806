"""A finite file as a stream of records, and a look at its first rows."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from streamrnn.errors import InputError, TransportError
from streamrnn.sources.file import FileSource
from streamrnn.types import Partition, Record

_COUNTING_SECONDS = 600.0


class Rows:
    """The records of a CSV or JSON Lines file, once, in order. Raises InputError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._source = FileSource(path)

    @property
    def partition(self) -> Partition:
        return self._source.partition

    def count(self) -> int:
        """Rows in the file, blank ones included; reads all of it."""
        try:
            return self._source.bounds(self.partition, _COUNTING_SECONDS).end
        except TransportError as error:
            raise InputError(f"{error}; it takes too long to count them") from error

    def batches(self, size: int) -> Iterator[list[Record]]:
        """All records, `size` at a time; none of a file without rows."""
        self._source.poll(0, 1)
        self._source.changes()
        self._source.seek(self.partition, 0)
        self._source.resume([self.partition])
        while not self._source.exhausted:
            yield from self._source.poll(0, size).values()

    def close(self) -> None:
        self._source.close()


def first_rows(path: Path, most: int) -> list[dict[str, Any]]:
    """The first rows that are JSON objects, `most` at the utmost."""
    rows = Rows(path)
    try:
        records = (record for batch in rows.batches(1000) for record in batch)
        return list(islice(_objects(records), most))
    finally:
        rows.close()


def _objects(records: Iterator[Record]) -> Iterator[dict[str, Any]]:
    for record in records:
        try:
            value = msgspec.json.decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # the learner sets it aside with a reason; here it only says nothing about the fields
        if isinstance(value, dict):
            yield value
