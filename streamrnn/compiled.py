"""How loops over the events of a block are compiled."""

from numba import njit

loop = njit(cache=True, error_model="numpy", _nrt=False)
"""For functions that allocate nothing and return no array.

`error_model` drops the test for a zero divisor. `_nrt` drops the counting of references, which would cost a
third of the time: every row that is looked at is a view, and a view is counted.
"""
