"""One partition while this worker holds it: its stages, its learner, and how far everything is."""

import time
from dataclasses import dataclass, field
from typing import Literal

from streamrnn.service.model import Learner
from streamrnn.service.progress import Progress
from streamrnn.service.restore import Goal
from streamrnn.types import Bounds, Commit, Partition

Stage = Literal["waiting", "beginning", "restoring", "live"]


@dataclass(eq=False)
class Life:
    """One partition while this worker holds it.

    waiting      paused, nothing known yet; its committed position has to be asked for
    beginning    paused, its genesis snapshot is written, the position is about to be committed
    restoring    flowing, learned again up to the committed position, nothing is published
    live         flowing, learned, published and committed
    """

    partition: Partition
    stage: Stage = "waiting"
    reason: str = "waiting for its committed position"
    ask_after: float = 0.0
    """When to ask for the committed position (again), by the monotonic clock."""
    lineage: str = ""
    topic_id: str = ""
    """Of the topic that the position is one in; empty as long as it is not known."""
    learner: Learner | None = None
    committed: Commit | None = None
    """The position that is confirmed; nothing newer may be snapshotted."""
    position: int = -1
    """Next offset to learn."""
    goal: Goal | None = None
    saved: int = -1
    """Offset of the newest snapshot."""
    saved_at: float = 0.0
    """When it was taken, seconds since 1970."""
    save_after: float = 0.0
    """When the next snapshot is due, by the monotonic clock."""
    look_after: float = 0.0
    """When to look at the log's bounds again, by the monotonic clock."""
    away: str = ""
    """Why the last look failed."""
    inexact: bool = False
    """True if a replay that did not give what was committed was accepted, until a commit says so."""
    read: int = -1
    """Next offset to read, when the log was last looked at: beyond `position` by control records only."""
    bounds: Bounds | None = None
    """What the log held when it was last asked."""
    lag: int | None = None
    """Offsets that were still to be read then, up to the last stable one."""
    since: float = field(default_factory=time.monotonic)
    """When it was assigned, by the monotonic clock."""

    @property
    def settled(self) -> bool:
        """True if the learner is exactly where the committed position is."""
        return self.stage == "live" and self.committed is not None and self.committed.offset == self.position

    @property
    def flows(self) -> bool:
        """True if its records may be read."""
        return self.stage in ("restoring", "live")

    def answering(self) -> Learner:
        if self.learner is None:
            raise AssertionError(f"{self.partition} is {self.stage} and has no learner")
        return self.learner

    def commit(self) -> Commit:
        """The committed position that says where it is now, and what its learner published on the way."""
        learner = self.answering()
        return Progress(self.lineage, learner.events, learner.digest, self.topic_id).at(self.position)
