"""The partitions that this worker copies: which are held, what is copied next, and what is confirmed."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from streamrnn.merging.order import Origin, take_in_order
from streamrnn.sources.base import Changes
from streamrnn.types import Partition, Record
from streamrnn.worker.delivery import Batch


class MergedBatch(Batch):
    """A batch whose outputs are by the partition that they go to, as several flow into it."""

    def only(self, partitions: Iterable[Partition]) -> "MergedBatch":
        """A number is whole or it is not there: its records have an order."""
        kept = set(partitions)
        broken = {at.number for at in self.ends if at not in kept}
        return MergedBatch(
            {at: start for at, start in self.starts.items() if at.number not in broken},
            {at: end for at, end in self.ends.items() if at.number not in broken},
            {at: outputs for at, outputs in self.outputs.items() if at.number not in broken},
        )


class Origins:
    """The partitions that this worker holds of the topics that are merged into `target`."""

    def __init__(self, topics: Sequence[str], target: str) -> None:
        self._topics = topics
        self._target = target
        self._held: dict[Partition, Origin] = {}
        self.copied: Counter[str] = Counter()
        """Records that are durable, by the topic that they came from."""

    def __iter__(self) -> Iterator[Origin]:
        return iter(tuple(self._held.values()))

    @property
    def torn(self) -> bool:
        """True if a number is held of which a topic's partition is not."""
        numbers = Counter(origin.partition.number for origin in self)
        return any(count < len(self._topics) for count in numbers.values())

    @property
    def idle(self) -> bool:
        """True if there is a partition, and nothing waits for its position, its turn or its like."""
        settled = all(origin.flows and not origin.waiting for origin in self)
        return bool(self._held) and settled and not self.torn

    def standing(self) -> str:
        """For the log."""
        numbers = sorted({origin.partition.number for origin in self})
        waiting = sum(len(origin.waiting) for origin in self)
        text = f"{len(numbers)} partitions of each topic are here, {waiting} records wait for their turn"
        late = [
            str(origin.partition)
            for origin in self
            if not origin.flows or (origin.stable is not None and origin.behind)
        ]
        return f"{text}, records of {', '.join(late)} are behind" if late else text

    # --- coming and going -----------------------------------------------------------------------------

    def follow(self, changes: Changes) -> None:
        """Let go of what is gone, with what was waiting; take in what is new."""
        for partition in (*changes.revoked, *changes.lost):
            self._held.pop(partition, None)
        for partition in changes.assigned:
            self._held[partition] = Origin(partition, self._topics.index(partition.topic))

    def lose_all(self) -> None:
        self._held.clear()

    def restart(self, origin: Origin) -> None:
        """From the committed position, whatever that is now."""
        self._held[origin.partition] = Origin(origin.partition, origin.rank)

    # --- the order ------------------------------------------------------------------------------------

    def receive(self, records: Mapping[Partition, Sequence[Record]]) -> None:
        for partition, block in records.items():
            if (origin := self._held.get(partition)) and origin.flows:
                origin.waiting.extend(block)

    def to_ask(self) -> list[Partition]:
        """Whose end has to be known before what is waiting may be copied; what was known is out of date."""
        asked = []
        for origins in self._whole():
            if len(origins) > 1 and any(origin.waiting for origin in origins):
                asked += [
                    origin for origin in origins if origin.stable is None or origin.read >= origin.stable
                ]
        for origin in asked:
            origin.stable = None
        return [origin.partition for origin in asked]

    def told(self, ends: Mapping[Partition, int]) -> None:
        for partition, stable in ends.items():
            self._held[partition].stable = stable

    def take(self, limit: int) -> MergedBatch:
        """What is to be copied next, at most `limit` records."""
        batch = MergedBatch()
        for origins in self._whole():
            outputs = take_in_order(origins, limit)
            limit -= len(outputs)
            if outputs:
                batch.outputs[Partition(self._target, origins[0].partition.number)] = outputs
                self._add_positions(batch, origins)
        return batch

    def restated(self) -> MergedBatch:
        """Positions that moved although nothing was copied: over control records, or by an accepted loss."""
        batch = MergedBatch()
        self._add_positions(batch, [origin for origin in self if origin.flows])
        return batch

    def confirm(self, batch: MergedBatch, done: Collection[Partition]) -> list[Origin]:
        """`done` of the batch is durable; what is returned has to start again from what is committed.

        That is all of a number: whoever moved one of its positions moved the others, too.
        """
        broken = {at.number for at in batch.ends if at not in done}
        for partition, end in batch.ends.items():
            origin = self._held.get(partition)
            # One that came again while the batch was under way asks for its position.
            if origin is not None and origin.flows and partition.number not in broken:
                self.copied[partition.topic] += origin.taken
                origin.committed, origin.taken = end, 0
        return [origin for origin in self if origin.flows and origin.partition.number in broken]

    def _add_positions(self, batch: MergedBatch, origins: Iterable[Origin]) -> None:
        for origin in origins:
            if origin.end() != origin.committed:
                batch.add(origin.partition, origin.committed, origin.end())

    def _whole(self) -> list[list[Origin]]:
        """The numbers of which a partition of each topic is held and flows."""
        numbers = defaultdict(list)
        for origin in self._held.values():
            if origin.flows:
                numbers[origin.partition.number].append(origin)
        return [origins for _, origins in sorted(numbers.items()) if len(origins) == len(self._topics)]
