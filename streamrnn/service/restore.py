"""How a learner comes to life: by a genesis, or from the newest sound snapshot and a replay.

Every way in which log, snapshots and committed position can disagree ends here, in an error that says what
the user may do.
"""

import logging
from typing import NamedTuple

from streamrnn.errors import RecoveryError
from streamrnn.service.model import Difference, Learner, Models
from streamrnn.service.progress import Progress
from streamrnn.service.vault import Saved, Vault
from streamrnn.types import Bounds, Commit, Partition

log = logging.getLogger(__name__)

RESET = "--reset starts a new life of the model"


class Goal(NamedTuple):
    """Where a replay ends, and what must be true there."""

    offset: int
    progress: Progress
    difference: Difference
    """What today's configuration changes once the goal is reached."""


class Restored(NamedTuple):
    """A learner as its snapshot left it, and the way to go."""

    learner: Learner
    saved: Saved
    start: int
    """Next offset to learn; at most the goal."""
    goal: Goal


def begins(partition: Partition, commit: Commit | None, vault: Vault) -> bool:
    """True if the partition has no life yet. Raises RecoveryError if it had one whose position is gone."""
    if commit is not None:
        return False
    lives = vault.lives(partition)
    if lives:
        raise RecoveryError(
            f"{partition}: there are snapshots of lineage {', '.join(lives)}, but the group has no committed "
            f"position (expired, or the topic was made anew): nothing says how much was published. {RESET}"
        )
    return True


def restore(
    partition: Partition,
    commit: Commit,
    bounds: Bounds,
    topic_id: str,
    vault: Vault,
    models: Models,
    *,
    accept_inexact: bool,
) -> Restored:
    """The newest sound snapshot of the committed life, with the configuration it was learned with."""
    progress = _progress(partition, commit)
    same_topic(partition, progress.topic_id, topic_id)
    within(partition, commit.offset, bounds)
    saved = vault.newest(progress.lineage, partition, commit.offset)
    difference = models.difference(saved.configuration)
    if difference.refused:
        raise RecoveryError(
            f"{partition}: snapshot {saved.name} was learned with another configuration: "
            f"{difference.refused}. Go back to it, or {RESET}"
        )
    start = saved.offset
    if start < min(bounds.begin, commit.offset):
        if not accept_inexact:
            raise RecoveryError(
                f"{partition}: the log begins at {bounds.begin}, but snapshot {saved.name} has to be "
                f"continued from {start}: the records between are gone (retention). --accept-inexact goes on "
                f"without them; {RESET}"
            )
        start = bounds.begin
    learner = models.make(progress.lineage, saved.configuration)
    learner.load(saved.state)
    return Restored(learner, saved, start, Goal(commit.offset, progress, difference))


def check(partition: Partition, learner: Learner, goal: Goal, *, accept_inexact: bool) -> bool:
    """True if the learner at the goal is the one that was committed; False if it is not, and accepted."""
    if (learner.events, learner.digest) == (goal.progress.events, goal.progress.digest):
        return True
    found = (
        f"{partition}: at offset {goal.offset}, {goal.progress.events} events with digest "
        f"{goal.progress.digest} were committed, but the replay gave {learner.events} events with digest "
        f"{learner.digest}"
    )
    if not accept_inexact:
        raise RecoveryError(
            f"{found}. The log is not what it was (compacted, made anew), or this CPU or version computes "
            f"differently. --accept-inexact goes on with what the replay gave; {RESET}"
        )
    log.warning("%s; accepted as inexact", found)
    return False


def within(partition: Partition, position: int, bounds: Bounds) -> None:
    """Raises RecoveryError if the log, as it is now, does not reach from `position` on."""
    if bounds.begin > position:
        raise RecoveryError(
            f"{partition}: the log begins at {bounds.begin}, after the position {position}: records were "
            f"deleted before they were learned (retention). {RESET}"
        )
    if bounds.end < position:
        raise RecoveryError(
            f"{partition}: the log ends at {bounds.end}, before the position {position}: the topic was made "
            f"anew, or lost records. {RESET}"
        )


def same_topic(partition: Partition, then: str, now: str) -> None:
    """Raises RecoveryError if the topic is another one than that of the committed position."""
    if then and now and then != now:
        raise RecoveryError(
            f"{partition}: the topic was made anew: its id is {now}, but the committed position is one in "
            f"{then}. {RESET}"
        )


def _progress(partition: Partition, commit: Commit) -> Progress:
    progress = Progress.of(commit)
    if progress is None:
        raise RecoveryError(
            f"{partition}: the group's position {commit.offset} was not committed by streamrnn: choose a "
            f"group of its own, or {RESET}"
        )
    return progress
