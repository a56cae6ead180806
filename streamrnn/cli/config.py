"""`streamrnn config check|schema`."""

import typer

from streamrnn.cli.options import ConfigFile, Set, load_config

app = typer.Typer(help="Check a configuration, or print its JSON Schema.", no_args_is_help=True)


@app.command()
def check(config: ConfigFile, overrides: Set = None) -> None:
    """Say whether a configuration can be used; every problem is named with its line."""
    found = load_config(config, overrides)
    networks = ", ".join(network.name for network in found.networks)
    typer.echo(f"{config}: good ({_task(found.task)}; features: {len(found.features)}; networks: {networks})")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors that check YAML while you type."""
    import json

    from streamrnn.config import Config

    typer.echo(json.dumps(Config.model_json_schema(), indent=2))


def _task(task: object) -> str:
    name, value = next(iter(task.__dict__.items()))
    return f"{name} of {value}"
