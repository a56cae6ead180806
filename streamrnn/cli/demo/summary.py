"""The demo's last words: what was learned, what was proved, what to do next."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console

from streamrnn.cli.demo import proof, topics
from streamrnn.cli.demo.board import Scene, members_table, plot_of_errors
from streamrnn.cli.demo.readings import RECENT_WEEKS, Readings
from streamrnn.snapshots import Store
from streamrnn.types import Partition

PLOT_WIDTH, PLOT_ROWS = 100, 16


class Crashed(Protocol):
    count: int
    back_after: float | None


def tell(
    console: Console, scene: Scene, compared: Sequence[proof.Compared], crashes: Sequence[Crashed]
) -> None:
    """Errors, and the proof."""
    console.print(plot_of_errors(scene, min(PLOT_WIDTH, console.width), PLOT_ROWS))
    console.print(
        f"\n{scene.readings.count:,} events learned, one at a time. "
        f"Mean absolute error (recent: {RECENT_WEEKS} weeks):"
    )
    console.print(members_table(scene, wide=console.width >= 135, final=True))
    console.print()
    for crash in crashes:
        later = "nothing was left to predict"
        if crash.back_after is not None:
            later = f"{crash.back_after:.1f} s later the next one was predicted"
        console.print(f"kill -9 after event {crash.count:,}; {later}.")
    times = {0: "never killed", 1: "killed once"}.get(len(crashes), f"killed {len(crashes)} times")
    console.print(proof.table(compared, f"worker ({times})"))


def advise(console: Console, folder: Path, readings: Readings) -> None:
    """What to do next."""
    program = _program()
    life = readings.lives[0]
    partition = Partition(topics.INPUT, 0)
    snapshot = Store(folder / "snapshots", topics.GROUP).folder(life.lineage, partition) / str(life.next)
    console.print("\nWhat next:", style="bold")
    for command, what in (
        (_demo(), "again, with a new model; in a terminal, key k kills the worker"),
        (_demo("--crash"), "the same, killed half way by itself"),
        (_demo("--follow"), "keeps Kafka and the service running at the end"),
        (f"{program} inspect {snapshot}", "what a snapshot holds"),
        (f"{program} try FILE --predict FIELD", "your own CSV or JSON Lines file, in seconds"),
        (f"{program} init FILE --predict FIELD", "a configuration to begin with"),
    ):
        console.print(f"  {command}\n      {what}", soft_wrap=True, markup=False)


def addresses(console: Console, bootstrap_servers: str, port: int, config: Path) -> None:
    """Where to find what goes on running."""
    console.print(f"\nThe service goes on at http://127.0.0.1:{port} until Ctrl-C:", style="bold")
    for path in ("/api/v1/status", "/metrics", "/readyz"):
        console.print(f"  curl http://127.0.0.1:{port}{path}", soft_wrap=True)
    console.print(
        f"  Kafka: {bootstrap_servers}, topics {', '.join(topics.ALL)}; configuration: {config}",
        soft_wrap=True,
    )


def _program() -> str:
    """How this program is called from here."""
    if shutil.which("streamrnn"):
        return "streamrnn"
    called = Path(sys.argv[0])
    return "python -m streamrnn" if called.name == "__main__.py" else os.path.relpath(called)


def _demo(argument: str = "") -> str:
    """How the demo is called from here: by make, if that called it."""
    if "MAKELEVEL" in os.environ:
        return f"make demo ARGS={argument}" if argument else "make demo"
    return f"{_program()} demo {argument}".rstrip()
