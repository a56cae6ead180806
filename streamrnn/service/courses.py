"""What flows together: partitions of one number of several topics, and the order in which they are copied.

Within a partition the log's order is kept. Between partitions of one number the oldest record goes first, by
the transport's timestamps, and at the same millisecond that of the topic that is named first. Nothing is
copied as long as a partition may still bring an older record: its next one has to be here, or its log must
have been at its end after the others' records had come. So a label that was produced once its event stood
in its topic is copied after the event, however far the one or the other is behind.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from streamrnn.service.delivery import Batch
from streamrnn.sources.base import Changes
from streamrnn.types import Commit, Output, Partition, Record


@dataclass(eq=False)
class Course:
    """One partition that is copied, while this worker holds it."""

    partition: Partition
    rank: int
    """The place of its topic among those that are merged."""
    flows: bool = False
    """False until its committed position is known."""
    ask_after: float = 0.0
    """When to ask for the committed position (again), by the monotonic clock."""
    topic_id: str = ""
    """Of the topic that the position is one in; empty where nothing tells it."""
    committed: Commit | None = None
    """The position that is confirmed."""
    read: int = -1
    """The next offset that a poll brings, or passes over."""
    stable: int | None = None
    """Where its log ended when last asked; None: that was before the last record came, so it says nothing."""
    waiting: deque[Record] = field(default_factory=deque)
    """Read and not copied yet."""
    taken: int = 0
    """Records in the batch that is under way."""
    full: bool = False
    """True while no more is read, because enough is waiting."""

    @property
    def next(self) -> int:
        """The next offset to copy."""
        return self.waiting[0].offset if self.waiting else self.read

    @property
    def behind(self) -> bool:
        """True if its next record may stand in its log and is not here."""
        return not self.waiting and (self.stable is None or self.read < self.stable)

    def end(self) -> Commit:
        return Commit(self.next, self.topic_id)


class Confluence(Batch):
    """A batch whose outputs are by the partition that they go to, as several flow into it."""

    def only(self, partitions: Iterable[Partition]) -> "Confluence":
        """A number is whole or it is not there: its records have an order."""
        kept = set(partitions)
        broken = {at.number for at in self.ends if at not in kept}
        return Confluence(
            {at: start for at, start in self.starts.items() if at.number not in broken},
            {at: end for at, end in self.ends.items() if at.number not in broken},
            {at: outputs for at, outputs in self.outputs.items() if at.number not in broken},
        )


class Courses:
    """The partitions that this worker holds of the topics that are merged into `target`."""

    def __init__(self, topics: Sequence[str], target: str) -> None:
        self._topics = topics
        self._target = target
        self._held: dict[Partition, Course] = {}
        self.copied: Counter[str] = Counter()
        """Records that are durable, by the topic that they came from."""

    def __iter__(self) -> Iterator[Course]:
        return iter(tuple(self._held.values()))

    @property
    def torn(self) -> bool:
        """True if a number is held of which a topic's partition is not."""
        numbers = Counter(course.partition.number for course in self)
        return any(count < len(self._topics) for count in numbers.values())

    @property
    def idle(self) -> bool:
        """True if there is a partition, and nothing waits for its position, its turn or its like."""
        settled = all(course.flows and not course.waiting for course in self)
        return bool(self._held) and settled and not self.torn

    def standing(self) -> str:
        """For the log."""
        numbers = sorted({course.partition.number for course in self})
        waiting = sum(len(course.waiting) for course in self)
        text = f"{len(numbers)} partitions of each topic are here, {waiting} records wait for their turn"
        late = [
            str(course.partition)
            for course in self
            if not course.flows or (course.stable is not None and course.behind)
        ]
        return f"{text}, records of {', '.join(late)} are behind" if late else text

    # --- coming and going -----------------------------------------------------------------------------

    def follow(self, changes: Changes) -> None:
        """Let go of what is gone, with what was waiting; take in what is new."""
        for partition in (*changes.revoked, *changes.lost):
            self._held.pop(partition, None)
        for partition in changes.assigned:
            self._held[partition] = Course(partition, self._topics.index(partition.topic))

    def lose_all(self) -> None:
        self._held.clear()

    def restart(self, course: Course) -> None:
        """From the committed position, whatever that is now."""
        self._held[course.partition] = Course(course.partition, course.rank)

    # --- the order ------------------------------------------------------------------------------------

    def receive(self, records: Mapping[Partition, Sequence[Record]]) -> None:
        for partition, block in records.items():
            if (course := self._held.get(partition)) and course.flows:
                course.waiting.extend(block)

    def to_ask(self) -> list[Partition]:
        """Whose end has to be known before what is waiting may be copied; what was known is out of date."""
        asked = []
        for courses in self._whole():
            if len(courses) > 1 and any(course.waiting for course in courses):
                asked += [
                    course for course in courses if course.stable is None or course.read >= course.stable
                ]
        for course in asked:
            course.stable = None
        return [course.partition for course in asked]

    def told(self, ends: Mapping[Partition, int]) -> None:
        for partition, stable in ends.items():
            self._held[partition].stable = stable

    def take(self, limit: int) -> Confluence:
        """What is to be copied next, at most `limit` records."""
        batch = Confluence()
        for courses in self._whole():
            outputs = _flow_together(courses, limit)
            limit -= len(outputs)
            if outputs:
                batch.outputs[Partition(self._target, courses[0].partition.number)] = outputs
                self._add_positions(batch, courses)
        return batch

    def restated(self) -> Confluence:
        """Positions that moved although nothing was copied: over control records, or by an accepted loss."""
        batch = Confluence()
        self._add_positions(batch, [course for course in self if course.flows])
        return batch

    def confirm(self, batch: Confluence, done: Collection[Partition]) -> list[Course]:
        """`done` of the batch is durable; what is returned has to start again from what is committed.

        That is all of a number: whoever moved one of its positions moved the others, too.
        """
        broken = {at.number for at in batch.ends if at not in done}
        for partition, end in batch.ends.items():
            course = self._held.get(partition)
            # One that came again while the batch was under way asks for its position.
            if course is not None and course.flows and partition.number not in broken:
                self.copied[partition.topic] += course.taken
                course.committed, course.taken = end, 0
        return [course for course in self if course.flows and course.partition.number in broken]

    def _add_positions(self, batch: Confluence, courses: Iterable[Course]) -> None:
        for course in courses:
            if course.end() != course.committed:
                batch.add(course.partition, course.committed, course.end())

    def _whole(self) -> list[list[Course]]:
        """The numbers of which a partition of each topic is held and flows."""
        numbers = defaultdict(list)
        for course in self._held.values():
            if course.flows:
                numbers[course.partition.number].append(course)
        return [courses for _, courses in sorted(numbers.items()) if len(courses) == len(self._topics)]


def _flow_together(courses: Sequence[Course], limit: int) -> list[Output]:
    outputs: list[Output] = []
    while len(outputs) < limit and (course := _oldest(courses)) is not None:
        outputs.append(copied(course.partition, course.waiting.popleft()))
        course.taken += 1
    return outputs


def _oldest(courses: Sequence[Course]) -> Course | None:
    """Whose record goes next; None if there is none, or an older one may still come."""
    if len(courses) > 1 and any(course.behind for course in courses):
        return None
    waiting = [course for course in courses if course.waiting]
    return min(waiting, key=lambda course: (course.waiting[0].timestamp, course.rank), default=None)


def copied(partition: Partition, record: Record) -> Output:
    """The record, and where it stood; a header's null, which the client cannot send, is an empty one."""
    headers = [(name, value or b"") for name, value in record.headers]
    headers += [
        ("origin_topic", partition.topic.encode()),
        ("origin_partition", b"%d" % partition.number),
        ("origin_offset", b"%d" % record.offset),
        ("origin_timestamp", b"%d" % record.timestamp),
    ]
    return Output("copy", record.key, record.value, headers)
