"""A snapshot costs the loop one copy of the state, and nothing while the one before is being written."""

import threading
from pathlib import Path

import pytest

from streamrnn.config.models import Keep
from streamrnn.service.progress import Progress
from streamrnn.service.vault import Vault
from streamrnn.snapshots.store import Store
from streamrnn.types import Partition

from .standin import PLAIN, StandIn


def test_no_state_is_copied_while_a_snapshot_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, store = threading.Event(), Store(tmp_path, "group")
    save = store.save

    def slow(*args: object) -> object:
        assert gate.wait(30)
        return save(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "save", slow)
    vault, learner, partition = Vault(store, Keep()), StandIn("life"), Partition("in", 0)
    copies: list[str] = []
    state = learner.state
    monkeypatch.setattr(learner, "state", lambda: copies.append("copy") or state())

    def offer(offset: int) -> bool:
        return vault.offer(partition, Progress("life", 0, "").at(offset), learner, PLAIN)

    try:
        assert offer(0)
        assert not offer(1) and not offer(2)
        assert copies == ["copy"]
        gate.set()
        vault.flush()
        assert offer(3)
    finally:
        gate.set()
        vault.close()
    assert store.offsets("life", partition) == [0, 3]
