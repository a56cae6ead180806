"""Raw outputs of a network as answers in the user's terms: numbers in their unit, or probabilities.

The compiled loops are scalar: a vectorised exp could round differently by place in a block.
"""

import math
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from streamrnn.features import Inputs

Floats = NDArray[np.float64]


def numbers(outs: Sequence[Floats], inputs: Inputs) -> Floats:
    """(n, N, w): location + scale · output of each network and field."""
    found = np.empty((len(inputs.location), len(outs), inputs.location.shape[1]))
    for network, out in enumerate(outs):
        found[:, network] = inputs.location + inputs.scale * out
    return found


def counts(outs: Sequence[Floats], inputs: Inputs) -> Floats:
    """(n, N, 1): scale · e^output; the output is a logarithm, in units of the running mean."""
    found: Floats = inputs.scale[:, None] * np.stack([_exponential(out) for out in outs], axis=1)
    return found


def quantiles(outs: Sequence[Floats], inputs: Inputs, levels: int) -> Floats:
    """(n, N, w, q): as numbers, in rising order of the levels.

    Sorting what crosses lowers the loss (Chernozhukov, Fernández-Val and Galichon 2010).
    """
    n, fields = inputs.location.shape
    raw = np.sort(np.stack(outs, axis=1).reshape(n, len(outs), fields, levels), axis=-1)
    return inputs.location[:, None, :, None] + inputs.scale[:, None, :, None] * raw


def two_classes(outs: Sequence[Floats]) -> Floats:
    """(n, N, 2): probabilities of 0 and 1 from a logit."""
    ones = np.stack([_logistic(out[:, 0]) for out in outs], axis=1)
    return np.stack([1.0 - ones, ones], axis=-1)


def classes(outs: Sequence[Floats]) -> Floats:
    """(n, N, C): softmax of the outputs."""
    return np.stack([_softmax(out) for out in outs], axis=1)


@njit(cache=True, error_model="numpy")
def _exponential(out: Floats) -> Floats:
    found = np.empty_like(out)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            found[i, j] = math.exp(out[i, j])
    return found


@njit(cache=True, error_model="numpy")
def _logistic(logit: Floats) -> Floats:
    found = np.empty(logit.shape[0])
    for i in range(logit.shape[0]):
        found[i] = 1.0 / (1.0 + math.exp(-logit[i]))
    return found


@njit(cache=True, error_model="numpy")
def _softmax(out: Floats) -> Floats:
    found = np.empty_like(out)
    for i in range(out.shape[0]):
        greatest = out[i, 0]
        for j in range(1, out.shape[1]):
            greatest = max(greatest, out[i, j])
        total = 0.0
        for j in range(out.shape[1]):
            found[i, j] = math.exp(out[i, j] - greatest)
            total += found[i, j]
        for j in range(out.shape[1]):
            found[i, j] /= total
    return found
