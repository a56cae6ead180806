"""`streamrnn gradcheck`: are the gradients right?"""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streamrnn.core.gradcheck import Row

_HEADINGS = ("hidden", "k", "s", "loss", "label", "updates", "output", "autograd", "differences", "total", "")
_WIDTHS = (6, 3, 3, 9, 7, 7, 8, 8, 11, 8, 6)


def gradcheck(
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of weights and stream.")] = 0,
) -> None:
    """Compare every gradient of a live run, whose weights move, with PyTorch's and with differences.

    Each column is the greatest error relative to the gradient's greatest component. output: published
    predictions against PyTorch's. autograd, differences: the entering state held constant, as BPTT(k; s)
    defines it. total: for k = 1, the derivative through all of the past, which one-step learning leaves out
    on purpose, so that it must differ.
    """
    from streamrnn.core.gradcheck import AUTOGRAD_TOLERANCE, DIFFERENCES_TOLERANCE
    from streamrnn.core.gradcheck import gradcheck as rows

    typer.echo(_line(_HEADINGS))
    failed = 0
    for row in rows(seed=seed):
        typer.echo(_line(_cells(row)))
        failed += not row.passed
    bounds = (
        f"bounds: {AUTOGRAD_TOLERANCE:g} for output and autograd, {DIFFERENCES_TOLERANCE:g} for differences"
    )
    typer.echo(f"{failed} of the cases failed; {bounds}" if failed else f"all gradients match; {bounds}")
    if failed:
        raise typer.Exit(1)


def _cells(row: "Row") -> tuple[str, ...]:
    return (
        str(row.hidden),
        str(row.window),
        str(row.stride),
        row.loss,
        f"h = {row.horizon}" if row.horizon else "inline",
        str(row.updates),
        f"{row.output:.1e}",
        f"{row.autograd:.1e}",
        f"{row.differences:.1e}",
        "" if row.total is None else f"{row.total:.1e}",
        "" if row.passed else "FAILED",
    )


def _line(cells: tuple[str, ...]) -> str:
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()
