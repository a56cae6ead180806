"""Kafka topics, read by one static member of a consumer group."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from kafka import ConsumerRebalanceListener
from kafka.structs import TopicPartition

from streamrnn.kafka_client import (
    START_SECONDS,
    Member,
    Options,
    Tick,
    native,
    native_offsets,
    require_topics,
)
from streamrnn.sources.base import Changes
from streamrnn.types import Bounds, Commit, Partition, Record


class KafkaSource:
    """Reads `topics` as the worker `slot` of `group`. Partitions arrive paused, for their first `seek`.

    Of several topics, partitions of one number are assigned to one worker, if `together`.
    """

    def __init__(
        self,
        options: Options,
        *,
        topics: Sequence[str],
        group: str,
        slot: str,
        together: bool = False,
        session_timeout: float = 10.0,
        max_poll_interval: float = 300.0,
        tick: Tick,
    ) -> None:
        """Raises TransportError when no broker answers within half a minute or a topic does not exist."""
        require_topics(options, topics, seconds=START_SECONDS, tick=tick)
        self._listener = _Listener()
        self._member = Member(
            options,
            topics=topics,
            group=group,
            slot=slot,
            together=together,
            session_timeout=session_timeout,
            max_poll_interval=max_poll_interval,
            listener=self._listener,
            tick=tick,
        )
        self._listener.member = self._member

    def poll(self, seconds: float, limit: int) -> Mapping[Partition, list[Record]]:
        polled = self._member.poll(seconds, limit)
        return {
            Partition(topic, number): [
                Record(r.offset, r.key, r.value, r.timestamp, r.headers) for r in records
            ]
            for (topic, number), records in polled.items()
        }

    def changes(self) -> Changes:
        return self._listener.take()

    def rejoin(self) -> None:
        """The next poll joins the group anew; partitions that are held stay meanwhile."""
        self._member.rejoin()

    def membership(self) -> object | None:
        proof: object = self._member.proof()
        return proof

    def committed(self, partition: Partition, seconds: float) -> Commit | None:
        found = self._member.committed(native(partition), seconds)
        return None if found is None else Commit(found.offset, found.metadata or "")

    def bounds(self, partition: Partition, seconds: float) -> Bounds:
        return Bounds(*self._member.bounds(native(partition), seconds))

    def stable_ends(self, partitions: Collection[Partition], seconds: float) -> Mapping[Partition, int]:
        """Last stable offsets now: whoever read up to them has read all that is committed."""
        found = self._member.stable_ends([native(partition) for partition in partitions], seconds)
        return {Partition(*place): offset for place, offset in found.items()}

    def topic_id(self, partition: Partition) -> str:
        return self._member.topic_id(partition.topic)

    def position(self, partition: Partition) -> int:
        return self._member.position(native(partition))

    def seek(self, partition: Partition, offset: int) -> None:
        self._member.consumer.seek(native(partition), offset)

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._member.consumer.pause(*map(native, partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._member.consumer.resume(*map(native, partitions))

    def commit(self, commits: Mapping[Partition, Commit]) -> None:
        self._member.commit(native_offsets(commits))

    @property
    def exhausted(self) -> bool:
        return False

    def close(self) -> None:
        self._member.close()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what moved. It is called on the client's own thread, from inside poll, and must not block."""

    def __init__(self) -> None:
        self.member: Member | None = None
        self._assigned: list[Partition] = []
        self._revoked: list[Partition] = []
        self._lost: list[Partition] = []

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        assert self.member is not None
        for arrival in sorted(assigned):
            # The poll that completes a join returns records already: they must wait for their learner.
            self.member.consumer.pause(arrival)
            # With a position, the client does not look for the group's own and refuse where there is none.
            self.member.consumer.seek(arrival, 0)
            self._assigned.append(Partition(*arrival))

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._withdraw(revoked, self._revoked)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self._withdraw(lost, self._lost)

    def _withdraw(self, leaving: Iterable[TopicPartition], into: list[Partition]) -> None:
        for partition in (Partition(*departure) for departure in sorted(leaving)):
            if partition in self._assigned:
                self._assigned.remove(partition)  # came and went before anybody asked
            else:
                into.append(partition)

    def take(self) -> Changes:
        changes = Changes(tuple(self._assigned), tuple(self._revoked), tuple(self._lost))
        self._assigned, self._revoked, self._lost = [], [], []
        return changes
