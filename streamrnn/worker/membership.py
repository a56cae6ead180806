"""Whether this worker is a member of its group, and how long it may be none."""

import logging
import time
from typing import Final

from streamrnn.errors import Fenced
from streamrnn.sources.base import Source

log = logging.getLogger(__name__)

OUTSIDE_SECONDS = 120.0
"""How long this worker may be no member of its group before it gives up."""


class Outside:
    """Instead of a proof: this worker is no member of its group, and holds nothing."""


OUTSIDE: Final = Outside()


class Membership:
    """The proof of who held what at the last poll."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._was_member = False
        self._outside_since: float | None = None

    def proof(self) -> object | None:
        """For `Sink.publish`, or OUTSIDE. Take it right after a poll: it fences a zombie.

        Raises Fenced once this worker has been outside for too long.
        """
        try:
            proof = self._source.membership()
        except Fenced as error:
            now = time.monotonic()
            if self._outside_since is None:
                if self._was_member:
                    log.warning("not a member of the group any more, joining again: %s", error)
                self._outside_since = now
            if now - self._outside_since > OUTSIDE_SECONDS:
                raise
            return OUTSIDE
        self._was_member, self._outside_since = True, None
        return proof
