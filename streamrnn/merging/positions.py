"""Where the copying of a partition begins, and what stops it there: records lost, or copied twice."""

import logging
from collections.abc import Callable

from streamrnn.errors import RecoveryError
from streamrnn.merging.order import Origin
from streamrnn.types import Bounds, Commit, Partition

log = logging.getLogger(__name__)

LastCopy = Callable[[Partition], int | None]
"""The offset of a record of this partition that was copied lately, if there is one."""


def first(origin: Origin, bounds: Bounds, last_copy: LastCopy, *, accept_inexact: bool) -> int:
    """The offset to begin with. Raises RecoveryError if a record would be lost, or copied twice."""
    partition, commit = origin.partition, origin.committed
    if fault := _fault(origin, bounds, last_copy):
        if not accept_inexact:
            raise RecoveryError(
                f"{partition}: {fault}. --accept-inexact goes on at the first record, {bounds.begin}"
            )
        log.warning("%s: %s; accepted, it goes on at the first record, %d", partition, fault, bounds.begin)
        return bounds.begin
    if commit is not None:
        log.info("%s goes on at offset %d", partition, commit.offset)
        return commit.offset
    gone = "; retention has removed what was before" if bounds.begin else ""
    log.info("%s begins at its first record, %d%s", partition, bounds.begin, gone)
    return bounds.begin


def _fault(origin: Origin, bounds: Bounds, last_copy: LastCopy) -> str:
    """Why it cannot be gone on exactly; empty if it can."""
    if origin.committed is not None:
        return _loss(origin.committed, origin.topic_id, bounds)
    copied = last_copy(origin.partition)
    if copied is None:
        return ""
    return (
        f"its records were copied up to offset {copied} at least, but the group has no committed "
        "position (expired, another group, or the topic was made anew): they would be copied again"
    )


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
