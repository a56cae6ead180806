"""One pass of a learner over a finite file, as if it were a stream, and what came of it."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from streamrnn.cli.rows import Rows
from streamrnn.config import Config
from streamrnn.learner import Learner
from streamrnn.types import Output, Record

Quality = Mapping[str, Mapping[str, float]]
"""Named figures of the mix ("mix"), of each network and of each baseline."""

LINEAGE = "replay"
"""The same in every pass, so that two passes over one file publish the same bytes."""
_BATCH = 4096
_POINTS = 96
"""Points of the curves, spread evenly over the rows."""


@dataclass
class Outcome:
    """What a pass found; filled while it goes on."""

    total: int = 0
    """Rows to learn, blank ones included."""
    rows: int = 0
    """Records handed to the learner."""
    seconds: float = 0.0
    """From the first record read to the last one learned, reading included."""
    bad: Counter[str] = field(default_factory=Counter)
    """Records set aside, by reason."""
    rules_mixed: bool = True
    """The naive rules are members of the mix, so that it competes with them."""
    error: str = "mae"
    """Which figure of the quality is the error that members are compared by."""
    whole: Quality = field(default_factory=dict)
    second_half: Quality = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    """Mean error of the mix and of each member between two points."""

    @property
    def events_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds else 0.0


Progress = Callable[[Outcome], None]


def pass_through(
    config: Config,
    path: Path,
    *,
    progress: Progress = lambda _: None,
    predictions: IO[bytes] | None = None,
    most: int | None = None,
) -> tuple[Learner, Outcome]:
    """Learn the first `most` rows of a file in one pass; `predictions` takes what would be published.

    Raises InputError when the file cannot be read or too much of it is bad.
    """
    rows = Rows(path)
    try:
        total = rows.count() if most is None else min(most, rows.count())
        learner = Learner(config, LINEAGE)
        learner.take_weights()
        learner.warm_up()
        outcome = Outcome(total, rules_mixed=config.mix.baselines)
        return learner, _Pass(learner, rows, outcome, progress, predictions).run()
    finally:
        rows.close()


class _Pass:
    def __init__(
        self,
        learner: Learner,
        rows: Rows,
        outcome: Outcome,
        progress: Progress,
        predictions: IO[bytes] | None,
    ) -> None:
        self._learner = learner
        self._rows = rows
        self._total = outcome.total
        self._half = outcome.total // 2
        self._progress = progress
        self._predictions = predictions
        self._at_half = learner.mixture.state()
        self.outcome = outcome

    def run(self) -> Outcome:
        curves = _Curves(self._learner)
        self.outcome.error = curves.error
        self.outcome.curves = curves.values
        started = time.perf_counter()
        for records in self._batches():
            self._count(self._learner.learn(records, self._rows.partition))
            self.outcome.rows += len(records)
            self.outcome.seconds = time.perf_counter() - started
            if self.outcome.rows == self._half:
                self._at_half = self._learner.mixture.state()
            if self.outcome.rows * _POINTS // self._total > len(curves):
                curves.look()
            self._progress(self.outcome)
        self.outcome.whole = self._learner.mixture.quality()
        self.outcome.second_half = self._learner.mixture.quality_between(self._at_half)
        return self.outcome

    def _batches(self) -> Iterable[list[Record]]:
        """Blocks that end at every point of the curves and at half of the rows."""
        held: list[Record] = []
        done = 0
        for batch in self._rows.batches(_BATCH):
            held += batch
            while held and done < self._total and len(held) >= (step := self._step(done)):
                yield held[:step]
                held, done = held[step:], done + step
        if held and done < self._total:  # blank rows were counted and are no records
            yield held[: self._total - done]

    def _step(self, done: int) -> int:
        next_point = self._total * (done * _POINTS // self._total + 1) // _POINTS
        half = self._half if done < self._half else self._total
        return max(1, min(next_point - done, half - done, _BATCH))

    def _count(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if output.kind == "dead_letter":
                self.outcome.bad[dict(output.headers)["reason"].decode()] += 1
            elif self._predictions is not None:
                self._predictions.write((output.value or b"") + b"\n")


class _Curves:
    """Mean error of each member over the stretch since the last look, from the running sums."""

    def __init__(self, learner: Learner) -> None:
        self._mixture = learner.mixture
        quality = self._mixture.quality()
        self.error = self._mixture.error
        self.values: dict[str, list[float]] = {name: [] for name in quality}
        self._before = dict.fromkeys(quality, (0.0, 0.0))

    def __len__(self) -> int:
        return len(self.values["mix"])

    def look(self) -> None:
        for name, figures in self._mixture.quality().items():
            count = figures["count"]
            total = count * figures[self.error] if count else 0.0
            seen, summed = self._before[name]
            self.values[name].append((total - summed) / (count - seen) if count > seen else math.nan)
            self._before[name] = (count, total)
