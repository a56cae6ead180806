"""What every test may use: a real Apache Kafka for the whole run, and fresh topics on it.

Two processes share the tests (`pytest -n 2 --dist loadfile`), each with a broker of its own; those of a file
stay together, so that what they share is made once.
"""

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamrnn.broker import Broker, create_topics, end_left_over

CACHE = Path(__file__).parent.parent / ".cache"
os.environ.setdefault("STREAMRNN_CACHE_DIR", str(CACHE))
# two processes share two cores: threads that spin while they wait turn a second into half a minute
for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(library, "1")

FOR_TESTS = {"group.min.session.timeout.ms": 1000, "transaction.max.timeout.ms": 60_000}


def _sweep(folder: Path) -> None:
    """Ends what runs that were killed left behind; folders of runs that live stay."""
    for run in folder.glob("*"):
        if not Path("/proc", run.name).exists():
            for directory in run.glob("*"):
                end_left_over(directory)
            shutil.rmtree(run, ignore_errors=True)


@pytest.fixture(scope="session")
def _brokers_folder() -> Iterator[Path]:
    folder = CACHE / "brokers"
    _sweep(folder)
    mine = folder / str(os.getpid())
    mine.mkdir(parents=True)
    yield mine
    shutil.rmtree(mine, ignore_errors=True)


@pytest.fixture(scope="session")
def broker(_brokers_folder: Path) -> Iterator[Broker]:
    """The broker of the whole run: nobody kills, stops or freezes it."""
    with Broker(_brokers_folder / "shared", settings=FOR_TESTS) as running:
        yield running


@pytest.fixture(scope="session")
def _second_broker(_brokers_folder: Path) -> Iterator[Broker]:
    with Broker(_brokers_folder / "fragile", settings=FOR_TESTS) as running:
        yield running


@pytest.fixture
def fragile_broker(_second_broker: Broker) -> Iterator[Broker]:
    """A broker that a test may kill, restart, freeze and thaw; the next test finds it running."""
    _second_broker.start()
    yield _second_broker
    if _second_broker.pid is not None:
        _second_broker.thaw()


TopicFactory = Callable[..., str]


@pytest.fixture
def topic(broker: Broker, request: pytest.FixtureRequest) -> TopicFactory:
    """`topic(partitions=1, on=broker, retention_ms=…)` makes a fresh topic and returns its name."""

    def make(partitions: int = 1, on: Broker = broker, **config: object) -> str:
        test = re.sub(r"[^a-zA-Z0-9._-]", "-", request.node.name)[:100]
        name = f"{test}-{uuid.uuid4().hex[:8]}"
        options = {"bootstrap_servers": on.bootstrap_servers}
        create_topics(options, {name: partitions}, {k.replace("_", "."): str(v) for k, v in config.items()})
        return name

    return make
