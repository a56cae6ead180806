"""The losses of `core.losses` for the torch engine: as torch computes them, for one event.

Letters: w targets (fields), o outputs, q levels. `output` is (o,), `target` and `unit` are (w,). A loss is
the mean over the fields; one whose target is NaN adds nothing to it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

Array = npt.NDArray[np.floating]
Levels = tuple[float, ...]


class Loss(NamedTuple):
    """What is learned, and what quality is judged by."""

    value: Callable[[Any, Any, Levels], Any]
    """(output, target, levels) → the loss, a scalar tensor."""
    error: Callable[[Array, Array, Array, Levels], float]
    """(output, target, unit, levels) → the error in the user's unit, or in nats; NaN if none is known."""


def _of_fields(function: Callable[..., Any], **options: Any) -> Callable[[Any, Any, Levels], Any]:
    """The mean of torch's `function` over the fields, those with an unknown target counted as 0."""

    def value(output: Any, target: Any, levels: Levels) -> Any:
        known = ~torch.isnan(target)
        return function(output[known], target[known], reduction="sum", **options) / target.numel()

    return value


def _half_squared(output: Any, target: Any, reduction: str) -> Any:
    return 0.5 * functional.mse_loss(output, target, reduction=reduction)


def _pinball(output: Any, target: Any, levels: Levels) -> Any:
    """max(τ e, (τ − 1) e) with e = y − ŷ; its slope at e = 0 is ½ − τ, halfway."""
    known = ~torch.isnan(target)
    e = target[known, None] - output.reshape(target.numel(), -1)[known]  # (known, q)
    level = torch.tensor(levels, dtype=e.dtype, device=e.device)
    return torch.maximum(level * e, (level - 1.0) * e).sum() / output.numel()


def _logistic(output: Any, target: Any, levels: Levels) -> Any:
    return functional.binary_cross_entropy_with_logits(output, target)


def _softmax(output: Any, target: Any, levels: Levels) -> Any:
    return functional.cross_entropy(output[None], target.long())


def _missed(output: Array, target: Array, unit: Array, levels: Levels) -> float:
    """Mean of |ŷ − y| · unit over the known fields."""
    known = ~np.isnan(target)
    return float(np.mean(np.abs(output - target)[known] * unit[known])) if known.any() else np.nan


def _missed_by_the_middle(output: Array, target: Array, unit: Array, levels: Levels) -> float:
    """Of the level nearest to ½."""
    middle = int(np.argmin(np.abs(np.array(levels) - 0.5)))
    return _missed(output.reshape(target.size, -1)[:, middle], target, unit, levels)


def _missed_by_the_mean(output: Array, target: Array, unit: Array, levels: Levels) -> float:
    """|e^ŷ − y|."""
    return _missed(np.exp(output), target, unit, levels)


def _nats(value: Callable[[Any, Any, Levels], Any]) -> Callable[[Array, Array, Array, Levels], float]:
    """The loss itself."""

    def error(output: Array, target: Array, unit: Array, levels: Levels) -> float:
        if np.isnan(target).any():
            return np.nan
        return float(value(torch.tensor(output), torch.tensor(target), levels))

    return error


LOSSES = {
    "squared": Loss(_of_fields(_half_squared), _missed),
    "absolute": Loss(_of_fields(functional.l1_loss), _missed),
    "huber": Loss(_of_fields(functional.huber_loss), _missed),
    "quantile": Loss(_pinball, _missed_by_the_middle),
    "logistic": Loss(_logistic, _nats(_logistic)),
    "softmax": Loss(_softmax, _nats(_softmax)),
    "poisson": Loss(_of_fields(functional.poisson_nll_loss), _missed_by_the_mean),
}
