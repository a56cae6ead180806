"""The proof fails when anything differs, and when there is nothing to compare."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from streamrnn.cli.demo import proof
from streamrnn.cli.demo.readings import Readings
from streamrnn.cli.demo.twin import Digests
from streamrnn.errors import RecoveryError
from streamrnn.snapshots import Provenance, Store, digest
from streamrnn.types import Partition
from tests.demo.test_readings import record

STATE = {"weights": np.arange(3.0)}


@pytest.fixture
def readings() -> Readings:
    readings = Readings()
    readings.add(0, b"a", record("a", 0, {"mix": 1.0}, 0))
    return readings


@pytest.fixture
def store(tmp_path: Path) -> Path:
    partition = Partition("pedestrians", 0)
    made = Provenance("life", partition, 1, events=1, digest="", kernel_hash="", configuration={}, counts={})
    Store(tmp_path, "melbourne").save(STATE, made)
    return tmp_path


def test_equal_bits_are_identical_and_one_other_bit_is_not(store: Path, readings: Readings) -> None:
    equal = Digests(1, readings.digest(0), digest(STATE))
    assert [row.identical for row in proof.compare(store, readings, {0: equal})] == [True, True]
    other = {"weights": np.nextafter(STATE["weights"], 9.0)}
    for twin, verdicts in (
        (Digests(1, equal.predictions, digest(other)), [False, True]),
        (Digests(1, "0" * 32, equal.state), [True, False]),
        (Digests(2, equal.predictions, equal.state), [True, False]),
    ):
        compared = proof.compare(store, readings, {0: twin})
        assert [row.identical for row in compared] == verdicts
        console = Console(file=io.StringIO(), width=100)
        console.print(proof.table(compared, "worker"))
        assert "DIFFERENT" in console.file.getvalue()  # type: ignore[attr-defined]


def test_without_the_last_snapshot_nothing_is_proved(store: Path, readings: Readings) -> None:
    readings.add(0, b"a", record("a", 1, {"mix": 1.0}, 1))
    with pytest.raises(RecoveryError, match="offset 2"):
        proof.compare(store, readings, {0: Digests(2, "", "")})
