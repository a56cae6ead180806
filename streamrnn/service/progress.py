"""What stands beside every committed offset: whose life it is, how far it came, and what it has published."""

from typing import Self

import msgspec

from streamrnn.types import Commit


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a learner is. Two learners of one lineage with equal progress are equal bit for bit."""

    lineage: str
    events: int
    digest: str
    """Chains everything published so far (`Learner.digest`)."""
    topic_id: str = ""
    """Of the topic that was read (`Source.topic_id`); empty where nothing tells it."""

    def at(self, offset: int) -> Commit:
        """The committed position that carries this progress."""
        return Commit(offset, msgspec.json.encode(self).decode())

    @classmethod
    def of(cls, commit: Commit) -> Self | None:
        """What `at` wrote; None if somebody else wrote this position."""
        try:
            return msgspec.json.decode(commit.metadata, type=cls)
        except msgspec.DecodeError:
            return None
