"""Predictions appended to a file of JSON Lines, and dead letters to another; at least once."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from streamrnn import durable
from streamrnn.errors import TransportError
from streamrnn.sinks.lines import dead_letter_line, prediction_line
from streamrnn.types import Commit, Output, Partition

_BLOCK = 1 << 16


class FileSink:
    """Appends; on the disk when `publish` returns. Without a file for them, dead letters are not kept.

    A last line that a crash cut short is removed at the start: its batch was not committed and comes again.
    """

    transactional = False

    def __init__(self, path: Path, dead_letters: Path | None = None) -> None:
        self._predictions = _Appended(path)
        self._dead_letters: _Appended | None = None
        if dead_letters is not None:
            try:
                self._dead_letters = _Appended(dead_letters)
            except TransportError:
                self._predictions.close()
                raise

    def publish(
        self,
        outputs: Mapping[Partition, Sequence[Output]],
        commits: Mapping[Partition, Commit],
        membership: object | None,
    ) -> None:
        ordered = [output for sequence in outputs.values() for output in sequence]
        self._predictions.append(prediction_line(item) for item in ordered if item.kind == "prediction")
        if self._dead_letters is not None:
            self._dead_letters.append(
                dead_letter_line(item) for item in ordered if item.kind == "dead_letter"
            )

    def recover(self) -> None:
        """Nothing stays open."""

    def close(self) -> None:
        self._predictions.close()
        if self._dead_letters is not None:
            self._dead_letters.close()


class _Appended:
    """One file of lines, opened for appending behind its last whole line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b")
        except OSError as error:
            raise TransportError(f"{path} cannot be opened for appending: {error}") from error
        try:
            durable.sync_folder(path.parent)
            self._mend()
        except OSError as error:
            self._file.close()
            raise TransportError(f"{path} cannot be appended to: {error}") from error

    def append(self, lines: Iterable[bytes]) -> None:
        content = b"".join(lines)
        if not content:
            return
        try:
            self._file.write(content)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise TransportError(f"{self._path} cannot be written: {error}") from error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise TransportError(f"{self._path} cannot be written: {error}") from error

    def _mend(self) -> None:
        """End the last line, or remove it if it was cut short; refuse a file that is not one of objects."""
        start, tail = _last_line(self._file)
        if not tail:
            return
        if not tail.startswith(b"{"):
            self.close()
            raise TransportError(
                f"{self._path} is not a file of JSON Lines; choose another one for the output"
            )
        try:
            json.loads(tail)
        except ValueError:
            self._file.truncate(start)
        else:
            self._file.write(b"\n")


def _last_line(file: BinaryIO) -> tuple[int, bytes]:
    """Where the text behind the last line end begins, and that text."""
    end = file.seek(0, os.SEEK_END)
    tail = b""
    while end > 0 and b"\n" not in tail:
        start = max(0, end - _BLOCK)
        file.seek(start)
        tail = file.read(end - start) + tail
        end = start
    cut = tail.rfind(b"\n") + 1
    return end + cut, tail[cut:]
