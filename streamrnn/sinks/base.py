"""What a sink of predictions promises to the service's loop."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from streamrnn.types import Commit, Output, Partition


class Sink(Protocol):
    """Takes outputs in the order of their input. Not thread-safe: one loop owns it."""

    @property
    def transactional(self) -> bool:
        """True if `publish` makes outputs and commits visible together or not at all."""
        ...

    def publish(
        self,
        outputs: Mapping[Partition, Sequence[Output]],
        commits: Mapping[Partition, Commit],
        membership: object | None,
    ) -> None:
        """Durable when it returns. Outputs of input partition p go to output partition p mod n.

        A transactional sink puts `commits` into the same transaction, fenced by `membership`; any other sink
        ignores both. `outputs` may be empty (a genesis commits its position alone).

        Raises DeliveryUncertain when only `Source.committed` can tell what happened (call `recover` first);
        that includes a refused `membership`, after which the next poll joins the group again. Raises Fenced
        when another producer took over this worker's slot: the caller stops, because to `recover` would
        fence the successor.
        """
        ...

    def recover(self) -> None:
        """Abort whatever a failed `publish` left open; afterwards `Source.committed` tells the truth.

        Raises TransportError while the broker is away: call again.
        """
        ...

    def close(self) -> None: ...
