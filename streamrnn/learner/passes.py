"""What the passes over events and over texts have in common: keys, networks, mix, and room for them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from streamrnn.config.models import Config
from streamrnn.features import Block, Keys
from streamrnn.learner import build
from streamrnn.learner.build import AnyNetwork, PerKey, Stateful
from streamrnn.learner.mixtures import Mixtures
from streamrnn.learner.prepass import Ahead, Course
from streamrnn.types import Partition


class Passes(ABC):
    """Keys own a state each; networks and mix are of all keys."""

    def __init__(self, config: Config, course: Course, inputs: int) -> None:
        """`inputs`: how many a network gets."""
        self.labelled = 0
        """Labels that judged a prediction so far."""
        self.keys = Keys(config.max_keys)
        self.course = course
        self.networks: list[AnyNetwork] = build.networks(config, inputs)
        self.mixtures: Mixtures = build.mixtures(config)

    @abstractmethod
    def publish(self, block: Block, offsets: Sequence[int], partition: Partition, first: int) -> list[bytes]:
        """Predict and learn n records: values to publish (n,); the block begins with record `first`."""

    @abstractmethod
    def warm_up(self) -> None:
        """Compile what records need, or load it from the cache; nothing is learned."""

    def counts(self) -> dict[str, int]:
        """Plain numbers that people look at."""
        return {}

    def figures(self) -> dict[str, dict[str, Any]]:
        """Of what there is beside the mix: by kind, then by field."""
        return {}

    # --- its parts ----------------------------------------------------------------------------------

    def parts(self) -> dict[str, Stateful]:
        """Everything that has a state, by the name it has in a snapshot."""
        networks = {f"networks/{i}": network for i, network in enumerate(self.networks)}
        return {"keys": self.keys, "course": self.course, **networks, "mixture": self.mixtures}

    def rows_of_keys(self) -> list[str]:
        """Of each part that may hold keys, an array of its state with one row for each."""
        networks = [f"networks/{i}/keys/steps" for i in range(len(self.networks))]
        course = ["course/steps"] if isinstance(self.course, Ahead) else []
        return [*course, *networks, "mixture/0/mix/weights"]

    def per_key(self) -> list[PerKey]:
        """Everything that grows with the keys, and with the answers that wait for their labels."""
        return [*self.networks, self.mixtures]

    def reserve(self) -> None:
        """Make room for the keys there are now."""
        slots = len(self.keys)
        rows = self.course.rows(slots)
        for part in self.per_key():
            part.reserve(slots, rows)

    @property
    def bytes_per_key(self) -> int:
        """Memory that one key takes."""
        rows = self.course.rows(1) - self.course.rows(0)
        own = self.keys.bytes_per_key + self.course.bytes_per_key
        return own + sum(part.bytes_per_key + rows * part.bytes_per_row for part in self.per_key())

    @property
    def bytes_of_pool(self) -> int:
        """Memory that does not grow with the keys: events that wait for labels by id."""
        return self.course.rows(0) * sum(part.bytes_per_row for part in self.per_key())
