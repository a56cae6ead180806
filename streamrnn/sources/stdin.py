"""What is piped in, as a log of one partition that is read once; offsets go on from the committed one."""

import os
import select
import time
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from streamrnn.errors import InputError, RecoveryError
from streamrnn.sources.base import Changes
from streamrnn.sources.positions import Positions
from streamrnn.sources.rows import FormName, form_of
from streamrnn.types import Bounds, Commit, Partition, Record

_CHUNK = 1 << 20


class StdinSource:
    """One partition, named stdin. What was handed out is gone: `bounds.begin` moves with the position."""

    def __init__(self, form: FormName, positions: Path | None = None, descriptor: int = 0) -> None:
        self.partition = Partition("stdin", 0)
        self._positions = Positions(positions)
        self._descriptor = descriptor
        self._form = form_of(form)
        committed = self._positions.get(self.partition)
        self._next = committed.offset if committed else 0
        self._rows: deque[bytes] = deque()
        self._rest = b""
        self._ended = False
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
        deadline = time.monotonic() + seconds
        records = self._take(limit)
        while not records and not self._ended and self._readable(deadline):
            self._read()
            records = self._take(limit)
        return {self.partition: records} if records else {}

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
        return Bounds(self._next, self._next + len(self._rows), self._next + len(self._rows))

    def topic_id(self, partition: Partition) -> str:
        return ""

    def position(self, partition: Partition) -> int:
        return self._next

    def seek(self, partition: Partition, offset: int) -> None:
        if offset != self._next:
            raise RecoveryError(
                f"standard input stands at {self._next} and cannot go to {offset}: it is read only once; "
                "a source that keeps its records (kafka, file) can"
            )

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._paused = self._paused or self.partition in partitions

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._paused = self._paused and self.partition not in partitions

    def commit(self, commits: Mapping[Partition, Commit]) -> None:
        self._positions.put(commits)

    @property
    def exhausted(self) -> bool:
        return self._told and self._ended and not self._rows

    def close(self) -> None:
        """Standard input is not ours to close."""

    def _readable(self, deadline: float) -> bool:
        left = max(0.0, deadline - time.monotonic())
        return bool(select.select([self._descriptor], [], [], left)[0])

    def _read(self) -> None:
        chunk = os.read(self._descriptor, _CHUNK)
        try:
            rows, self._rest = self._form.split(self._rest + chunk)
            if not chunk:
                self._ended = True
                rows += [self._rest] if self._rest else []
            self._rows.extend(self._form.begin(rows))
        except InputError as error:
            raise InputError(f"standard input: {error}") from error

    def _take(self, limit: int) -> list[Record]:
        """Up to `limit` rows; blank ones use up an offset and are passed over."""
        rows = list(islice(self._rows, limit))
        for _ in rows:
            self._rows.popleft()
        values = self._form.values(rows) if rows else []
        records = [
            Record(at, None, value) for at, value in enumerate(values, self._next) if value is not None
        ]
        self._next += len(rows)
        return records
