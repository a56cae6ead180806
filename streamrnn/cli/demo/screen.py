"""Two ways to show the scene: a live board in a terminal, a line every few seconds elsewhere."""

import os
import sys
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from streamrnn.cli.demo.board import NETWORKS, Scene, board
from streamrnn.cli.demo.readings import skill

BOARD_SECONDS = 0.25
LINE_SECONDS = 5.0


class Screen(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, scene: Scene) -> None:
        """Draws the scene if it is time to; cheap otherwise."""
        ...


def screen(console: Console) -> Screen:
    """The board if the console is a terminal that can be drawn on."""
    interactive = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return BoardScreen(console) if interactive else LineScreen()


class BoardScreen:
    """Draws on the terminal's alternate screen, so that what stood there before comes back."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._next = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, scene: Scene) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + BOARD_SECONDS
            self._live.update(board(scene, self._console.width, self._console.height), refresh=True)


class LineScreen:
    """Prints a line every few seconds, without escape codes."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LINE_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, scene: Scene) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LINE_SECONDS
            print(line(scene), flush=True)


def line(scene: Scene) -> str:
    """The scene in one line."""
    readings, errors = scene.readings, scene.readings.recent()
    parts = [
        f"{readings.count:>6,} of {scene.total:,} events, {scene.rate:>5,.0f}/s, lag {scene.lag:<5,}",
        scene.worker,
    ]
    if errors:
        mix = skill(errors, ("mix", *NETWORKS)).get("mix", 0.0)
        windows = {name: "·".join(map(str, ks)) for name, ks in scene.status.windows.items()}
        named = (
            f"{name} {error:.0f}" + (f" (window {windows[name]})" if name in windows else "")
            for name, error in errors.items()
        )
        parts += ["error " + ", ".join(named), f"skill of the mix {mix:+.2f}"]
    return "  ".join(parts)
