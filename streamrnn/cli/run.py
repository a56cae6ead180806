"""`streamrnn run`: the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from streamrnn.cli.options import (
    ConfigFile,
    IdleExit,
    LogFormat,
    LogLevel,
    Set,
    idle_seconds_of,
    load_config,
)

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from streamrnn.config.models import Http
    from streamrnn.service import View


def run(
    config: ConfigFile,
    overrides: Set = None,
    reset: Annotated[
        bool,
        typer.Option(
            "--reset",
            help="Forget the model and begin a new lineage at the log's beginning. "
            "For one start only: left in place, it forgets at every start.",
        ),
    ] = False,
    accept_inexact: Annotated[
        bool,
        typer.Option(
            "--accept-inexact", help="Go on although the log or this machine cannot restore every bit."
        ),
    ] = False,
    max_records: Annotated[
        int | None, typer.Option("--max-records", min=1, help="Stop in order after this many records.")
    ] = None,
    idle_exit: IdleExit = None,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
) -> None:
    """Run the service: predict every event of a topic, learn from every label, and survive anything.

    SIGTERM or Ctrl-C ends it in order (batch, commit, snapshot); a second one ends it at once.

    Exit codes: 0 in order, 2 configuration, 3 too much bad input, 4 recovery would not be exact,
    5 the broker refuses, 6 a client call never came back, 70 a fault of streamrnn.
    """
    from streamrnn.cli.logs import set_up_logs

    settings = load_config(config, overrides)
    idle_seconds = idle_seconds_of(idle_exit)
    set_up_logs(log_format, log_level)

    from streamrnn import service

    service.run(
        settings,
        reset=reset,
        accept_inexact=accept_inexact,
        max_records=max_records,
        idle_exit=idle_seconds,
        serve=lambda view, registry: _served(settings.http, view, registry),
    )


@contextmanager
def _served(http: "Http", view: "View", registry: "CollectorRegistry") -> Iterator[None]:
    """Health, metrics and status over HTTP while the block runs."""
    import logging

    from streamrnn.web import Server, create_app

    with Server(create_app(view, registry), http.host, http.port) as server:
        logging.getLogger(__name__).info("health, metrics and status at %s", server.address)
        yield
