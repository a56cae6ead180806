"""Writes snapshots in a thread of its own, so that the hot path only pays for taking the state."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from streamrnn.snapshots.format import Manifest, Provenance
from streamrnn.snapshots.store import Keep, Store
from streamrnn.snapshots.tensors import Arrays


class Saved(NamedTuple):
    manifest: Manifest
    seconds: float
    """From the start of writing until it was durable and older ones were thinned out."""


class SnapshotWriter:
    """At most one snapshot is in flight; what went wrong with it is raised by the next call of any method."""

    def __init__(self, store: Store, keep: Keep) -> None:
        self._store = store
        self._keep = keep
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="snapshots")
        self._flight: Future[Saved] | None = None
        self._saved: list[Saved] = []

    @property
    def busy(self) -> bool:
        """True while a snapshot is being written: `offer` would refuse another."""
        return self._flight is not None and not self._flight.done()

    def offer(self, arrays: Arrays, provenance: Provenance) -> bool:
        """Start writing `arrays`, which nobody may change any more: a learner's state is such a copy.

        False if the snapshot before is still being written.
        """
        if self.busy:
            return False
        self.flush()
        self._flight = self._pool.submit(self._write, arrays, provenance)
        return True

    def save(self, arrays: Arrays, provenance: Provenance) -> None:
        """Durable when it returns."""
        self.flush()
        self._saved.append(self._write(arrays, provenance))

    def flush(self) -> None:
        """Return once nothing is in flight."""
        flight, self._flight = self._flight, None
        if flight is not None:
            self._saved.append(flight.result())

    def saved(self) -> list[Saved]:
        """What became durable since the last call."""
        if self._flight is not None and self._flight.done():
            self.flush()
        saved, self._saved = self._saved, []
        return saved

    def close(self) -> None:
        """Wait for what is in flight, then end the thread."""
        try:
            self.flush()
        finally:
            self._pool.shutdown()

    def _write(self, arrays: Arrays, provenance: Provenance) -> Saved:
        start = time.perf_counter()
        manifest = self._store.save(arrays, provenance)
        self._store.thin(provenance.lineage, provenance.partition, self._keep)
        return Saved(manifest, time.perf_counter() - start)
