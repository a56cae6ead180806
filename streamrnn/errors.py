"""Every exception that streamrnn raises on purpose.

    StreamrnnError                exit code 1
    ├── ConfigError               2   a configuration that cannot be used
    ├── InputError                3   data that cannot be read, or too much of it is bad
    ├── RecoveryError             4   the log, the snapshots and the committed position disagree
    │   └── SnapshotError             a snapshot is damaged or does not fit
    ├── TransportError            5   the broker refuses, or something it needs is missing
    │   ├── DeliveryUncertain         a transaction may or may not have happened: ask `committed`
    │   └── Fenced                    another worker owns this slot or this partition now
    └── StuckError                6   a client call did not come back although the broker answers

A message says what was wrong, where, and what to do. The command line prints it on one line and leaves
with the class's `exit_code`.
"""

from typing import ClassVar


class StreamrnnError(Exception):
    """Base of all; never raised itself."""

    exit_code: ClassVar[int] = 1


class ConfigError(StreamrnnError):
    """The configuration is wrong; the message names the path, the line and the nearest valid name."""

    exit_code = 2


class InputError(StreamrnnError):
    """Input that cannot be read, or of which too large a share is bad."""

    exit_code = 3


class RecoveryError(StreamrnnError):
    """Restoring cannot be exact, so it stops; the message says what the user may decide."""

    exit_code = 4


class SnapshotError(RecoveryError):
    """A snapshot is damaged, incomplete, or of another shape than the configuration asks for."""


class TransportError(StreamrnnError):
    """The broker refuses, or a topic is missing or not as configured."""

    exit_code = 5


class DeliveryUncertain(TransportError):
    """A transaction failed in a way that does not tell whether it happened; only `committed` knows."""


class Fenced(TransportError):
    """Another worker took over this slot or partition; nothing of the transaction is visible."""


class StuckError(StreamrnnError):
    """A client call outlived its deadline although the broker answers; recovery by restart is exact."""

    exit_code = 6
