"""Counts bad records, so that a stream of mostly garbage stops the service instead of being skipped."""

from collections.abc import Sequence

import numpy as np

from streamrnn.arrays import State, expect
from streamrnn.errors import InputError

SPAN = 1000
"""Records of a partition over which the share of bad ones is taken."""


class BadRecords:
    """Bad records in a row, and among the last 1000; part of a learner's state, so a restart knows them."""

    def __init__(self, in_a_row: int, share: float) -> None:
        self._most_in_a_row = in_a_row
        self._most_in_span = share * SPAN
        self._recent = np.zeros(SPAN, np.bool_)
        self._seen = 0
        self._in_a_row = 0
        self._in_span = 0

    def count(self, bad: Sequence[bool], example: str, *, accepted: bool = False) -> None:
        """Raises InputError, with `example` in its message, once there are too many.

        `accepted`: these were gone past before, so that they stop nothing now.
        """
        for flag in bad:
            at = self._seen % SPAN
            self._in_span += int(flag) - int(self._recent[at])
            self._recent[at] = flag
            self._seen += 1
            self._in_a_row = self._in_a_row + 1 if flag else 0
            if accepted:
                continue
            if self._in_a_row >= self._most_in_a_row:
                raise InputError(f"{self._in_a_row} bad records in a row, the last one: {example}. {_ADVICE}")
            if flag and self._seen >= SPAN and self._in_span > self._most_in_span:
                raise InputError(
                    f"{self._in_span} of the last {SPAN} records are bad, such as: {example}. {_ADVICE}"
                )

    def count_good(self, records: int) -> None:
        """The same as `count` of that many good ones, without a loop per record."""
        if self._in_span:
            self._recent[(self._seen + np.arange(min(records, SPAN))) % SPAN] = False
            self._in_span = int(np.count_nonzero(self._recent))
        self._seen += records
        self._in_a_row = 0

    def state(self) -> State:
        counts = np.array([self._seen, self._in_a_row, self._in_span], np.int64)
        return {"recent": self._recent.copy(), "counts": counts}

    def load(self, state: State) -> None:
        expect(state, {"recent": (np.bool_, (SPAN,)), "counts": (np.int64, (3,))})
        self._recent = state["recent"].copy()
        self._seen, self._in_a_row, self._in_span = (int(count) for count in state["counts"])


_ADVICE = (
    "Nothing of this batch was committed. Check that task, key, time and features name fields of this "
    "stream; raise bad_records.in_a_row or bad_records.share to go on regardless."
)
