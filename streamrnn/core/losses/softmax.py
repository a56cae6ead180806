"""Cross-entropy of the softmax of C logits: log Σᵢ e^ŷᵢ − ŷ_c. The target is the class's index c."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.core.numerics import exp, jit, like

Array = npt.NDArray[np.floating]


def outputs(targets: int, classes: int, levels: tuple[float, ...]) -> int:
    """One logit for each class."""
    return classes


@jit
def derivative(outputs: Array, t: int, target: Array, levels: Array, share: Any, dys: Array) -> None:
    """∂/∂ŷ: softmax(ŷ), less 1 at the class."""
    classes = dys.shape[1]
    total = zero = like(share, 0.0)
    if math.isnan(target[0]):
        for i in range(classes):
            dys[t, i] = zero
        return
    top = _largest(outputs[t])
    for i in range(classes):
        dys[t, i] = exp(outputs[t, i] - top)
    # On its own: a sum beside a store would be taken in an order that depends on where the arrays lie.
    for i in range(classes):
        total += dys[t, i]
    part = share / total
    for i in range(classes):
        dys[t, i] *= part
    dys[t, int(target[0])] -= share


@jit
def error(outputs: Array, target: Array, unit: Array, levels: Array) -> float:
    """The loss itself, in nats."""
    if math.isnan(target[0]):
        return math.nan
    top = _largest(outputs)
    total = like(top, 0.0)
    for i in range(outputs.shape[0]):
        total += exp(outputs[i] - top)
    return math.log(np.float64(total)) - np.float64(outputs[int(target[0])] - top)


@jit
def _largest(logits: Array) -> Any:
    """Taken off every logit, so that no power overflows; NaN if the first one is."""
    top = logits[0]
    for i in range(1, logits.shape[0]):
        top = logits[i] if logits[i] > top else top
    return top
