"""A CSV or JSON Lines file, plain or gz, as a log of one partition; a record's offset is its row, from 0."""

import gzip
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, cast

from streamrnn.errors import InputError, TransportError
from streamrnn.sources.base import Changes
from streamrnn.sources.positions import Positions
from streamrnn.sources.rows import FormName, form_of
from streamrnn.types import Bounds, Commit, Partition, Record

_CHUNK = 1 << 20
_LOOK_SECONDS = 0.1
"""Between two looks for more at the end of a file that is followed."""


class FileSource:
    """One partition, named after the file. Blank rows use up an offset and are passed over.

    `follow`: wait for more at the end, as `tail -f` does; a last line without its end is not a row yet then.
    `positions`: the file that keeps committed positions over restarts.
    Raises InputError for a file that cannot be read, or that became shorter while it was followed.
    """

    def __init__(self, path: Path, positions: Path | None = None, follow: bool = False) -> None:
        self._path = path
        self._follow = follow
        self.partition = Partition(path.name, 0)
        self._positions = Positions(positions)
        self._reader = _Reader(path, follow)
        self._counter = _Reader(path, follow)
        self._counted = 0
        self._rows: list[bytes] = []
        self._at = 0
        """Of the next row in `_rows`."""
        self._first = 0
        """Offset of the first row in `_rows`."""
        self._target: int | None = None
        """Where the next poll starts; None until sought."""
        self._paused = True
        self._assigned = False
        self._told = False

    def poll(self, seconds: float, limit: int) -> Mapping[Partition, list[Record]]:
        if not self._assigned:
            self._assigned = True
            return {}
        if self._paused:
            time.sleep(seconds)
            return {}
        self._reach_target()
        deadline = time.monotonic() + seconds
        while True:
            records = self._take(limit)
            left = deadline - time.monotonic()
            if records or self.exhausted or left <= 0:
                return {self.partition: records} if records else {}
            time.sleep(min(left, _LOOK_SECONDS))

    def changes(self) -> Changes:
        if self._told or not self._assigned:
            return Changes()
        self._told = True
        return Changes(assigned=(self.partition,))

    def membership(self) -> None:
        return None

    def committed(self, partition: Partition, seconds: float) -> Commit | None:
        return self._positions.get(partition)

    def bounds(self, partition: Partition, seconds: float) -> Bounds:
        """Counts the rows not counted before; a long file may need several calls, the others raise."""
        deadline = time.monotonic() + seconds
        while rows := self._counter.more():
            self._counted += len(rows)
            if time.monotonic() > deadline:
                raise TransportError(
                    f"{self._path}: {self._counted} rows counted in {seconds} s, and there are more"
                )
        return Bounds(0, self._counted, self._counted)

    def topic_id(self, partition: Partition) -> str:
        return ""

    def position(self, partition: Partition) -> int:
        if self._target is None:
            raise TransportError(f"{self.partition} has no position; seek first")
        return self._target

    def seek(self, partition: Partition, offset: int) -> None:
        self._target = offset

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._paused = self._paused or self.partition in partitions

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._paused = self._paused and self.partition not in partitions

    def commit(self, commits: Mapping[Partition, Commit]) -> None:
        self._positions.put(commits)

    @property
    def exhausted(self) -> bool:
        return self._told and self._reader.ended and self._target == self._first + len(self._rows)

    def close(self) -> None:
        self._reader.close()
        self._counter.close()

    def _reach_target(self) -> None:
        """Walk to where the next poll starts; going back beyond what is in memory means reading anew."""
        target = self.position(self.partition)
        if target < self._first:
            self._reader.close()
            self._reader = _Reader(self._path, self._follow)
            self._rows, self._first = [], 0
        while target > self._first + len(self._rows):
            if not self._refill():
                raise TransportError(
                    f"{self._path}: position {target} is outside the file, "
                    f"which has {self._first + len(self._rows)} rows"
                )
        self._at = target - self._first

    def _refill(self) -> bool:
        rows = self._reader.more()
        if rows:
            self._first += len(self._rows)
            self._rows, self._at = rows, 0
        return bool(rows)

    def _take(self, limit: int) -> list[Record]:
        records: list[Record] = []
        while len(records) < limit and (self._at < len(self._rows) or self._refill()):
            rows = self._rows[self._at : self._at + limit - len(records)]
            start = self._first + self._at
            values = self._reader.form.values(rows)
            records += [
                Record(at, None, value) for at, value in enumerate(values, start) if value is not None
            ]
            self._at += len(rows)
            self._target = start + len(rows)
        if self._at == len(self._rows):
            self._refill()  # so that the end is known as soon as the last record is handed out
        return records


class _Reader:
    """One pass over the rows of a file."""

    def __init__(self, path: Path, follow: bool) -> None:
        self._path = path
        self._follow = follow
        self._rest = b""
        self.ended = False
        self._file, packed = _open(path)
        if follow and packed:
            self.close()
            raise InputError(f"{path} is compressed and cannot be followed; unpack it first")
        self._ahead = self._read()
        self.form = form_of(_form_name(path, self._ahead))

    def more(self) -> list[bytes]:
        """The next rows; empty if there are none now."""
        while not self.ended:
            chunk, self._ahead = self._ahead or self._read(), b""
            if not chunk and self._follow:
                self._check_same_file()
                return []
            if rows := self._rows(chunk):
                return rows
        return []

    def close(self) -> None:
        self._file.close()

    def _read(self) -> bytes:
        try:
            return self._file.read(_CHUNK)
        except (OSError, EOFError, zlib.error) as error:
            self.close()
            raise InputError(f"{self._path} cannot be read: {_reason(error)}") from error

    def _rows(self, chunk: bytes) -> list[bytes]:
        """Whole rows, now that `chunk` has come; an empty one is the end, and makes a row of the rest."""
        try:
            rows, self._rest = self.form.split(self._rest + chunk)
            if not chunk:
                self.ended = True
                rows += [self._rest] if self._rest else []
            return self.form.begin(rows)
        except InputError as error:
            self.close()
            raise InputError(f"{self._path}: {error}") from error

    def _check_same_file(self) -> None:
        try:
            now = self._path.stat()
        except OSError as error:
            raise InputError(f"{self._path} went away while it was followed: {error.strerror}") from error
        if now.st_size < self._file.tell():
            raise InputError(
                f"{self._path} became shorter while it was followed: its rows are not the same now"
            )


def _open(path: Path) -> tuple[IO[bytes], bool]:
    """The file, unpacked on the way if it is gz, and whether it is."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        return (cast(IO[bytes], gzip.open(path)) if packed else path.open("rb")), packed
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _reason(error: Exception) -> str:
    """What the system says; of a damaged gz file, what its decoder says."""
    return getattr(error, "strerror", None) or str(error)


def _form_name(path: Path, start: bytes) -> FormName:
    """From the name's ending, else from the first character."""
    ending = Path(path.name.removesuffix(".gz")).suffix.lower()
    if ending in (".csv", ".tsv"):
        return "csv"
    if ending in (".jsonl", ".ndjson", ".json"):
        return "jsonl"
    return "jsonl" if start.lstrip().startswith(b"{") else "csv"
