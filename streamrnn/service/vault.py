"""The snapshots of this worker's partitions: which lives there were, the newest sound one, and new ones."""

import logging
from typing import NamedTuple

from streamrnn import durable
from streamrnn.errors import RecoveryError, SnapshotError
from streamrnn.service.model import Configuration, Learner, State
from streamrnn.service.progress import Progress
from streamrnn.snapshots.format import Provenance
from streamrnn.snapshots.store import Keep, Store
from streamrnn.snapshots.writer import Saved as Written
from streamrnn.snapshots.writer import SnapshotWriter
from streamrnn.types import Commit, Partition

log = logging.getLogger(__name__)

STARTED = "started"
"""A file beside the snapshots of a life whose first position is committed: it may have published."""


class Saved(NamedTuple):
    """A snapshot as it was read."""

    name: str
    offset: int
    created: float
    configuration: Configuration
    kernel_hash: str
    cpu: str
    state: State
    passed_over: int
    """Newer ones that are damaged."""


class Vault:
    """Wraps the store of a group. Not thread-safe: the loop owns it, and it owns the writing thread."""

    def __init__(self, store: Store, keep: Keep) -> None:
        self._store = store
        self._writer = SnapshotWriter(store, keep)
        self.failures = 0
        """Snapshots that could not be written. Recovery stays exact without them, but replays further."""

    def lives(self, partition: Partition) -> list[str]:
        """Lineages that may have published something.

        One whose genesis snapshot was written and never committed is not among them: nothing came of it.
        """
        return [
            lineage
            for lineage in self._store.lineages(partition)
            if (self._store.folder(lineage, partition) / STARTED).exists()
        ]

    def every_life(self) -> list[str]:
        """Lineages of any partition, whether they came to anything or not."""
        return self._store.every_lineage()

    def start(self, partition: Partition, lineage: str) -> None:
        """Its first position is committed. Durable when it returns; called before anything is published."""
        folder = self._store.folder(lineage, partition)
        try:
            (folder / STARTED).touch()
            durable.sync_folder(folder)
        except OSError as error:
            raise SnapshotError(f"snapshot folder {folder} cannot be used: {error}") from error

    def newest(self, lineage: str, partition: Partition, offset: int) -> Saved:
        """The newest sound snapshot at or before `offset`. Raises RecoveryError if there is none."""
        found = self._store.newest(lineage, partition, offset)
        for skipped in found.skipped:
            log.error("snapshot passed over: %s", skipped.reason)
        if found.snapshot is None:
            raise RecoveryError(
                self._nothing(lineage, partition, offset, [bad.reason for bad in found.skipped])
            )
        manifest = found.snapshot.manifest
        return Saved(
            str(found.snapshot.folder),
            manifest.offset,
            manifest.created,
            manifest.configuration,
            manifest.kernel_hash,
            manifest.cpu,
            found.snapshot.arrays,
            len(found.skipped),
        )

    def _nothing(self, lineage: str, partition: Partition, offset: int, damaged: list[str]) -> str:
        folder = self._store.folder(lineage, partition)
        newer = [at for at in self._store.offsets(lineage, partition) if at > offset]
        if damaged:
            why = f"all that are there are damaged ({'; '.join(damaged)})"
        elif newer:
            why = f"the oldest there is at {newer[0]}, beyond it: the group's position was moved back"
        else:
            why = "there is none (is snapshots.store the folder that every worker of the group uses?)"
        return (
            f"{partition}: no snapshot in {folder} to restore the committed position {offset} from: {why}. "
            "Bring the snapshots back, or --reset starts a new life of the model"
        )

    def save(
        self, partition: Partition, commit: Commit, learner: Learner, configuration: Configuration
    ) -> None:
        """A snapshot of `learner`, which is exactly at `commit`. Durable when it returns."""
        self._writer.save(learner.state(), _provenance(partition, commit, learner, configuration))

    def offer(
        self, partition: Partition, commit: Commit, learner: Learner, configuration: Configuration
    ) -> bool:
        """The same in another thread; False if the one before is still being written, or failed."""
        if self._writer.busy:
            return False  # before the state is copied for nothing
        try:
            return self._writer.offer(learner.state(), _provenance(partition, commit, learner, configuration))
        except SnapshotError as error:
            self._failed(error)
            return False

    def written(self) -> list[Written]:
        """What became durable since the last call."""
        try:
            return self._writer.saved()
        except SnapshotError as error:
            self._failed(error)
            return []

    def flush(self) -> None:
        """Returns once nothing is being written."""
        try:
            self._writer.flush()
        except SnapshotError as error:
            self._failed(error)

    def close(self) -> None:
        self.flush()
        self._writer.close()

    def _failed(self, error: SnapshotError) -> None:
        self.failures += 1
        log.error("a snapshot was not written, the next one is tried when it is due: %s", error)


def _provenance(
    partition: Partition, commit: Commit, learner: Learner, configuration: Configuration
) -> Provenance:
    progress = Progress.of(commit)
    if progress is None or (progress.events, progress.digest) != (learner.events, learner.digest):
        raise AssertionError(f"{partition}: the learner is not at the committed position {commit}")
    return Provenance(
        progress.lineage,
        partition,
        commit.offset,
        progress.events,
        progress.digest,
        learner.kernel_hash,
        configuration,
        learner.counts(),
    )
