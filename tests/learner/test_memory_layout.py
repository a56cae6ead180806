"""Where arrays lie in memory is chance, and must decide nothing.

The compiler guards a loop that stores by a look at whether its arrays overlap, and falls back to another
loop where they seem to: a sum that shares a loop with a store would then be taken in another order.
"""

import random

import numpy as np
import pytest

from streamrnn.learner import Learner
from tests.learner.streams import PARTITION, TASKS, config, stream

LIVES = 60


@pytest.mark.parametrize("task", TASKS)
def test_the_bits_do_not_depend_on_where_arrays_lie(task: str) -> None:
    records, chance, held, digests = stream(60), random.Random(0), [], set()
    for _ in range(LIVES):
        held.append([np.empty(chance.randrange(1, 4000), np.uint8) for _ in range(chance.randrange(30))])
        learner = Learner(config(TASKS[task]), "lineage")
        learner.learn(records, PARTITION)
        digests.add(learner.state_digest())
        held = held[-5:] if chance.random() < 0.5 else held
    assert len(digests) == 1
