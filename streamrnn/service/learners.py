"""The learner as the configuration wants it: made, compared with an earlier configuration, and described."""

import fnmatch
import typing
from collections.abc import Iterable
from typing import Any

from streamrnn.config import Change, Config, canonical, delayed_of, learning_changes
from streamrnn.errors import ConfigError
from streamrnn.features import Reason
from streamrnn.learner import OUTCOMES, Learner
from streamrnn.service.memory_limit import memory_limit
from streamrnn.service.model import Configuration, Difference, Figures, Names, Tally

TAKEN_OVER = (
    "networks.*.learning_rate.*",
    "networks.*.optimiser.*.*",
    "networks.*.least_squares.*",
    "networks.*.clip",
    "networks.*.start_from",
    "networks.*.seed",
    "scaling.half_life",
    "mix.enabled",
    "predictions.*",
    "observers.*",
    "bad_records.*",
)
"""What may change in a life: no array gets another shape or another meaning by it."""


class Learners:
    """Makes learners from configurations; checks at once that one of today's can be made, and compiles it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.configuration: Configuration = canonical(config)
        first = Learner(config, "")
        first.warm_up()
        self.bytes_per_key = first.bytes_per_key
        self._bytes_of_pool = first.bytes_of_pool
        networks = [network.name for network in config.networks]
        outcomes = OUTCOMES if delayed_of(config.task) else ()
        observers = list(first.passes.figures().get("observers", ()))
        self.names = Names(networks, first.members, typing.get_args(Reason), outcomes, observers)

    def make(self, lineage: str, configuration: Configuration) -> Learner:
        """When to stop because of bad records is today's decision; all that shapes learning is that one's."""
        if configuration == self.configuration:
            return Learner(self._config, lineage)
        today = self._config.model_dump(mode="json", include={"bad_records"})
        bad = {**today["bad_records"], **configuration["bad_records"]}
        return Learner(Config.model_validate({**configuration, "bad_records": bad}), lineage)

    def difference(self, then: Configuration) -> Difference:
        changes = learning_changes(then, self.configuration)
        return Difference(
            refused=_said(change for change in changes if not _keeps_meaning(change)),
            taken_over=_said(change for change in changes if _keeps_meaning(change)),
            restarted=tuple(int(c.path.split(".")[1]) for c in changes if _names_weights(c)),
        )

    def describe(self, learner: Any) -> Figures:
        if not isinstance(learner, Learner):
            raise TypeError(f"not a learner of this configuration: {learner!r}")
        return Figures(
            counts=learner.counts(),
            quality=learner.mixture.quality(),
            weights=learner.mixture.mean_weights(),
            networks={name: Tally(**tally) for name, tally in learner.tallies().items()},
            **learner.passes.figures(),
        )

    def check_memory(self) -> str:
        """What keys cost, in one line. Raises ConfigError if one partition's could not fit into memory."""
        bound, available = self.bytes_per_key * self._config.max_keys + self._bytes_of_pool, memory_limit()
        fit = max(0, available - self._bytes_of_pool) // self.bytes_per_key
        pool = "task.delayed.pool, " if self._bytes_of_pool else ""
        if bound > available:
            raise ConfigError(
                f"max_keys: {self._config.max_keys} keys of {self.bytes_per_key} bytes are {_gib(bound)} in "
                f"every partition, but there are {_gib(available)} of memory: at most {fit} keys fit; lower "
                f"{pool}max_keys, networks.*.hidden or the window"
            )
        return (
            f"a key costs {self.bytes_per_key} bytes; {self._config.max_keys} keys, a partition's bound, are "
            f"{_gib(bound)}, of {_gib(available)} of memory"
        )


def _keeps_meaning(change: Change) -> bool:
    if change.path == "max_keys":
        return isinstance(change.old, int) and isinstance(change.new, int) and change.new > change.old
    return any(fnmatch.fnmatchcase(change.path, pattern) for pattern in TAKEN_OVER)


def _names_weights(change: Change) -> bool:
    return fnmatch.fnmatchcase(change.path, "networks.*.start_from") and change.new is not None


def _said(changes: Iterable[Change]) -> str:
    return "; ".join(map(str, changes))


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
