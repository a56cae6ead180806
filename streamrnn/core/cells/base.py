"""What a cell is: a module with these functions; `Trace` and `Weights` are its own."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


class Cell(Protocol):
    """One step forward and back of a recurrence with n hidden values and d inputs.

    Its trace has `inputs` (k, d) and `states` (k + 1, n): step t enters with row t and leaves row t + 1. The
    functions after `trace` are compiled and inlined into the kernel.
    """

    def size(self, inputs: int, hidden: int) -> int:
        """Number of parameters."""
        ...

    def initialise(self, random: np.random.Generator, inputs: int, hidden: int) -> npt.NDArray[np.float64]:
        """The flat parameters at birth."""
        ...

    def named(self, parameters: Array, inputs: int, hidden: int) -> dict[str, Array]:
        """Views of the flat parameters by torch's names and shapes."""
        ...

    def trace(self, steps: int, inputs: int, hidden: int, dtype: npt.DTypeLike) -> Any:
        """Room for one run over a window of `steps`."""
        ...

    views: Any
    """(flat, d, n) → the matrices over a flat vector."""
    forward: Any
    """(weights, trace, t): step t."""
    backward: Any
    """(weights, trace, t, dh, further): step t on the way back; ∂L/∂h′ becomes ∂L/∂h if it goes further."""
    accumulate: Any
    """(gradients, trace, steps): the gradient from what `backward` left."""
