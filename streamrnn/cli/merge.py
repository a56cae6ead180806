"""`streamrnn merge`: topics copied into the one that is learned from."""

from typing import Annotated

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


def merge(
    config: ConfigFile,
    overrides: Set = None,
    accept_inexact: Annotated[
        bool,
        typer.Option(
            "--accept-inexact",
            help="Go on although records are gone that were never copied, or may be copied again.",
        ),
    ] = False,
    idle_exit: IdleExit = None,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
) -> None:
    """Copy the topics of source.kafka.merge into source.kafka.topic, every record once, oldest first.

    For labels on a topic of their own: `run` learns from one log, and this writes it. Runs beside `run`, with
    the same file, until SIGTERM or Ctrl-C; start as many as there are workers, each with a slot of its own.

    Exit codes: 0 in order, 2 configuration, 4 records would be lost or copied twice,
    5 the broker refuses, 6 a client call never came back, 70 a fault of streamrnn.
    """
    from streamrnn.cli.logs import set_up_logs

    settings = load_config(config, overrides)
    idle_seconds = idle_seconds_of(idle_exit)
    set_up_logs(log_format, log_level)

    from streamrnn import merging

    merging.merge(settings, accept_inexact=accept_inexact, idle_exit=idle_seconds)
