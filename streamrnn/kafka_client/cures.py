"""The client's faults, and the cures that can stand by themselves.

Each fault has a test that shows it without its cure, so that a fixed release lets the cure go
(`tests/kafka/test_client_faults.py`):

1. A connection that is refused while a transactional request looks for its node drops the request, and the
   call waits for ever. `Client.await_ready` answers False instead, which sends the request again.
2. A batch that expires leaves its transaction committable without it. Every future is looked at before the
   commit.
3. A poll that times out while the leader joins again because the topic changed forgets the join: the group
   waits for a member that never comes. `ask_for_the_join_again`, at every poll.
4. A producer can be dead after an abort that succeeded. After any failure it is thrown away, never aborted: a
   new one with the same transactional id aborts what was open.
5. A member that was evicted answers with a group metadata that the broker does not check. `Member.proof`
   refuses what is not `joined`.
6. What was fetched of a partition before it was paused is kept aside and, once it is resumed, handed out only
   if the place of the partition in turn is empty. One that was read to its end keeps it, so the other is
   forgotten, and never fetched again. `empty_the_place`, at every poll.
"""

import time
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.structs import ConsumerGroupMetadata, MemberState

from streamrnn.kafka_client.types import Options


def settings(options: Options) -> dict[str, Any]:
    """What every consumer and every producer is made with."""
    return {**options, "kafka_client": Client, "metrics_enabled": False, "reconnect_backoff_max_ms": 1000}


class Client(KafkaNetClient):  # type: ignore[misc]
    """Cures the request that is dropped (1)."""

    def await_ready(self, node_id: Any, timeout_ms: float = 30_000) -> bool:
        try:
            return bool(super().await_ready(node_id, timeout_ms=timeout_ms))
        except KafkaError:
            # The sender asks again at once, and its own back-off is two milliseconds.
            time.sleep(0.05)
            return False


def ask_for_the_join_again(consumer: KafkaConsumer) -> bool:
    """Cures the join that is forgotten (3). True if one is under way: nothing arrives before its end."""
    rejoining: bool = consumer._coordinator.rejoining
    if rejoining:
        consumer._coordinator.request_rejoin()
    return rejoining


def empty_the_place(consumer: KafkaConsumer) -> None:
    """Cures the partition that is resumed and forgotten (6)."""
    if not consumer._fetcher._next_partition_records:
        consumer._fetcher._next_partition_records = None


def joined(metadata: ConsumerGroupMetadata) -> bool:
    """False for a member that was evicted: the broker takes what it says for the word of no group (5)."""
    return metadata.generation_id >= 0 and bool(metadata.member_id)


def silenced(consumer: KafkaConsumer) -> bool:
    """True once another member took this one's name: the heartbeat stops then, without a word."""
    coordinator = consumer._coordinator
    quiet = coordinator.state is MemberState.STABLE and not coordinator._heartbeat_enabled
    return quiet and not coordinator.rejoining and not coordinator.need_rejoin()
