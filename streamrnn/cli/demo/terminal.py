"""Single keys from a terminal, which is left as it was found."""

import os
import select
import sys
import termios
import tty
from typing import Any, Self


class Keys:
    """While open, keys arrive at once and without echo; Ctrl-C stays Ctrl-C. No terminal, no keys."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        if sys.stdin.isatty():
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)
            self._before = None

    def pressed(self) -> str:
        """The keys pressed since the last call."""
        keys = b""
        while self._before is not None and select.select([sys.stdin], [], [], 0)[0]:
            more = os.read(sys.stdin.fileno(), 64)
            if not more:
                break
            keys += more
        return keys.decode("ascii", "replace")
