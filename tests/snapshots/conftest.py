from pathlib import Path

import numpy as np
import pytest

from streamrnn.snapshots import Provenance
from streamrnn.types import Partition

PARTITION = Partition("orders", 3)


def provenance(offset: int = 812, **changes) -> Provenance:
    return Provenance(
        lineage="a1b2",
        partition=PARTITION,
        offset=offset,
        events=800,
        digest="d" * 64,
        kernel_hash="k" * 64,
        configuration={"networks": [{"name": "ünı", "rate": 3e-4}]},
        counts={"keys": 2},
    )._replace(**changes)


def state(seed: int = 0) -> dict[str, np.ndarray]:
    """One array of each kind that a learner keeps."""
    random = np.random.default_rng(seed)
    return {
        "networks/0/parameters": random.normal(size=(3, 4)).astype(np.float32),
        "networks/0/slots": random.normal(size=(4, 2)).T,
        "mix/weights": random.normal(size=5),
        "events": np.array(7, dtype=np.int64),
        "keys/names": np.frombuffer('["a","ü"]'.encode(), dtype=np.uint8),
        "fresh": np.array([True, False]),
        "ring": np.zeros((0, 3), dtype=np.int32),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "snapshot"
    path.mkdir()
    return path
