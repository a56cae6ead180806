"""What a killed worker left, beside what an undisturbed twin became."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from streamrnn.cli.demo import topics
from streamrnn.cli.demo.readings import Readings
from streamrnn.cli.demo.twin import Digests
from streamrnn.errors import RecoveryError
from streamrnn.snapshots import Store, digest
from streamrnn.types import Partition


class Compared(NamedTuple):
    """One digest of the worker's, and the twin's."""

    what: str
    worker: str
    twin: str

    @property
    def identical(self) -> bool:
        return self.worker == self.twin


def compare(store: Path, readings: Readings, twins: Mapping[int, Digests]) -> list[Compared]:
    """Snapshots and predictions of every partition. Raises RecoveryError if a last snapshot is missing."""
    compared = []
    for partition, life in sorted(readings.lives.items()):
        twin = twins[partition]
        state = _last_snapshot(store, life.lineage, partition, life.next)
        compared += [
            Compared(f"{partition}: state at {life.next:,}", state, twin.state),
            Compared(
                f"{partition}: {life.events:,} predictions",
                f"{readings.digest(partition)} ({life.events})",
                f"{twin.predictions} ({twin.events})",
            ),
        ]
    return compared


def table(compared: Sequence[Compared], worker: str) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_row("partition", worker, "undisturbed twin", "", style="dim")
    for row in compared:
        verdict = Text("identical", "bold green") if row.identical else Text("DIFFERENT", "bold red")
        grid.add_row(row.what, row.worker[:16], row.twin[:16], verdict)
    return grid


def _last_snapshot(store: Path, lineage: str, partition: int, offset: int) -> str:
    """The digest of the arrays that the worker's last snapshot holds, read back from its files."""
    found = Store(store, topics.GROUP).newest(lineage, Partition(topics.INPUT, partition), offset)
    if found.snapshot is None or found.snapshot.manifest.offset != offset:
        raise RecoveryError(
            f"partition {partition}: there is no sound snapshot at offset {offset} in {store}"
        )
    return digest(found.snapshot.arrays)
