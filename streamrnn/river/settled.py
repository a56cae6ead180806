"""Calls of compiled functions whose arguments are of the same types every time."""

from collections.abc import Callable
from typing import Any

import numba


def settled(compiled: Any) -> Callable[..., Any]:
    """The same function, which looks at the types of its arguments in its first call only.

    numba looks at every array of every named tuple in every call, which takes longer than one event needs.
    The caller must see to it that no later call brings an array of another type, axes or order in memory.
    """
    entry: Callable[..., Any] | None = None

    def call(*arguments: Any) -> Any:
        nonlocal entry
        if entry is None:
            entry = compiled.compile(tuple(map(numba.typeof, arguments)))
        return entry(*arguments)

    return call
