"""The table of commands. Command modules import what is heavy only when they run, so that help is instant."""

from typing import Annotated

import typer

import streamrnn
from streamrnn.caches import keep_compiled_code
from streamrnn.cli import broker, config, export, gradcheck, init, inspect, merge, produce, replay, run, try_
from streamrnn.cli.demo import demo

app = typer.Typer(
    help="Recurrent networks that learn from a stream while it flows, event by event.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_FIRST, _SERVICE, _TOOLS = "First contact", "The service", "Tools"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamrnn {streamrnn.__version__}")
        raise typer.Exit


_NOTHING_COMPILED = ("config", "inspect", "broker", "merge")


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere on the line.")
    ] = False,
) -> None:
    if context.invoked_subcommand not in _NOTHING_COMPILED:
        keep_compiled_code()


app.command("demo", rich_help_panel=_FIRST)(demo)
app.command("try", rich_help_panel=_FIRST)(try_.try_)
app.command("init", rich_help_panel=_FIRST)(init.init)
app.command("replay", rich_help_panel=_FIRST)(replay.replay)
app.command("run", rich_help_panel=_SERVICE)(run.run)
app.command("merge", rich_help_panel=_SERVICE)(merge.merge)
app.add_typer(config.app, name="config", rich_help_panel=_SERVICE)
app.command("inspect", rich_help_panel=_SERVICE)(inspect.inspect)
app.command("broker", rich_help_panel=_TOOLS)(broker.broker)
app.command("produce", rich_help_panel=_TOOLS)(produce.produce)
app.command("export", rich_help_panel=_TOOLS)(export.export)
app.command("gradcheck", rich_help_panel=_TOOLS)(gradcheck.gradcheck)
