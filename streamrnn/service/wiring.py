"""From a configuration to a running service."""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from streamrnn.config import Config
from streamrnn.config import models as m
from streamrnn.errors import ConfigError
from streamrnn.kafka_client import Options, probe
from streamrnn.service.loop import Limits, Loop
from streamrnn.service.meter import Meter
from streamrnn.service.partitions import Partitions
from streamrnn.service.vault import Vault
from streamrnn.service.view import View
from streamrnn.sinks.base import Sink
from streamrnn.sinks.file import FileSink
from streamrnn.sinks.kafka import KafkaSink
from streamrnn.sinks.stdout import StdoutSink
from streamrnn.snapshots import Store, versions
from streamrnn.sources.base import Source
from streamrnn.sources.file import FileSource
from streamrnn.sources.kafka import KafkaSource
from streamrnn.sources.stdin import StdinSource
from streamrnn.telemetry import Telemetry
from streamrnn.worker.cluster import kafka_options, slot_of
from streamrnn.worker.signals import Stopping, obeyed
from streamrnn.worker.watchdog import Pulse, Watchdog

log = logging.getLogger(__name__)

Serve = Callable[[View, CollectorRegistry], AbstractContextManager[Any]]
"""Makes view and metrics reachable while the block runs; the web is on a floor above."""


def run(
    config: Config,
    *,
    reset: bool = False,
    accept_inexact: bool = False,
    max_records: int | None = None,
    idle_exit: float | None = None,
    serve: Serve | None = None,
    stopping: Stopping | None = None,
) -> None:
    """Run the service until it is asked to stop, its source ends, or a limit is reached.

    Returns with everything learned committed and snapshotted. Raises StreamrnnError; the next start is exact
    then, too. SIGTERM and SIGINT ask it to stop; a second one ends the process.
    """
    # Imports numba, which what else is wired here does without.
    from streamrnn.service.learners import Learners

    place = placed(config)
    _warn_of_inexact(config)
    stopping, pulse = stopping or Stopping(), Pulse()
    learners = Learners(config)
    log.info("%s", learners.check_memory())
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    telemetry = Telemetry(registry, versions())
    telemetry.key_bytes.set(learners.bytes_per_key)
    meter = Meter(telemetry, learners.names)
    view = View(
        pulse, learners, meter, {"group": place.group, "slot": place.slot, "delivery": place.delivery}
    )
    limits = Limits(config.batch, config.snapshots.every, max_records, idle_exit)
    with ExitStack() as stack:
        stack.enter_context(obeyed(stopping))
        stack.enter_context(serve(view, registry) if serve else nullcontext())
        stack.enter_context(Watchdog(pulse, place.answers))
        sink = place.sink(pulse.beat)
        stack.callback(sink.close)
        source = place.source(pulse.beat)
        stack.callback(source.close)
        vault = Vault(Store(Path(config.snapshots.store), place.group), config.snapshots.keep)
        stack.callback(vault.close)
        partitions = Partitions(
            source, vault, learners, meter, pulse, reset=reset, accept_inexact=accept_inexact
        )
        loop = Loop(source, sink, partitions, limits, meter, view, pulse=pulse, stopping=stopping)
        with _frozen():
            loop.run()


@contextmanager
def _frozen() -> Iterator[None]:
    """The garbage collector passes over what the start made: it stays, and a look takes a tenth of a second.

    Thawed at the end, so that the interpreter frees it: what torch imports complains at exit of what is left.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _warn_of_inexact(config: Config) -> None:
    """Say which networks a restart may not restore bit for bit."""
    for i, network in enumerate(config.networks):
        if isinstance(network, m.TorchNetwork) and network.device == "cuda":
            log.warning(
                "networks.%d.device: on cuda the same records may give other bits: after a crash %s may not "
                "be what it was, and the start may stop and ask; device: cpu restores every bit",
                i,
                network.name,
            )


class Place(NamedTuple):
    """Where records come from and go to."""

    group: str
    slot: str
    delivery: str
    source: Callable[[Callable[[], None]], Source]
    """Made with the `tick` that it calls while it waits."""
    sink: Callable[[Callable[[], None]], Sink]
    answers: Callable[[float], bool]
    """`answers(seconds)`: whether the broker answers within that time."""


def placed(config: Config) -> Place:
    """Raises ConfigError if source, sink and delivery do not go together."""
    source, sink = config.source, config.sink
    if source is None or sink is None:
        missing = "source" if source is None else "sink"
        raise ConfigError(f"{missing}: is missing; `run` needs to know where records come from and go to")
    if isinstance(source, m.KafkaSourceChoice):
        return _from_kafka(config, source.kafka, sink)
    if config.delivery == "exactly_once" and "delivery" in config.model_fields_set:
        raise ConfigError(
            "delivery: exactly_once needs Kafka on both sides; write delivery: at_least_once "
            "(predictions may repeat after a crash, learning stays exact)"
        )
    group, topic = _names(source)
    positions = Path(config.snapshots.store) / group / f"{topic}.positions.json"
    return Place(
        group,
        slot=group,
        delivery="at_least_once",
        source=lambda tick: _local_source(source, positions),
        sink=lambda tick: _sink(sink, None, "", tick),
        answers=lambda seconds: True,
    )


def _from_kafka(config: Config, source: m.KafkaSource, sink: m.Sink) -> Place:
    slot, options = slot_of(source), kafka_options(source)
    into = sink.kafka if isinstance(sink, m.KafkaSinkChoice) else None
    exactly = config.delivery == "exactly_once"
    if exactly and into is None:
        raise ConfigError(
            "delivery: exactly_once needs a sink in Kafka; give one, or write delivery: at_least_once"
        )
    elsewhere = into is not None and into.bootstrap_servers not in (None, source.bootstrap_servers)
    if exactly and elsewhere:
        raise ConfigError(
            "sink.kafka.bootstrap_servers: exactly_once needs source and sink in one cluster; leave it out, "
            "or write delivery: at_least_once"
        )

    def read(tick: Callable[[], None]) -> Source:
        return KafkaSource(
            options,
            topics=[source.topic],
            group=source.group,
            slot=slot,
            session_timeout=source.session_timeout,
            max_poll_interval=source.max_poll_interval,
            tick=tick,
        )

    def write(tick: Callable[[], None]) -> Sink:
        return _sink(sink, options, f"{source.group}-{slot}" if exactly else "", tick)

    return Place(
        source.group, slot, config.delivery, read, write, answers=lambda seconds: probe(options, seconds)
    )


def _names(source: m.FileSourceChoice | m.StdinSourceChoice) -> tuple[str, str]:
    """Of the group and the topic, where there is no broker that has them."""
    if isinstance(source, m.FileSourceChoice):
        return "file", Path(source.file).name
    return "stdin", "stdin"


def _local_source(source: m.FileSourceChoice | m.StdinSourceChoice, positions: Path) -> Source:
    if isinstance(source, m.FileSourceChoice):
        return FileSource(Path(source.file), positions, follow=source.follow)
    return StdinSource(source.stdin, positions)


def _sink(sink: m.Sink, options: Options | None, transactional_id: str, tick: Callable[[], None]) -> Sink:
    """Transactional if there is a transactional id."""
    if isinstance(sink, m.FileSinkChoice):
        return FileSink(Path(sink.file), Path(sink.dead_letters) if sink.dead_letters else None)
    if isinstance(sink, m.StdoutSinkChoice):
        return StdoutSink()
    where = dict(options or {})
    if sink.kafka.bootstrap_servers is not None:
        where["bootstrap_servers"] = sink.kafka.bootstrap_servers
    if not where:
        raise ConfigError(
            "sink.kafka.bootstrap_servers: is missing, and there is no source in Kafka to take it from"
        )
    return KafkaSink(
        where,
        topics={"prediction": sink.kafka.topic, "dead_letter": sink.kafka.dead_letters},
        transactional_id=transactional_id,
        transactional=bool(transactional_id),
        tick=tick,
    )
