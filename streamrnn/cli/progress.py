"""A progress bar on stderr while a file is learned; nothing where nobody looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from streamrnn.cli.passage import Outcome


@contextmanager
def progress_bar() -> Iterator[Callable[[Outcome], None]]:
    """Yields what to call after every block."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        # the first start compiles its kernels, which may take half a minute; the next ones find them
        task = bar.add_task("getting ready", total=None, figures="")

        def show(outcome: Outcome) -> None:
            bar.update(
                task,
                description="learning",
                completed=outcome.rows,
                total=outcome.total,
                figures=_figures(outcome),
            )

        yield show


def _figures(outcome: Outcome) -> str:
    mix = [value for value in outcome.curves["mix"] if value == value]
    now = f", error {mix[-1]:.4g}" if mix else ""
    return f"{outcome.rows:,} rows, {outcome.events_per_second:,.0f} events/s{now}"
