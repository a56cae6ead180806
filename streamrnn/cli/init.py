"""`streamrnn init`: a first configuration from data."""

from pathlib import Path
from typing import Annotated

import typer

from streamrnn.cli.options import DataFile, Horizon, Ignore, Key, Predict, SeasonLength, Task, Time, Zone

_SERVICE = """
# To run it as a service (`streamrnn run`), say where events come from and where predictions go:
# source:    {kafka: {bootstrap_servers: "127.0.0.1:9092", topic: TOPIC, group: GROUP}}
# sink:      {kafka: {topic: TOPIC.predictions, dead_letters: TOPIC.dead}}
# snapshots: {store: ./snapshots, every: 30s}
"""


def init(
    file: DataFile,
    predict: Predict = None,
    task: Task = None,
    key: Key = None,
    time: Time = None,
    horizon: Horizon = None,
    season: SeasonLength = None,
    zone: Zone = "UTC",
    ignore: Ignore = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it; default: standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write the configuration that `try` would use, as YAML with a comment for every guess."""
    from streamrnn.cli.infer import Wishes
    from streamrnn.cli.inferred import as_yaml, infer_from_file
    from streamrnn.config import parse
    from streamrnn.errors import ConfigError

    if output is not None and output.exists() and not force:
        raise ConfigError(f"{output} is there already; say --force to write over it")
    wishes = Wishes(predict, key, time, horizon, season, zone, tuple(ignore or ()), task)
    inference = infer_from_file(file, wishes)
    notes = [f"#   {note}\n" for note in inference.notes]
    head = f"# Inferred from {file.name} by `streamrnn init`.{' Guesses:' if notes else ''}\n"
    text = head + "".join(notes) + as_yaml(inference) + _SERVICE
    parse(text, str(output or "inferred configuration"))
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{output}: cannot be written: {error.strerror}") from error
    typer.echo(f"{output} is written; next: streamrnn replay {output} --input {file}", err=True)
