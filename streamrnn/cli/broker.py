"""`streamrnn broker`: a local Apache Kafka."""

from pathlib import Path
from typing import Annotated

import typer


def broker(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: a free one.")] = None,
    directory: Annotated[Path, typer.Option(help="Data, log and pid file.")] = Path(".data/broker"),
) -> None:
    """Run a real Apache Kafka on 127.0.0.1 until Ctrl-C; its topics are there again next time."""
    import signal
    import threading

    from streamrnn.broker import Broker

    stopping = threading.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, lambda *_: stopping.set())
    with Broker(directory, port) as running:
        typer.echo(f"Kafka answers on {running.bootstrap_servers} (log: {running.log}); Ctrl-C ends it")
        while not stopping.wait(0.5):
            if running.pid is None:
                from streamrnn.errors import TransportError

                raise TransportError(f"the broker ended by itself; its log is {running.log}")
