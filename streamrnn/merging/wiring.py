"""From a configuration to a running copier."""

import logging
from collections.abc import Callable
from contextlib import ExitStack

from streamrnn.config import Config
from streamrnn.config import models as m
from streamrnn.errors import ConfigError, TransportError
from streamrnn.kafka_client import (
    LARGEST,
    START_SECONDS,
    Options,
    native,
    newest_headers,
    probe,
    require_topics,
)
from streamrnn.merging.loop import Copier
from streamrnn.merging.origins import Origins
from streamrnn.sinks.kafka import KafkaSink
from streamrnn.sources.kafka import KafkaSource
from streamrnn.types import Partition
from streamrnn.worker.cluster import kafka_options, slot_of
from streamrnn.worker.signals import Stopping, obeyed
from streamrnn.worker.watchdog import Pulse, Watchdog

log = logging.getLogger(__name__)

LOOK_BACK = 1000
"""Offsets of the target in which copies are looked for where there is no committed position."""
LOOK_BACK_SECONDS = 60.0
LARGEST_COPY = 64 * LARGEST
"""The broker decides what is too large for the topic."""


def merge(
    config: Config,
    *,
    accept_inexact: bool = False,
    idle_exit: float | None = None,
    stopping: Stopping | None = None,
) -> None:
    """Copy until it is asked to stop, or no record came for `idle_exit` seconds.

    Raises StreamrnnError; the next start goes on exactly. SIGTERM and SIGINT ask it to stop; a second one
    ends the process.
    """
    kafka = _kafka_source_of(config)
    options, slot, group = kafka_options(kafka), slot_of(kafka), f"{kafka.group}.merge"
    stopping, pulse = stopping or Stopping(), Pulse()
    with ExitStack() as stack:
        stack.enter_context(obeyed(stopping))
        stack.enter_context(Watchdog(pulse, lambda seconds: probe(options, seconds)))
        partitions = _same_partitions(options, kafka, pulse.beat)
        sink = KafkaSink(
            options,
            topics={"copy": kafka.topic},
            transactional_id=f"{group}-{slot}",
            largest=LARGEST_COPY,
            tick=pulse.beat,
        )
        stack.callback(sink.close)
        source = KafkaSource(
            options,
            topics=kafka.merge,
            group=group,
            slot=slot,
            together=True,
            session_timeout=kafka.session_timeout,
            max_poll_interval=kafka.max_poll_interval,
            tick=pulse.beat,
        )
        stack.callback(source.close)
        log.info("%s: %s flow into %s (slot %s)", group, ", ".join(kafka.merge), kafka.topic, slot)
        Copier(
            source,
            sink,
            Origins(kafka.merge, kafka.topic),
            partitions,
            pulse=pulse,
            stopping=stopping,
            limit=config.batch,
            last_copy=lambda partition: _last_copy(options, kafka.topic, partition, pulse.beat),
            accept_inexact=accept_inexact,
            idle_exit=idle_exit,
        ).run()


def _kafka_source_of(config: Config) -> m.KafkaSource:
    if not isinstance(config.source, m.KafkaSourceChoice) or not config.source.kafka.merge:
        raise ConfigError(
            "source.kafka.merge: is missing; name the topics that are to be copied into source.kafka.topic"
        )
    if config.delivery != "exactly_once":
        raise ConfigError(
            f"delivery: {config.delivery}: topics are merged exactly once; write delivery: exactly_once "
            "(`--set delivery=exactly_once` does it for this command alone)"
        )
    return config.source.kafka


def _same_partitions(options: Options, source: m.KafkaSource, tick: Callable[[], None]) -> int:
    """How many partitions every topic has. Raises TransportError if one has another number, or is missing."""
    topics = [*source.merge, source.topic]
    counts = require_topics(options, topics, seconds=START_SECONDS, tick=tick)
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{topic}: {count}" for topic, count in counts.items())
        raise TransportError(
            f"topics that are merged need as many partitions as {source.topic}, or records of a key would "
            f"not meet; found {found}. Make them anew with the same number"
        )
    return counts[source.topic]


def _last_copy(options: Options, target: str, partition: Partition, tick: Callable[[], None]) -> int | None:
    """The offset of the last record of `partition` among the newest of the partition it is copied into."""
    into = native(Partition(target, partition.number))
    found = None
    for headers in newest_headers(options, into, LOOK_BACK, LOOK_BACK_SECONDS, tick):
        if headers.get("origin_topic") == partition.topic.encode():
            found = int(headers.get("origin_offset", b"0"))
    return found
