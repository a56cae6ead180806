"""The values that a gradient method works on. They live in arrays that Python owns.

A gradient method is a module with a compiled function `advance`, whose imports end in `# <cell>` or
`# <optimiser>`: `core.kernel` puts the chosen members there.

Letters: n events, d inputs, o outputs, w targets, p parameters, s slots, r steps in a ring, k steps of the
greatest window, c values carried from step to step by all layers together.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Model(NamedTuple):
    """What all keys share. Tuples have one member per layer, the lowest first."""

    parameters: Array
    """(p,) the layers', then the head's."""
    gradient: Array
    """(p,) of the last learning, before clipping; of a single step only if it is to be kept."""
    optimiser: Any
    """The optimiser's `State`."""
    settings: npt.NDArray[np.float64]
    """The optimiser's, in the order of its `SETTINGS`."""
    weights: tuple[Any, ...]
    """The cell's matrices over `parameters`."""
    gradients: tuple[Any, ...]
    """The same over `gradient`."""
    states: tuple[Any, ...]
    """The optimiser's `State` over the same matrices."""
    traces: tuple[Any, ...]
    """The cell's `Trace`s: room for a run over a window. A layer's inputs are the states of the one below."""
    flat: tuple[tuple[Array, Array, Any], ...]
    """(1, p) of the whole, and of the head alone: parameters, gradient, the optimiser's `State`."""
    head: tuple[Any, ...]
    """The head's layers over `parameters`."""
    head_gradients: tuple[Any, ...]
    """The same over `gradient`."""
    head_trace: Any
    """Room for the judged steps of a window."""
    targets: Array
    """(k, w) of each step of the window; NaN where none is to be learned."""
    levels: Array
    """(q,) of a quantile loss."""


class Memory(NamedTuple):
    """What each key has of its own. Step j of a key stands at j mod r (entry states: mod r + 1)."""

    inputs: Array
    """(s, r, d)"""
    entries: Array
    """(s, r + 1, c) what a step enters with; the entry of the step to come is the state carried."""
    outputs: Array
    """(s, r, o) ŷ as it was published."""
    labels: Array
    """(s, r, w) the targets of a step that is still to be learned, else NaN."""
    steps: Counts
    """(s,) steps made since the key was fresh."""
    oldest: Counts
    """(s,) the first step whose label is still to be learned."""
    pending: Counts
    """(s,) how many labels are."""


class Pool(NamedTuple):
    """Windows whose last step waits for a label that comes by its id; one row each."""

    inputs: Array
    """(rows, k, d)"""
    entries: Array
    """(rows, c) what the first step entered with."""
    outputs: Array
    """(rows, o) ŷ of the last step as it was published."""
    lengths: Counts
    """(rows,) steps of the window."""


class Tally(NamedTuple):
    """What happened, for schedules, windows and telemetry."""

    counts: Counts
    """(4,) labelled events, updates, clipped gradients, skipped gradients."""
    sums: npt.NDArray[np.float64]
    """(3,) errors of the published outputs since the window, and the boost, last looked; norm of the last
    finite gradient."""


class Rule(NamedTuple):
    """How to learn."""

    window: int
    """Steps that a gradient reaches back now."""
    stride: int
    horizon: int
    """How many steps of the key before its event a label judges; 0: the event's own."""
    pooled: bool
    """Labels come by id: the window that they judge waits in the pool."""
    clip: float
    keep_gradient: bool
    """Store the gradient of a single step too, which learning has no need of."""
    loss: int
    """Its number; see `losses.dispatch`."""
    activation: int
    """Of the head's hidden layers: its place in `head.ACTIVATIONS`."""


class Events(NamedTuple):
    """A block in event order; see `streamrnn.arrays.Steps`."""

    slots: Integers
    fresh: Flags
    moves: Flags
    judging: Flags
    """(n,) the event brings a label that is to be learned."""
    keep: Integers
    judge: Integers
    x: npt.NDArray[np.float64]
    """(n, d)"""
    target: npt.NDArray[np.float64]
    """(n, w) in the loss's scale; NaN where unknown."""
    unit: npt.NDArray[np.float64]
    """(n, w) turns a scaled error into the user's."""


LABELLED, UPDATES, CLIPPED, SKIPPED = range(4)
WINDOW_ERRORS, BOOST_ERRORS, NORM = range(3)
WHOLE, HEAD = range(2)
