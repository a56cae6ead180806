"""Why a configuration that reads well cannot start: only making its parts brings that to light."""

from collections.abc import Iterator

from streamrnn.config.models import Config
from streamrnn.errors import ConfigError
from streamrnn.learner import build
from streamrnn.learner.learner import Learner
from streamrnn.learner.observers import observer


def faults(config: Config) -> list[str]:
    """`path: why` for what no learner can be made with; empty: it can start.

    Imports modules, reads files of weights and tries observers; nothing is compiled or learned.
    """
    return [*_of_networks(config), *_of_observers(config)]


def _of_networks(config: Config) -> Iterator[str]:
    try:
        Learner(config.model_copy(update={"observers": ()}), "").take_weights()
    except ConfigError as error:
        yield str(error)


def _of_observers(config: Config) -> Iterator[str]:
    goal = build.target(config.task)
    for i, part in enumerate(config.observers):
        try:
            observer(f"observers.{i}", part, goal)
        except ConfigError as error:
            yield str(error)
