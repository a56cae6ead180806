"""How loops over the events of a block are compiled.

They allocate nothing and return no array, and so do without the counting of references, which would cost a
third of the time: every row that is looked at is a view, and a view is counted.
"""

from typing import Any

from numba import njit

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
"""`error_model` drops the test for a zero divisor."""

loop = njit(cache=True, **_OPTIONS)
"""For functions that Python calls."""

inlined = njit(forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **_OPTIONS)
"""For functions that loops of their own file call: compiled into those, and kept with them."""
