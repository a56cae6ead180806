"""Options that several commands share."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamrnn.cli.logs import Format, Level

if TYPE_CHECKING:
    from streamrnn.config import Config

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration, a YAML file.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a value, for example networks.0.hidden=128; may be repeated. "
        "Stands above the environment (STREAMRNN_NETWORKS__0__HIDDEN=128) and the file.",
    ),
]
DataFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV with a header row, or JSON Lines; plain or .gz.")
]
Predict = Annotated[
    str | None, typer.Option("--predict", metavar="FIELD", help="The field to predict.", show_default=False)
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="FIELD", help='The field that says which stream a row belongs to; "" for none.'
    ),
]
Time = Annotated[
    str | None, typer.Option("--time", metavar="FIELD", help='The field that holds the time; "" for none.')
]
Task = Annotated[
    Literal["forecast", "regression", "binary", "multiclass", "next_token"] | None,
    typer.Option(
        "--task", help="What kind of prediction; default: by the field's values.", show_default=False
    ),
]
Horizon = Annotated[
    int | None,
    typer.Option("--horizon", min=0, help="Rows ahead; 0 predicts the field from the rest of its own row."),
]
SeasonLength = Annotated[
    int | None, typer.Option("--season", min=0, help="Rows in a season, such as 24 or 168; 0 for none.")
]
Zone = Annotated[
    str, typer.Option("--zone", help="Time zone of the calendar, and of times without an offset.")
]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="FIELD", help="Leave this field out; may be repeated.")
]
IdleExit = Annotated[
    str | None,
    typer.Option("--idle-exit", help="Stop in order after this long without records, such as 30s."),
]
LogFormat = Annotated[Format, typer.Option("--log-format", help="How log lines are written.")]
LogLevel = Annotated[Level, typer.Option("--log-level", help="The least important lines shown.")]


def load_config(path: Path, overrides: Sequence[str] | None) -> "Config":
    """The configuration with the environment and the command line above it."""
    from streamrnn.config import load

    return load(path, overrides or (), os.environ)


def idle_seconds_of(text: str | None) -> float | None:
    """What `--idle-exit` says; a bare number is seconds."""
    from streamrnn.config.duration import parse_seconds
    from streamrnn.errors import ConfigError

    if text is None:
        return None
    try:
        return float(parse_seconds(text if not text.isdecimal() else f"{text}s"))
    except ValueError as error:
        raise ConfigError(f"--idle-exit {text}: {error}") from error
