"""What a cell is: a module with these functions; its trace is a named tuple whose class
has a name of its own, or numba would mistake those of two cells for each other and every call be slow.

Letters: d inputs, n hidden, k steps of the window, c values carried from step to step (for most cells n).
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


class Cell(Protocol):
    """A run forward and one step back of one layer.

    Its trace has `inputs` (k, d), `states` (k + 1, n) and `dh` (n,): step t enters with row t and leaves
    row t + 1. The functions after `views` are compiled and inlined into the kernel.
    """

    def size(self, inputs: int, hidden: int) -> int:
        """Number of parameters."""
        ...

    def carried(self, hidden: int) -> int:
        """c"""
        ...

    def initialise(self, random: np.random.Generator, inputs: int, hidden: int) -> npt.NDArray[np.float64]:
        """The flat parameters at birth."""
        ...

    def named(self, parameters: Array, inputs: int, hidden: int) -> dict[str, Array]:
        """Views of the flat parameters by torch's names and shapes, without the layer; one bias is `bias`."""
        ...

    def trace(self, steps: int, inputs: int, hidden: int, dtype: npt.DTypeLike) -> Any:
        """Room for one run over a window of `steps`."""
        ...

    def views(self, flat: Array, inputs: int, hidden: int) -> tuple[Array, ...]:
        """The matrices over a flat vector: parameters or a gradient."""
        ...

    enter: Any
    """(trace, row): the run begins with the carried values in `row` (c,)."""
    leave: Any
    """(trace, t, row): what is carried into step t goes to `row` (c,)."""
    forward: Any
    """(weights, trace, steps): steps 0 to `steps` − 1, so that what the steps share is done once."""
    begin: Any
    """(trace): the way back begins; nothing is asked of what the last step carries on."""
    backward: Any
    """(weights, trace, t, further): step t on the way back; `dh` is ∂L/∂h′, and ∂L/∂h if it goes further."""
    add_input_gradient: Any
    """(weights, trace, t, dx): dx (d,) += ∂L/∂x of step t, after `backward` of t."""
    factors: Any
    """(trace) → (inputs, deltas) of each matrix, from what `backward` left.

    The gradient of a matrix is Σₜ inputs[t] deltas[t]ᵀ, with 1 for its bias row.
    """
