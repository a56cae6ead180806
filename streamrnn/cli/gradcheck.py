"""`streamrnn gradcheck`: are the gradients right?"""

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streamrnn.core.gradcheck import Row

_COLUMNS = {
    "cell": 5,
    "layers": 6,
    "hidden": 6,
    "head": 6,
    "k": 3,
    "s": 3,
    "loss": 8,
    "label": 6,
    "updates": 7,
    "output": 8,
    "autograd": 8,
    "differences": 11,
    "total": 8,
    "": 6,
}
"""Heading and width."""


def gradcheck(
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of weights and stream.")] = 0,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Kernels checked side by side.")] = min(
        2, os.cpu_count() or 1
    ),
) -> None:
    """Compare every gradient of a live run, whose weights move, with PyTorch's and with differences.

    Every cell, one layer and two, a linear head and one with a hidden layer, every loss, every (k; s); labels
    of the same event (inline), three steps late (h = 3), and by an id. Each column of figures is the greatest
    error relative to the gradient's greatest component. output: published predictions against PyTorch's.
    autograd, differences: the entering state held constant, as BPTT(k; s) defines it. total: for k = 1, the
    derivative through all of the past, which one-step learning leaves out on purpose, so that it must differ.
    """
    from streamrnn.core import gradcheck as checks

    typer.echo(_line(tuple(_COLUMNS)))
    failed = 0
    for row in checks.gradcheck(checks.cases(), seed=seed, processes=processes):
        typer.echo(_line(_cells(row)))
        failed += not row.passed
    bounds = (
        f"bounds: {checks.AUTOGRAD_TOLERANCE:g} for output and autograd, "
        f"{checks.DIFFERENCES_TOLERANCE:g} for differences"
    )
    typer.echo(f"{failed} of the cases failed; {bounds}" if failed else f"all gradients match; {bounds}")
    if failed:
        raise typer.Exit(1)


def _cells(row: "Row") -> tuple[str, ...]:
    case = row.case
    form = case.form
    return (
        form.cell,
        str(form.layers),
        str(form.hidden),
        f"{form.head[0]} {form.activation}" if form.head else "linear",
        str(case.window),
        str(case.stride),
        form.loss,
        {0: "inline", -1: "by id"}.get(case.horizon, f"h = {case.horizon}"),
        str(row.updates),
        f"{row.output:.1e}",
        f"{row.autograd:.1e}",
        f"{row.differences:.1e}",
        "" if row.total is None else f"{row.total:.1e}",
        "" if row.passed else "FAILED",
    )


def _line(cells: tuple[str, ...]) -> str:
    return "  ".join(
        f"{cell:>{width}}" for cell, width in zip(cells, _COLUMNS.values(), strict=True)
    ).rstrip()
