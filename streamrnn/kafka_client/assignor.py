"""Who of a group reads what, where topics are read together."""

import copy
from collections.abc import Sequence
from typing import Any

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor


class Together(CooperativeStickyAssignor):  # type: ignore[misc]
    """Gives all partitions of one number, of whatever topic, to one member.

    The numbers of one topic are placed as that of the base class places them, the others follow. That topic
    is one that all members read, so that no partition has two readers while members disagree about the rest;
    members that have none in common are given nothing.
    """

    name = "cooperative-sticky-together"

    def assign(self, cluster: Any, members: Any) -> Any:
        read = {member.member_id: sorted(member.metadata.topics) for member in members}
        common = sorted(set.intersection(*map(set, read.values())))
        placed = super().assign(cluster, [_reading_only(common[:1], member) for member in members])
        for member_id, assignment in placed.items():
            numbers = sorted(number for _, numbers in assignment.assigned_partitions for number in numbers)
            assignment.assigned_partitions = [(topic, numbers) for topic in read[member_id] if numbers]
        return placed


def _reading_only(topics: Sequence[str], member: Any) -> Any:
    """The member of a group, as if it read these topics alone."""
    metadata = copy.copy(member.metadata)
    metadata.topics = list(topics)
    metadata.owned_partitions = [owned for owned in metadata.owned_partitions or () if owned.topic in topics]
    member = copy.copy(member)
    member.metadata = metadata
    return member
