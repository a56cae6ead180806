"""A sink into a broker in memory, that can be told to fail at the worst moment."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from streamrnn.errors import DeliveryUncertain
from streamrnn.types import Commit, Output, Partition

Happened = Literal["never", "at_once", "late"]
"""After a publish that raises: nothing is visible, all of it is, or all of it will be after `recover`."""


class Broker(Protocol):
    """What the sink asks of the broker in memory (`sources.memory_log.MemoryLog`)."""

    def partitions(self, topic: str) -> list[Partition]: ...
    def take_over(self, producer: str) -> int: ...
    def stage(
        self,
        producer: str,
        epoch: int,
        outputs: Sequence[tuple[Partition, Output]],
        commits: Mapping[Partition, Commit],
        membership: object | None,
    ) -> None: ...
    def decide(self, producer: str) -> None: ...
    def complete(self, producer: str, epoch: int) -> None: ...
    def write(self, outputs: Iterable[tuple[Partition, Output]]) -> None: ...


class _Fault(NamedTuple):
    happened: Happened
    error: BaseException


class MemorySink:
    """Publishes to two topics of a MemoryLog, in transactions or (`transactional=False`) at least once.

    Making a second sink with the same `transactional_id` fences the first and aborts what it left open.
    """

    def __init__(
        self,
        broker: Broker,
        topic: str,
        dead_letters: str,
        transactional_id: str = "group-slot",
        transactional: bool = True,
    ) -> None:
        self._broker = broker
        self._topics = {
            "prediction": broker.partitions(topic),
            "dead_letter": broker.partitions(dead_letters),
        }
        self._id = transactional_id
        self._transactional = transactional
        self._faults: deque[_Fault] = deque()
        self._epoch = broker.take_over(transactional_id) if transactional else 0

    def fail(self, happened: Happened, error: BaseException | None = None) -> None:
        """Let the next publish that has no fault yet raise `error` (by default DeliveryUncertain).

        A BaseException that nobody catches rehearses a crash of the process.
        """
        self._faults.append(_Fault(happened, error or DeliveryUncertain("the answer to the commit was lost")))

    @property
    def transactional(self) -> bool:
        return self._transactional

    def publish(
        self,
        outputs: Mapping[Partition, Sequence[Output]],
        commits: Mapping[Partition, Commit],
        membership: object | None,
    ) -> None:
        placed = [(self._place(source, output), output) for source in outputs for output in outputs[source]]
        fault = self._faults.popleft() if self._faults else None
        happened = fault.happened if fault else "at_once"
        if self._transactional:
            self._transact(placed, commits, membership, happened)
        elif happened != "never":
            self._broker.write(placed)
        if fault:
            raise fault.error

    def recover(self) -> None:
        if self._transactional:
            self._epoch = self._broker.take_over(self._id)

    def close(self) -> None:
        """Nothing to release: an open transaction stays open, as after a crash."""

    def _place(self, source: Partition, output: Output) -> Partition:
        partitions = self._topics[output.kind]
        return partitions[source.number % len(partitions)]

    def _transact(
        self,
        placed: Sequence[tuple[Partition, Output]],
        commits: Mapping[Partition, Commit],
        membership: object | None,
        happened: Happened,
    ) -> None:
        self._broker.stage(self._id, self._epoch, placed, commits, membership)
        if happened == "late":
            self._broker.decide(self._id)
        if happened == "at_once":
            self._broker.complete(self._id, self._epoch)
