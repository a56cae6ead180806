"""The values that a gradient method works on. They live in arrays that Python owns.

A gradient method is a module with a compiled function `advance`, whose imports end in
`# <cell>`, `# <loss>` or `# <optimiser>`: `core.kernel` puts the chosen members there.

Letters: d inputs, n hidden, p parameters, s slots, r steps in a ring, k steps of the greatest window.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


class Model(NamedTuple):
    """What all keys share."""

    parameters: Array
    """(p,) the cell's, then the head's."""
    gradient: Array
    """(p,) of the last learning, before clipping."""
    optimiser: Any
    """The optimiser's `State`."""
    trace: Any
    """The cell's `Trace`: room for one run over a window."""
    dh: Array
    """(n,) ∂L/∂h on the way back."""
    dys: Array
    """(k,) ∂L/∂ŷ of each step of the window."""


class Memory(NamedTuple):
    """What each key has of its own. Step j of a key stands at j mod r (entry states: mod r + 1)."""

    inputs: Array
    """(s, r, d)"""
    entries: Array
    """(s, r + 1, n) the state a step enters with; the entry of the step to come is the state carried."""
    outputs: Array
    """(s, r) ŷ as it was published."""
    labels: Array
    """(s, r) the target of a step that is still to be learned, else NaN."""
    steps: npt.NDArray[np.int64]
    """(s,) steps made since the key was fresh."""
    oldest: npt.NDArray[np.int64]
    """(s,) the first step whose label is still to be learned."""
    pending: npt.NDArray[np.int64]
    """(s,) how many labels are."""


class Tally(NamedTuple):
    """What happened, for schedules, windows and telemetry."""

    counts: npt.NDArray[np.int64]
    """(4,) labelled events, updates, clipped gradients, skipped gradients."""
    sums: npt.NDArray[np.float64]
    """(2,) errors of the published outputs since it was last set to 0; norm of the last finite gradient."""


LABELLED, UPDATES, CLIPPED, SKIPPED = range(4)
ERRORS, NORM = range(2)
