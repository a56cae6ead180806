"""What the loop tells telemetry: per block what was done, about once a second how things stand."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from streamrnn.service.model import Figures, Names
from streamrnn.sources.base import Changes
from streamrnn.telemetry import Telemetry
from streamrnn.types import Output, Partition, Record

if TYPE_CHECKING:
    from streamrnn.service.life import Life
    from streamrnn.snapshots import Saved


class Meter:
    """Writes to `telemetry`; everything is called on the loop's thread."""

    def __init__(self, telemetry: Telemetry, names: Names) -> None:
        self._telemetry = telemetry
        self._names = names
        self._baselines = [name for name in names.members if name not in names.networks]
        self._blocks: dict[Partition, tuple[int, int]] = {}
        """Timestamps [ms] of the first and the last record of the block that is being delivered."""

    # --- partitions ---------------------------------------------------------------------------------

    def moved(self, changes: Changes) -> None:
        for name, partitions in changes._asdict().items():
            self._telemetry.rebalances.labels(name).inc(len(partitions))
        for partition in (*changes.lost, *changes.revoked):
            self._telemetry.forget(partition)
        for partition in changes.assigned:
            names = self._names
            self._telemetry.start(
                partition, names.networks, names.members, names.reasons, names.outcomes, names.observers
            )

    def went_live(self, partition: Partition, seconds: float) -> None:
        self._telemetry.restore_seconds.labels(*partition).set(seconds)

    def passed_over(self, partition: Partition, snapshots: int) -> None:
        self._telemetry.damaged.labels(*partition).inc(snapshots)

    def saved(self, partition: Partition, saved: "Saved") -> None:
        telemetry, manifest = self._telemetry, saved.manifest
        telemetry.snapshots.labels(*partition).inc()
        telemetry.snapshot_bytes.labels(*partition).set(manifest.state.bytes)
        telemetry.snapshot_seconds.observe(saved.seconds)

    # --- records --------------------------------------------------------------------------------------

    def polled(self, seconds: float, records: Mapping[Partition, Sequence[Record]]) -> None:
        self._telemetry.poll_seconds.observe(seconds)
        if records:
            self._telemetry.block_records.observe(sum(map(len, records.values())))

    def replayed(self, partition: Partition, records: int) -> None:
        self._telemetry.replayed.labels(*partition).inc(records)

    def learned(self, partition: Partition, block: Sequence[Record], seconds: float) -> None:
        self._telemetry.learn_seconds.labels(*partition).observe(seconds)
        self._blocks[partition] = block[0].timestamp, block[-1].timestamp

    def delivered(self, outputs: Mapping[Partition, Sequence[Output]], seconds: float) -> None:
        """These are published and committed."""
        telemetry, now = self._telemetry, time.time()
        telemetry.publish_seconds.observe(seconds)
        for partition, answers in outputs.items():
            dead = Counter(_reason(output) for output in answers if output.kind == "dead_letter")
            telemetry.records.labels(*partition).inc(len(answers))
            telemetry.predictions.labels(*partition).inc(len(answers) - dead.total())
            for reason, count in dead.items():
                telemetry.dead_letters.labels(*partition, reason).inc(count)
            oldest, newest = self._blocks.pop(partition)
            telemetry.recorded.labels(*partition).set(newest / 1000)
            if oldest > 0:  # a file has no timestamps
                telemetry.delay_seconds.labels(*partition).observe(max(0.0, now - oldest / 1000))

    def doubted(self, outcomes: Iterable[str]) -> None:
        for outcome in outcomes:
            self._telemetry.doubts.labels(outcome).inc()

    # --- how things stand ---------------------------------------------------------------------------

    def turned(self, ready: bool, lives: Sequence["Life"]) -> None:
        telemetry = self._telemetry
        telemetry.ready.set(ready)
        telemetry.turned.set_to_current_time()
        stages = Counter(life.stage for life in lives)
        for stage in ("waiting", "beginning", "restoring", "live"):
            telemetry.partitions.labels(stage).set(stages[stage])

    def stands(self, life: "Life", figures: Figures | None) -> None:
        """One partition; `figures` only once it is live, so that a replay is not counted."""
        telemetry, partition = self._telemetry, life.partition
        telemetry.position.labels(*partition).set(life.position)
        if life.committed is not None:
            telemetry.committed.labels(*partition).set(life.committed.offset)
        if life.bounds is not None:
            telemetry.lag.labels(*partition).set(life.lag or 0)
            telemetry.lag_end.labels(*partition).set(max(0, life.bounds.end - life.position))
            telemetry.headroom.labels(*partition).set(life.position - life.bounds.begin)
        telemetry.snapshotted.labels(*partition).set(life.saved_at)
        telemetry.snapshot_offset.labels(*partition).set(life.saved)
        if figures is not None:
            self._learning(partition, figures)

    def _learning(self, partition: Partition, figures: Figures) -> None:
        telemetry, counts = self._telemetry, figures.counts
        telemetry.events.labels(*partition).set(counts["events"])
        telemetry.keys.labels(*partition).set(counts["keys"])
        telemetry.follow(telemetry.labelled, partition, counts["labelled"])
        telemetry.follow(telemetry.evicted, partition, counts["evicted_keys"])
        for outcome in self._names.outcomes:
            telemetry.follow(telemetry.late_labels, partition, counts[f"labels_{outcome}"], outcome)
        telemetry.labels_waiting.labels(*partition).set(counts.get("events_waiting", 0))
        telemetry.follow(telemetry.unplaced, partition, counts.get("labels_beyond", 0))
        self._interval(partition, figures)
        for observer, value in figures.observers.items():
            telemetry.observed.labels(*partition, observer).set(value)
        for member, weight in figures.weights.items():
            telemetry.weight.labels(*partition, member).set(weight)
        losses = {name: quality["recent"] for name, quality in figures.quality.items() if quality["count"]}
        if losses:
            telemetry.judge(partition, losses, self._baselines)
        for name, tally in figures.networks.items():
            telemetry.window.labels(*partition, name).set(tally.window)
            telemetry.rate.labels(*partition, name).set(tally.rate)
            telemetry.gradient.labels(*partition, name).set(tally.gradient_norm)
            telemetry.follow(telemetry.updates, partition, tally.updates, name)
            telemetry.follow(telemetry.clipped, partition, tally.clipped, name)
            telemetry.follow(telemetry.skipped, partition, tally.skipped, name)
            telemetry.follow(telemetry.replaced, partition, tally.replaced, name)
            telemetry.follow(telemetry.drifts, partition, tally.drifts, name)

    def _interval(self, partition: Partition, figures: Figures) -> None:
        """Means over the fields."""
        for series, name in ((self._telemetry.coverage, "recent"), (self._telemetry.width, "width")):
            values = [quality[name] for quality in figures.intervals.values() if quality["count"]]
            if values:
                series.labels(*partition).set(sum(values) / len(values))


def _reason(output: Output) -> str:
    return next(value.decode() for name, value in output.headers if name == "reason")
