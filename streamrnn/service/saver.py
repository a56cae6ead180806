"""When the learners of this worker are snapshotted: only where each is committed, one at a time."""

import time
from collections.abc import Mapping

from streamrnn.service.life import Life
from streamrnn.service.meter import Meter
from streamrnn.service.model import Configuration, Learner
from streamrnn.service.vault import Vault
from streamrnn.types import Commit, Partition


class Saver:
    """Hands lives to the vault, and notes in them what became durable. Runs on the loop's thread."""

    def __init__(
        self, vault: Vault, configuration: Configuration, meter: Meter, lives: Mapping[Partition, Life]
    ) -> None:
        """`lives`: those that are held, as they are whenever it is asked to save."""
        self._vault = vault
        self._configuration = configuration
        self._meter = meter
        self._lives = lives

    def save_due(self, every: float) -> None:
        """Hand the next snapshot that is due to the writing thread."""
        self._note_written()
        for life in self._lives.values():
            if time.monotonic() >= life.save_after and self.offer(life):
                life.save_after = time.monotonic() + every
                return

    def save_all(self) -> None:
        """The last snapshot of each before the worker leaves. Durable when it returns."""
        self._vault.flush()
        self._note_written()
        for life in self._lives.values():
            if life.settled and life.saved < life.position:
                self.save_now(life)

    def offer(self, life: Life) -> bool:
        """Snapshot, off the hot path, a learner that is where it is committed and ahead of its snapshot."""
        if not life.settled or life.saved >= life.position:
            return False
        return self._vault.offer(*self._snapshot(life))

    def save_now(self, life: Life) -> None:
        """Durable when it returns."""
        self._vault.save(*self._snapshot(life))
        self._note_written()

    def _snapshot(self, life: Life) -> tuple[Partition, Commit, Learner, Configuration]:
        return life.partition, life.commit(), life.answering(), self._configuration

    def _note_written(self) -> None:
        for written in self._vault.written():
            manifest = written.manifest
            life = self._lives.get(Partition(manifest.topic, manifest.partition))
            if life and life.lineage == manifest.lineage:
                life.saved, life.saved_at = max(life.saved, manifest.offset), manifest.created
                self._meter.saved(life.partition, written)
