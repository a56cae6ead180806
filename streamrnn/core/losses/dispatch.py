"""All losses behind one compiled `derivative` and one `error`, chosen by number while the kernel runs.

So one kernel serves every loss: comparing a few integers per event is nothing, compiling is seconds. The
number of a loss is its place in `LOSSES`; the other arguments are those of the losses' own functions.
"""

import importlib
from collections.abc import Callable
from typing import Any

from streamrnn.core.losses import LOSSES
from streamrnn.core.numerics import apart, jit


def number(loss: str) -> int:
    """What `derivative` and `error` know the loss by."""
    return list(LOSSES).index(loss)


def _chosen(function: str, arguments: str) -> Callable[..., Any]:
    """`function(loss, …)`: one flat chain of comparisons.

    It is made from text because compiled functions can neither be indexed nor handed on at no cost, and a
    chain of nested functions takes several times as long to compile.
    """
    members = [getattr(importlib.import_module(module), function) for module in LOSSES.values()]
    lines = [f"def {function}(loss, {arguments}):"]
    lines += [f"    if loss == {i}:\n        return member_{i}({arguments})" for i in range(len(members) - 1)]
    lines += [f"    return member_{len(members) - 1}({arguments})"]
    scope: dict[str, Any] = {f"member_{i}": member for i, member in enumerate(members)}
    exec("\n".join(lines), scope)
    return scope[function]  # type: ignore[no-any-return]


derivative = jit(_chosen("derivative", "outputs, t, target, levels, share, dys"))
error = apart(_chosen("error", "outputs, target, unit, levels"))  # called at several places
