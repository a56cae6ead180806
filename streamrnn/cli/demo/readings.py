"""What the predictions topic says: how wrong every member was, week by week, and the digest of it all.

Everything that the board shows about quality comes from here, that is from committed records and never from
the worker, so that the board cannot claim what was not published.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamrnn.learner.outputs import Digest, Prediction
from streamrnn.types import Output

WEEK_SECONDS = 7 * 86_400
RECENT_WEEKS = 13
"""Recent means a quarter of a year: long enough to even out holidays, short enough to see learning."""
FEWEST = 168
"""Judged predictions from which a week's point is drawn; the first week of the stream is a few hours long."""

Floats = NDArray[np.float64]


class Life(NamedTuple):
    """One partition's predictions so far."""

    lineage: str
    start: int
    """Input offset of the first one."""
    next: int
    """Input offset after the last one."""
    events: int


class Readings:
    """Sums over the predictions of all partitions. The mix is the first of `members`."""

    def __init__(self) -> None:
        self.members: tuple[str, ...] = ()
        self.lives: dict[int, Life] = {}
        self.latest: dict[str, Prediction] = {}
        """By sensor."""
        self._digests: dict[int, Digest] = {}
        self._decoder = msgspec.json.Decoder(Prediction)
        self._first_week = 0
        self._sums: dict[str, list[list[float]]] = {}
        """By sensor and week: the sum of each member's absolute errors, then the number of them."""

    def add(self, partition: int, key: bytes | None, value: bytes) -> None:
        """One record of the predictions topic; records of a partition come in order."""
        prediction = self._decoder.decode(value)
        life = self.lives.get(partition)
        start, events = (life.start, life.events) if life else (prediction.position.offset, 0)
        self.lives[partition] = Life(prediction.lineage, start, prediction.position.offset + 1, events + 1)
        self._digests.setdefault(partition, Digest()).add([Output("prediction", key, value, [])])
        self.latest[prediction.key or ""] = prediction
        if prediction.judged is not None and prediction.time is not None:
            week = int(prediction.time.timestamp()) // WEEK_SECONDS
            losses = {
                name: loss for name, loss in prediction.judged.losses.items() if isinstance(loss, float)
            }
            self._judge(prediction.key or "", week, losses)

    @property
    def count(self) -> int:
        return sum(life.events for life in self.lives.values())

    def digest(self, partition: int) -> str:
        """Chains key and value of every prediction of the partition, in order."""
        return str(self._digests.get(partition, Digest()))

    # --- errors -------------------------------------------------------------------------------------

    def recent(self) -> dict[str, float]:
        """Mean absolute error of each member over the last quarter, mean over the sensors."""
        return self._named(_mean_over_sensors(self._table()[-RECENT_WEEKS:].sum(0)))

    def whole(self) -> dict[str, float]:
        """Mean absolute error of each member since the beginning, mean over the sensors."""
        return self._named(_mean_over_sensors(self._table().sum(0)))

    def curves(self) -> dict[str, list[float]]:
        """`recent` as it stood at the end of each week; NaN where too little is known."""
        table = np.cumsum(self._table(), axis=0)
        table[RECENT_WEEKS:] -= table[:-RECENT_WEEKS].copy()
        errors = _mean_over_sensors(table)
        errors[table[..., -1].sum(-1) < FEWEST] = np.nan
        return {name: errors[:, column].tolist() for column, name in enumerate(self.members)}

    def _judge(self, sensor: str, week: int, losses: Mapping[str, float]) -> None:
        if not self.members:
            self.members = tuple(losses)
            self._first_week = week
        weeks = self._sums.setdefault(sensor, [])
        row = max(0, week - self._first_week)
        while len(weeks) <= row:
            weeks.append([0.0] * (len(self.members) + 1))
        cell = weeks[row]
        for column, loss in enumerate(losses.values()):
            cell[column] += loss
        cell[-1] += 1.0

    def _table(self) -> Floats:
        """(weeks, sensors, members + 1)"""
        weeks = max(map(len, self._sums.values()), default=0)
        table = np.zeros((weeks, len(self._sums), len(self.members) + 1))
        for column, rows in enumerate(self._sums.values()):
            table[: len(rows), column] = rows
        return table

    def _named(self, means: Floats) -> dict[str, float]:
        return dict(zip(self.members, means.tolist(), strict=True))


def skill(errors: Mapping[str, float], learned: Collection[str]) -> dict[str, float]:
    """1 − error / error of the best baseline: above 0 is worth having. `learned` are those that are none."""
    best = min((error for name, error in errors.items() if name not in learned), default=0.0)
    return {name: 1.0 - error / best for name, error in errors.items()} if best > 0.0 else {}


def _mean_over_sensors(table: Floats) -> Floats:
    """(…, sensors, members + 1) to (…, members); sensors that have not begun do not count."""
    sums, counts = table[..., :-1], table[..., -1]
    means = sums / np.maximum(counts, 1.0)[..., None]
    return np.asarray(means.sum(-2) / np.maximum((counts > 0).sum(-1), 1)[..., None])
