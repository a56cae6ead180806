"""`streamrnn merge`: topics copied into one, exactly once, so that their order is in a log.

A learner is a pure function of one log per partition. Labels on a topic of their own have an order among the
events only once somebody has written it down; that is all that is done here. What it promises:

- Every record is copied once, into the partition of its number, whatever is killed.
- The oldest goes first, and nothing is copied as long as an older record may still come (`order`).
- What cannot be gone on with exactly stops it, and says what the user may decide (`positions`).

In the order of reading: `order`, `origins` (the partitions that are held), `positions`, `loop`, `wiring`.
"""

from streamrnn.merging.wiring import merge as merge
