"""`streamrnn replay`: the configured learner over a finite file."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamrnn.cli.options import ConfigFile, Set, load_config

if TYPE_CHECKING:
    from streamrnn.cli.passage import Outcome
    from streamrnn.learner import Learner


def replay(
    config: ConfigFile,
    input_: Annotated[Path, typer.Option("--input", metavar="FILE", help="CSV or JSON Lines, plain or .gz.")],
    report: Annotated[
        Path | None, typer.Option("--report", metavar="OUT.json", help="Write all figures there.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", metavar="OUT.jsonl", help="Write every prediction there.")
    ] = None,
    overrides: Set = None,
) -> None:
    """Learn a finite file as if it were a stream: what `run` would have published and learned.

    The digest at the end stands for every bit of the state; two replays of one file give the same.
    """
    from rich.console import Console

    from streamrnn.cli.passage import pass_through
    from streamrnn.cli.progress import progress_bar
    from streamrnn.cli.verdict import verdict

    settings = load_config(config, overrides)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(_opened(predictions)) if predictions else None
        progress = stack.enter_context(progress_bar())
        learner, outcome = pass_through(settings, input_, progress=progress, predictions=sink)
    figures = _figures(config, input_, learner, outcome)
    if report:
        _write(report, figures)
    out = Console(highlight=False)
    out.print(verdict(learner, outcome, out))
    out.print(f"\nstate {figures['digest']}", style="dim", markup=False, soft_wrap=True)


def _figures(config: Path, file: Path, learner: "Learner", outcome: "Outcome") -> dict[str, Any]:
    """The report; what is no number (an R2 of nothing) is null."""
    import streamrnn

    return {
        "streamrnn": streamrnn.__version__,
        "config": str(config),
        "input": str(file),
        "rows": outcome.rows,
        "events": learner.events,
        "labelled": learner.labelled,
        "bad_records": dict(outcome.bad),
        "seconds": outcome.seconds,
        "events_per_second": outcome.events_per_second,
        "error": outcome.error,
        "quality": {"whole": outcome.whole, "second_half": outcome.second_half},
        "skill": {name: figures["skill"] for name, figures in outcome.whole.items()},
        "windows": learner.windows(),
        "weights": learner.mixture.mean_weights(),
        "networks": learner.tallies(),
        "counts": learner.counts(),
        **learner.passes.figures(),
        "digest": learner.state_digest(),
        "predictions_digest": learner.digest,
    }


def _write(path: Path, figures: dict[str, Any]) -> None:
    import json

    from streamrnn.errors import InputError

    try:
        path.write_text(json.dumps(_finite(figures), indent=2, allow_nan=False) + "\n", "utf-8")
    except OSError as error:
        raise InputError(f"{path}: the report cannot be written: {error.strerror}") from error


def _finite(value: Any) -> Any:
    """The value with null for every number that JSON cannot hold."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and value - value != 0 else value


def _opened(path: Path) -> Any:
    from streamrnn.errors import InputError

    try:
        return path.open("wb")
    except OSError as error:
        raise InputError(f"{path}: the predictions cannot be written: {error.strerror}") from error
