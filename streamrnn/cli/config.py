"""`streamrnn config check|schema`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from streamrnn.cli.options import ConfigFile, Set, load_config

if TYPE_CHECKING:
    from streamrnn.config import Config
    from streamrnn.config.tasks import AnyTask

app = typer.Typer(help="Check a configuration, or print its JSON Schema.", no_args_is_help=True)


@app.command()
def check(config: ConfigFile, overrides: Set = None) -> None:
    """Say whether `run` could start with a configuration.

    Reads it, naming every problem with its line; then makes what it asks for: imports torch modules, reads
    the weights of start_from, tries the observers. Without a source or a sink, it is one for `replay`. The
    broker is not asked.
    """
    from streamrnn.errors import ConfigError
    from streamrnn.learner import faults

    found = load_config(config, overrides)
    if wrong := [*_misplaced(found), *faults(found)]:
        raise ConfigError("\n".join(f"{config}: {fault}" for fault in wrong))
    networks = ", ".join(network.name for network in found.networks)
    typer.echo(f"{config}: good ({_task(found.task)}; features: {len(found.features)}; networks: {networks})")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors that check YAML while you type."""
    import json

    from streamrnn.config import Config

    typer.echo(json.dumps(Config.model_json_schema(), indent=2))


def _misplaced(config: "Config") -> Iterator[str]:
    """Why its source and its sink do not go together."""
    from streamrnn.errors import ConfigError
    from streamrnn.service.wiring import placed

    if config.source is None or config.sink is None:
        return
    try:
        placed(config)
    except ConfigError as error:
        yield str(error)


def _task(task: "AnyTask") -> str:
    from streamrnn.config.tasks import target_fields

    return f"{next(iter(type(task).model_fields))} of {', '.join(target_fields(task))}"
