"""What the service needs to know of a learner, and how it comes by one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from streamrnn.types import Output, Partition, Record

State = dict[str, np.ndarray[Any, Any]]
Configuration = Mapping[str, Any]
"""The canonical form of everything that shapes learning, as a snapshot's manifest keeps it."""


class Learner(Protocol):
    """One partition's model: a pure function of the records it was given, in order."""

    @property
    def events(self) -> int: ...

    @property
    def digest(self) -> str:
        """Chains key and value of everything published so far."""
        ...

    def learn(
        self, records: Sequence[Record], partition: Partition, *, accepted: bool = False
    ) -> list[Output]:
        """One output per record, in order. Raises InputError when too many are bad, and is of no use then.

        `accepted`: the records were learned and committed before, and stop nothing now.
        """
        ...

    def take_weights(self, networks: Iterable[int] | None = None) -> None:
        """Begin with the weights in the files that the configuration names: of these networks, or of all."""
        ...

    def state(self) -> State:
        """Copies, safe to write from another thread while learning goes on."""
        ...

    def load(self, state: State) -> None: ...

    @property
    def kernel_hash(self) -> str: ...

    def counts(self) -> Mapping[str, Any]:
        """Plain numbers for a manifest and for telemetry."""
        ...


class Names(NamedTuple):
    """What series and figures are called."""

    networks: Sequence[str]
    members: Sequence[str]
    """Networks, then baselines."""
    reasons: Sequence[str]
    """Why records may be bad."""
    outcomes: Sequence[str] = ()
    """What may become of a label that comes by id."""
    observers: Sequence[str] = ()


class Tally(NamedTuple):
    """What one network is and did since its lineage began."""

    window: int
    rate: float
    gradient_norm: float
    updates: int
    clipped: int
    skipped: int
    replaced: int
    drifts: int


class Figures(NamedTuple):
    """How a learner does, as plain values."""

    counts: Mapping[str, int] = {}
    quality: Mapping[str, Mapping[str, float]] = {}
    """By "mix" and each member."""
    weights: Mapping[str, float] = {}
    networks: Mapping[str, Tally] = {}
    confusion: Mapping[str, Any] = {}
    """`classes` and `counts` of the mix: judged events by label (row) and by class said (column)."""
    fields: Mapping[str, Mapping[str, Any]] = {}
    """By field, if several are predicted: the quality of each."""
    intervals: Mapping[str, Mapping[str, float]] = {}
    """By field: how well the published intervals cover the labels."""
    observers: Mapping[str, float] = {}
    """By name: the value of a metric, or drifts seen."""
    quantiles: Mapping[str, Mapping[str, float]] = {}
    """By field: pinball loss and shares below each published quantile."""


class Difference(NamedTuple):
    """How today's configuration differs from the one that a snapshot was learned with."""

    refused: str = ""
    """What changes shapes or meaning, one line each; empty: the state can be taken over."""
    taken_over: str = ""
    """What else differs."""
    restarted: tuple[int, ...] = ()
    """Networks that shall take the weights of another file."""


class Models(Protocol):
    """Makes learners."""

    @property
    def configuration(self) -> Configuration:
        """Today's."""
        ...

    @property
    def names(self) -> Names: ...

    def make(self, lineage: str, configuration: Configuration) -> Learner: ...

    def difference(self, then: Configuration) -> Difference: ...

    def describe(self, learner: Any) -> Figures:
        """Changes nothing; called about once a second."""
        ...
