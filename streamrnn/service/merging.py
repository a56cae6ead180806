"""`streamrnn merge`: topics copied into one, exactly once, so that their order is in a log.

A learner is a pure function of one log per partition. Labels on a topic of their own have an order among the
events only once somebody has written it down; that is all that is done here.
"""

import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from typing import Protocol

from streamrnn.config import Config
from streamrnn.config import models as m
from streamrnn.errors import ConfigError, Fenced, RecoveryError, TransportError
from streamrnn.kafka_client import LARGEST, Options, native, newest_headers, probe, require_topics
from streamrnn.service.courses import Confluence, Course, Courses
from streamrnn.service.delivery import ANSWER_SECONDS, RETRY_SECONDS, Delivery, Verdict
from streamrnn.service.membership import OUTSIDE, Membership
from streamrnn.service.signals import Stopping, obeyed
from streamrnn.service.watchdog import Pulse, Watchdog
from streamrnn.service.wiring import kafka_options
from streamrnn.sinks.base import Sink
from streamrnn.sinks.kafka import START_SECONDS, KafkaSink
from streamrnn.sources.base import Source
from streamrnn.sources.kafka import KafkaSource
from streamrnn.types import Bounds, Commit, Partition

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
REPORT_SECONDS = 60.0
REJOIN_SECONDS = 2.0
"""How long part of a number may be missing before the group is asked to share out anew."""
RESTATE_SECONDS = 5.0
"""How often positions beyond control records are committed."""
LOOK_BACK = 1000
"""Offsets of the target in which copies are looked for where there is no committed position."""
LOOK_BACK_SECONDS = 60.0
LARGEST_COPY = 64 * LARGEST
"""The broker decides what is too large for the topic."""


class Tributaries(Source, Protocol):
    """A source of several topics."""

    def stable_ends(self, partitions: Collection[Partition], seconds: float) -> Mapping[Partition, int]:
        """Last stable offsets now. Raises TransportError after `seconds`."""
        ...

    def rejoin(self) -> None:
        """The next poll joins the group anew."""
        ...


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
    source = _source_of(config)
    options, slot, group = kafka_options(source), source.slot or socket.gethostname(), f"{source.group}.merge"
    stopping, pulse = stopping or Stopping(), Pulse()
    with ExitStack() as stack:
        stack.enter_context(obeyed(stopping))
        stack.enter_context(Watchdog(pulse, lambda seconds: probe(options, seconds)))
        partitions = _same_partitions(options, source, pulse.beat)
        sink = KafkaSink(
            options,
            topics={"copy": source.topic},
            transactional_id=f"{group}-{slot}",
            largest=LARGEST_COPY,
            tick=pulse.beat,
        )
        stack.callback(sink.close)
        tributaries = KafkaSource(
            options,
            topics=source.merge,
            group=group,
            slot=slot,
            together=True,
            session_timeout=source.session_timeout,
            max_poll_interval=source.max_poll_interval,
            tick=pulse.beat,
        )
        stack.callback(tributaries.close)
        log.info("%s: %s flow into %s (slot %s)", group, ", ".join(source.merge), source.topic, slot)
        Merge(
            tributaries,
            sink,
            Courses(source.merge, source.topic),
            partitions,
            pulse=pulse,
            stopping=stopping,
            limit=config.batch,
            last_copy=lambda partition: _last_copy(options, source.topic, partition, pulse.beat),
            accept_inexact=accept_inexact,
            idle_exit=idle_exit,
        ).run()


def _source_of(config: Config) -> m.KafkaSource:
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


class Merge:
    """The copier's loop. One thread, one per process."""

    def __init__(
        self,
        source: Tributaries,
        sink: Sink,
        courses: Courses,
        partitions: int,
        *,
        pulse: Pulse,
        stopping: Stopping,
        last_copy: Callable[[Partition], int | None],
        limit: int = 500,
        accept_inexact: bool = False,
        idle_exit: float | None = None,
    ) -> None:
        """`partitions`: how many every topic has; `limit`: most records of a poll, and of a transaction.

        `last_copy(partition)`: the offset of a record that was copied lately, if there is one.
        """
        self.source = source
        self.sink = sink
        self._courses = courses
        self._partitions = partitions
        self._pulse = pulse
        self._stopping = stopping
        self._limit = limit
        self._last_copy = last_copy
        self._accept_inexact = accept_inexact
        self._idle_exit = idle_exit
        self._membership = Membership(source)
        self._delivery = Delivery(source, sink, self._attend, pulse, stopping, self)
        self._more = False
        """True if the last batch was full, so that more may be waiting."""
        self._reported: Counter[str] = Counter()
        self._trouble = ""
        now = time.monotonic()
        self._last_moved = now
        """When a record came, or a partition set off."""
        self._report_after, self._restate_after = now + REPORT_SECONDS, now + RESTATE_SECONDS
        self._rejoin_after = now + REJOIN_SECONDS

    def run(self) -> None:
        """Returns with everything committed that it copied. What raises commits nothing more."""
        while not self._finished():
            proof = self._poll(0.0 if self._more else POLL_SECONDS)
            self._mend()
            self._set_off()
            self._learn_ends()
            batch = self._courses.take(self._limit)
            self._more = sum(map(len, batch.outputs.values())) == self._limit
            self._deliver(batch or self._restated(), proof)
            self._hold_back()
            self._report()

    # --- reading --------------------------------------------------------------------------------------

    def _poll(self, seconds: float) -> object | None:
        """The proof of who held what was polled: taken right after the poll, so that a zombie is fenced."""
        with self._pulse.calling("poll"):
            records = self.source.poll(seconds, self._limit)
        proof = self._membership.proof()
        self._courses.follow(self.source.changes())
        if proof is OUTSIDE:
            self._courses.lose_all()
            return None
        if records:
            self._last_moved = time.monotonic()
        self._courses.receive(records)
        for course in self._courses:
            if course.flows:
                self._look_at(course)
        return proof

    def _mend(self) -> None:
        """A group gives a static member that was away for a moment what it had before its topics changed."""
        now = time.monotonic()
        if not self._courses.torn:
            self._rejoin_after = now + REJOIN_SECONDS
        elif now >= self._rejoin_after:
            log.info("part of what flows together is missing: joining the group anew")
            self._rejoin_after = now + REJOIN_SECONDS
            self.source.rejoin()

    def _look_at(self, course: Course) -> None:
        course.read = self.source.position(course.partition)
        now = self.source.topic_id(course.partition)
        if course.topic_id and now and course.topic_id != now:
            log.warning("%s: the topic was made anew", course.partition)
            self._restart(course)

    def _restart(self, course: Course) -> None:
        self.source.pause([course.partition])
        self._courses.restart(course)

    def _set_off(self) -> None:
        """Ask for the position of each that has none yet, and go on from there."""
        for course in self._courses:
            if not course.flows and time.monotonic() >= course.ask_after:
                try:
                    self._begin(course)
                except Fenced:
                    raise
                except TransportError as error:
                    self._complain(f"the broker does not tell a position: {error}")
                    course.ask_after = time.monotonic() + RETRY_SECONDS

    def _begin(self, course: Course) -> None:
        partition = course.partition
        if partition.number >= self._partitions:
            raise RecoveryError(
                f"{partition}: every topic had {self._partitions} partitions at the start; give all of them "
                "the same number again, and start again"
            )
        with self._pulse.calling("committed"):
            course.committed = self.source.committed(partition, ANSWER_SECONDS)
        with self._pulse.calling("bounds"):
            bounds = self.source.bounds(partition, ANSWER_SECONDS)
        course.topic_id = self.source.topic_id(partition)
        course.read = self._first(course, bounds)
        course.flows, self._last_moved = True, time.monotonic()
        self.source.seek(partition, course.read)
        self.source.resume([partition])

    def _first(self, course: Course, bounds: Bounds) -> int:
        """The offset to begin with. Raises RecoveryError if a record would be lost, or copied twice."""
        partition, commit = course.partition, course.committed
        if fault := self._fault(course, bounds):
            if not self._accept_inexact:
                raise RecoveryError(
                    f"{partition}: {fault}. --accept-inexact goes on at the first record, {bounds.begin}"
                )
            log.warning(
                "%s: %s; accepted, it goes on at the first record, %d", partition, fault, bounds.begin
            )
            return bounds.begin
        if commit is not None:
            log.info("%s goes on at offset %d", partition, commit.offset)
            return commit.offset
        gone = "; retention has removed what was before" if bounds.begin else ""
        log.info("%s begins at its first record, %d%s", partition, bounds.begin, gone)
        return bounds.begin

    def _fault(self, course: Course, bounds: Bounds) -> str:
        """Why it cannot be gone on exactly; empty if it can."""
        if course.committed is not None:
            return _loss(course.committed, course.topic_id, bounds)
        with self._pulse.calling("last_copy"):
            copied = self._last_copy(course.partition)
        if copied is None:
            return ""
        return (
            f"its records were copied up to offset {copied} at least, but the group has no committed "
            "position (expired, another group, or the topic was made anew): they would be copied again"
        )

    def _learn_ends(self) -> None:
        """Where the logs end now, as far as the order depends on it."""
        if asked := self._courses.to_ask():
            try:
                with self._pulse.calling("stable_ends"):
                    self._courses.told(self.source.stable_ends(asked, ANSWER_SECONDS))
            except TransportError as error:
                self._complain(f"the broker does not tell where partitions end: {error}")
            else:
                self._trouble = ""

    def _hold_back(self) -> None:
        """No more is read of a partition of which enough is waiting for its turn."""
        for course in self._courses:
            if course.flows and course.full != (len(course.waiting) >= self._limit):
                course.full = not course.full
                (self.source.pause if course.full else self.source.resume)([course.partition])

    # --- delivering -----------------------------------------------------------------------------------

    def _deliver(self, batch: Confluence, proof: object | None) -> None:
        if batch:
            done = self._delivery.deliver(batch, proof)
            for course in self._courses.confirm(batch, done):
                self._restart(course)

    def _attend(self) -> tuple[set[Partition], object | None]:
        """Keep the place in the group while a batch waits: poll with everything paused."""
        self.source.pause(course.partition for course in self._courses if course.flows)
        proof = self._poll(0.0)
        self.source.resume(course.partition for course in self._courses if course.flows and not course.full)
        return {course.partition for course in self._courses if course.flows}, proof

    def _restated(self) -> Confluence:
        if time.monotonic() < self._restate_after:
            return Confluence()
        self._restate_after = time.monotonic() + RESTATE_SECONDS
        return self._courses.restated()

    def doubted(self, outcomes: Iterable[Verdict]) -> None:
        """Nobody counts them here; each is in the log."""

    # --- how it stands --------------------------------------------------------------------------------

    def _report(self) -> None:
        """Once a minute, whether there is anything to copy or not."""
        now = time.monotonic()
        if now < self._report_after:
            return
        self._report_after = now + REPORT_SECONDS
        copied = self._courses.copied - self._reported
        self._reported = self._courses.copied.copy()
        counts = ", ".join(f"{topic}: {count}" for topic, count in copied.items()) or "nothing new"
        log.info("copied in the last minute: %s; %s", counts, self._courses.standing())

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning(trouble)
        self._trouble = trouble

    def _finished(self) -> bool:
        if self._stopping.asked:
            return True
        if not self._courses.idle:
            return False
        idle = time.monotonic() - self._last_moved
        return self.source.exhausted or (self._idle_exit is not None and idle >= self._idle_exit)


def _loss(commit: Commit, topic_id: str, bounds: Bounds) -> str:
    """Which records can never be copied; empty if there are none."""
    if commit.metadata and topic_id and commit.metadata != topic_id:
        return (
            f"the topic was made anew: its id is {topic_id}, but the committed position is one in "
            f"{commit.metadata}"
        )
    if bounds.begin > commit.offset:
        return (
            f"the log begins at {bounds.begin}, after the position {commit.offset}: records were deleted "
            "before they were copied (retention)"
        )
    if bounds.end < commit.offset:
        return (
            f"the log ends at {bounds.end}, before the position {commit.offset}: the topic was made anew, or "
            "lost records"
        )
    return ""
