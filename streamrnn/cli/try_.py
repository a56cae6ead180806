"""`streamrnn try`: what would learning bring on this file? An answer in seconds."""

import shlex
from typing import Annotated, Any

import typer

from streamrnn.cli.options import DataFile, Horizon, Ignore, Key, Predict, SeasonLength, Set, Task, Time, Zone


def try_(
    file: DataFile,
    predict: Predict = None,
    task: Task = None,
    key: Key = None,
    time: Time = None,
    horizon: Horizon = None,
    season: SeasonLength = None,
    zone: Zone = "UTC",
    ignore: Ignore = None,
    rows: Annotated[
        int | None,
        typer.Option("--rows", min=2, help="Learn only the first N rows; default: all, or enough of a text."),
    ] = None,
    overrides: Set = None,
) -> None:
    """Learn a file in one pass as a stream, and say whether learning beats simple rules.

    Needs no configuration and no broker: time, key and features are inferred, and every guess is told.
    """
    from rich.console import Console

    from streamrnn.cli.infer import Wishes
    from streamrnn.cli.inferred import as_yaml, infer_from_file
    from streamrnn.cli.passage import pass_through
    from streamrnn.cli.progress import progress_bar
    from streamrnn.cli.verdict import verdict
    from streamrnn.config import parse

    out = Console(highlight=False)
    wishes = Wishes(predict, key, time, horizon, season, zone, tuple(ignore or ()), task)
    inference = infer_from_file(file, wishes)
    config = parse(as_yaml(inference), "inferred configuration", overrides or ())
    for note in inference.notes:
        out.print(note, style="dim", markup=False, soft_wrap=True)
    with progress_bar() as progress:
        most = rows or inference.enough_rows
        learner, outcome = pass_through(config, file, progress=progress, most=most)
    if rows is None and outcome.rows == most:
        out.print(f"rows: the first {most} (--rows N for more)", style="dim")
    out.print(verdict(learner, outcome, out))
    again = {
        "predict": predict,
        "task": task,
        "key": key,
        "time": time,
        "horizon": horizon,
        "season": season,
        "ignore": ignore,
    }
    wish = _as_options({**again, "zone": zone if zone != "UTC" else None})
    next_step = " ".join(("streamrnn init", shlex.quote(str(file)), *wish, "-o config.yaml"))
    out.print(f"\nNext: {next_step}", style="dim", markup=False, soft_wrap=True)


def _as_options(given: dict[str, Any]) -> list[str]:
    return [
        f"--{name} {shlex.quote(str(value))}"
        for name, values in given.items()
        if values is not None
        for value in (values if isinstance(values, list) else [values])
    ]
