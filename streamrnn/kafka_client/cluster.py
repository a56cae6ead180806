"""Reaching a cluster: whether it answers, and which topics it has."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from streamrnn.errors import TransportError
from streamrnn.kafka_client.calls import SLICE_SECONDS
from streamrnn.kafka_client.errors import HOPELESS, said
from streamrnn.kafka_client.types import Options, Tick

START_SECONDS = 30.0
"""How long a broker may take to answer when a worker starts."""


def probe(options: Options, seconds: float) -> bool:
    """True if a broker that can serve clients answers within `seconds`. Leaves no thread and no socket."""
    try:
        with _bootstrapped(options, seconds):
            return True
    except KafkaError:
        return False


def partition_counts(options: Options, seconds: float) -> dict[str, int]:
    """How many partitions each topic of the cluster has. Asking never creates one, as naming a topic may."""
    try:
        with _bootstrapped(options, seconds) as manager:
            cluster = manager.cluster
            return {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}
    except KafkaError as error:
        raise TransportError(
            f"no broker answers at {options['bootstrap_servers']} ({said(error)}): is it running, and do the"
            " security settings fit?"
        ) from error


def require_topics(options: Options, topics: Iterable[str], *, seconds: float, tick: Tick) -> dict[str, int]:
    """Partitions of each topic. Waits `seconds` for a broker; a missing topic is a TransportError."""
    deadline = time.monotonic() + seconds
    while True:
        tick()
        try:
            counts = partition_counts(options, SLICE_SECONDS)
            break
        except TransportError as error:
            if isinstance(error.__cause__, HOPELESS) or time.monotonic() > deadline:
                raise
    for topic in topics:
        if not counts.get(topic):
            raise TransportError(
                f"topic {topic} does not exist at {options['bootstrap_servers']}: create it, or correct its"
                " name in the configuration"
            )
    return {topic: counts[topic] for topic in topics}


@contextlib.contextmanager
def _bootstrapped(options: Options, seconds: float) -> Iterator[KafkaConnectionManager]:
    """A connection manager that has just read the metadata of all topics; it runs on the caller's thread."""
    milliseconds = seconds * 1000
    waits = {
        "request_timeout_ms": milliseconds,
        "socket_connection_setup_timeout_ms": milliseconds,
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 200,
    }
    network = NetworkSelector()
    manager = _Manager(network, **options, **waits)
    manager.cluster.need_all_topic_metadata = True
    try:
        manager.bootstrap(milliseconds)
        yield manager
    except KafkaTimeoutError as error:
        raise manager.reason or error from error
    finally:
        manager.close()
        network.close()


class _Manager(KafkaConnectionManager):  # type: ignore[misc]
    """Remembers why its connections failed, which the client only logs; refusals rather than time-outs."""

    reason: Exception | None = None

    def get_connection(self, *arguments: Any, **settings: Any) -> Any:
        connection = super().get_connection(*arguments, **settings)
        connection.init_future.add_errback(self._remember)
        return connection

    def _remember(self, error: Exception) -> None:
        if not isinstance(self.reason, HOPELESS):
            self.reason = error
