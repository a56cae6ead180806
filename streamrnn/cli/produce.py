"""`streamrnn produce`: a file into a topic."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from streamrnn.cli.options import DataFile


def produce(
    file: DataFile,
    topic: Annotated[str, typer.Option("--topic", help="The topic to write to; it must exist.")],
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="FIELD", help="The field whose value becomes the record's key."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.001, help="Records a second; default: as fast as possible."),
    ] = None,
    bootstrap_servers: Annotated[
        str, typer.Option("--bootstrap-servers", help="How to reach the cluster.")
    ] = "127.0.0.1:9092",
) -> None:
    """Publish the rows of a file, in order; rows of one key stay in one partition."""
    import sys

    from streamrnn.sinks.kafka import produce as publish

    interactive = sys.stderr.isatty()
    start = "\r" if interactive else ""

    def progress(count: int) -> None:
        if interactive:
            typer.echo(f"\r{count:,} records", nl=False, err=True)

    options = {"bootstrap_servers": bootstrap_servers}
    count = publish(options, topic, _records(file, key), rate=rate, progress=progress)
    typer.echo(f"{start}{count:,} records are in {topic}", err=True)


def _records(file: Path, key: str | None) -> Iterator[tuple[bytes | None, bytes]]:
    from streamrnn.cli.rows import Rows

    rows = Rows(file)
    try:
        for batch in rows.batches(1000):
            for record in batch:
                value = record.value or b""
                yield (None if key is None else _key(value, key, file, record.offset)), value
    finally:
        rows.close()


def _key(value: bytes, name: str, file: Path, row: int) -> bytes:
    import msgspec

    from streamrnn.errors import InputError
    from streamrnn.features.fields import canonical

    try:
        found: Any = msgspec.json.decode(value).get(name)
    except (msgspec.DecodeError, AttributeError):
        found = None
    if not isinstance(found, str | int):
        raise InputError(f"{file}, row {row + 1}: the field {name} holds no text or whole number for a key")
    return canonical(found).encode()
