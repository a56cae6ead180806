"""Predictions as JSON Lines on standard output, dead letters on standard error; at least once."""

import sys
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from streamrnn.errors import TransportError
from streamrnn.sinks.lines import dead_letter_line, prediction_line
from streamrnn.types import Commit, Output, Partition


class StdoutSink:
    """Flushed when `publish` returns. Raises TransportError when nobody reads any more."""

    transactional = False

    def __init__(self, predictions: BinaryIO | None = None, dead_letters: BinaryIO | None = None) -> None:
        """By default the process's own streams."""
        self._predictions = predictions or sys.stdout.buffer
        self._dead_letters = dead_letters or sys.stderr.buffer

    def publish(
        self,
        outputs: Mapping[Partition, Sequence[Output]],
        commits: Mapping[Partition, Commit],
        membership: object | None,
    ) -> None:
        ordered = [output for sequence in outputs.values() for output in sequence]
        predictions = b"".join(prediction_line(item) for item in ordered if item.kind == "prediction")
        dead_letters = b"".join(dead_letter_line(item) for item in ordered if item.kind == "dead_letter")
        try:
            _write(self._predictions, predictions)
            _write(self._dead_letters, dead_letters)
        except OSError as error:
            raise TransportError(f"standard output cannot be written: {error.strerror}") from error

    def recover(self) -> None:
        """Nothing stays open."""

    def close(self) -> None:
        """The process's streams are not ours to close."""


def _write(stream: BinaryIO, content: bytes) -> None:
    if content:
        stream.write(content)
        stream.flush()
