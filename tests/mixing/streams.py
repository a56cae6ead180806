"""Random streams as a learner would hand them to the mixture: keys come, go and take over slots."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Stream(NamedTuple):
    slots: NDArray[np.int32]
    fresh: NDArray[np.bool_]
    back: NDArray[np.int32]
    label: NDArray[np.float64]
    predictions: NDArray[np.float64]

    def cut(self, start: int, stop: int | None = None) -> "Stream":
        return Stream(*(column[start:stop] for column in self))


def backs(slots, fresh, label, horizon):
    """For each event, how many of its key's steps ago the prediction was made that its label judges."""
    steps: dict[int, int] = {}
    back = np.full(len(slots), -1, np.int32)
    for i, slot in enumerate(slots):
        steps[slot] = 0 if fresh[i] else steps[slot] + 1
        if not np.isnan(label[i]) and steps[slot] >= horizon:
            back[i] = horizon
    return back


def random_stream(seed, *, events=400, slots=4, networks=2, horizon=0, binary=False, broken=True):
    """Some labels are unknown, some slots change hands, some networks' predictions are no numbers."""
    rng = np.random.default_rng(seed)
    slot = rng.integers(0, slots, events).astype(np.int32)
    fresh = rng.random(events) < 0.02
    fresh[np.unique(slot, return_index=True)[1]] = True
    if binary:
        label = (rng.random(events) < 0.3 + 0.1 * slot).astype(float)
        predictions = rng.random((events, networks))
    else:
        label = 10 * slot + 5 * np.sin(np.arange(events) / 5) + rng.normal(size=events)
        predictions = label[:, None] + rng.normal(size=(events, networks)) * [1 + j for j in range(networks)]
    if broken:
        label[rng.random(events) < 0.1] = np.nan
        predictions = np.where(np.isnan(predictions), 0.0, predictions)
        spoilt = rng.random(predictions.shape)
        predictions[spoilt < 0.03] = np.nan
        predictions[spoilt > 0.97] = np.inf
    return Stream(slot, fresh, backs(slot, fresh, label, horizon), label, predictions)
