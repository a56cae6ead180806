"""`streamrnn demo`."""

from typing import Annotated

import typer


def demo(
    crash: Annotated[
        bool,
        typer.Option("--crash", help="kill -9 the worker half way; in a terminal, key k does so any time."),
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep Kafka and the worker running at the end, until Ctrl-C.")
    ] = False,
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Use this Kafka (default: a local one, started here)."),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Empty the demo's topics and begin a new model now.")
    ] = False,
    rate: Annotated[float, typer.Option(min=1.0, help="Events published per second.")] = 1200.0,
) -> None:
    """Watch networks learn event by event from a stream through a real Kafka; kill the worker if you like.

    About a minute. Everything stays in .data/demo: run it again, and it goes on where the input ended.
    """
    from streamrnn.cli.demo.show import Options, show

    show(Options(crash, follow, bootstrap_servers, reset, rate))
