"""Every series that Prometheus reads; `docs/metrics.md` says what each means and what to do when it is bad.

Labels are bounded: topic, partition, network, member, reason; never a key. Series stand at 0 from the start,
and those of a partition go when the partition does.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streamrnn.types import Partition

STAGES = ("waiting", "beginning", "restoring", "live")
CHANGES = ("assigned", "revoked", "lost")
OUTCOMES = ("done", "sent_again", "dropped")
MIX = "mix"

Scope = Literal["partition", "network", "member", "judged", "reason", "outcome", "observer"]
"""What a series is about beside its partition: nothing more, a network, a member, a member or the mix, …"""

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)
_Series = tuple[Counter | Gauge | Histogram, tuple[str, ...]]

_Seconds = partial(
    Histogram, buckets=tuple(base * 10.0**power for power in range(-5, 2) for base in (1, 2.5, 5))
)
"""From 10 µs to 50 s, so that a block of one event and a slow broker are both told apart."""
_Delays = partial(
    Histogram, buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86400)
)
_Records = partial(Histogram, buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000))


class Telemetry:
    """The service pushes into it; a scrape only reads. Thread-safe, as prometheus_client is.

    Series of a partition are addressed by topic, number and then their own label:
    `telemetry.records.labels(*partition).inc(n)`, `telemetry.updates.labels(*partition, network)`.
    """

    def __init__(self, registry: CollectorRegistry, versions: Mapping[str, str]) -> None:
        """`versions` become the labels of `streamrnn_build_info`."""
        self._registry = registry
        self._scoped: dict[Scope, list[Counter | Gauge | Histogram]] = {}
        self._series: dict[Partition, list[_Series]] = {}
        self._totals: dict[Partition, dict[_Series, float]] = {}
        self._own(Gauge, "build_info", "Always 1", tuple(versions)).labels(*versions.values()).set(1)
        self._make_process()
        self._make_flow()
        self._make_learning()
        self._make_log()
        self._make_snapshots()

    def start(
        self,
        partition: Partition,
        networks: Sequence[str],
        members: Sequence[str],
        reasons: Sequence[str],
        outcomes: Sequence[str] = (),
        observers: Sequence[str] = (),
    ) -> None:
        """Bring every series of `partition` to 0; `members` are networks and baselines, not the mix.

        `outcomes` of labels, where they come by id.
        """
        self.forget(partition)
        place = (partition.topic, str(partition.number))
        labels: dict[Scope, list[tuple[str, ...]]] = {
            "partition": [place],
            "network": [(*place, name) for name in networks],
            "member": [(*place, name) for name in members],
            "judged": [(*place, name) for name in (MIX, *members)],
            "reason": [(*place, name) for name in reasons],
            "outcome": [(*place, name) for name in outcomes],
            "observer": [(*place, name) for name in observers],
        }
        series = [
            (metric, own) for scope in labels for metric in self._scoped[scope] for own in labels[scope]
        ]
        for metric, own in series:
            metric.labels(*own)
        self._series[partition] = series
        self._totals[partition] = {}

    def forget(self, partition: Partition) -> None:
        """Remove every series of a partition that was given up; harmless for one that never started."""
        self._totals.pop(partition, None)
        for metric, labels in self._series.pop(partition, []):
            metric.remove(*labels)

    def follow(self, counter: Counter, partition: Partition, total: float, *label: str) -> None:
        """Count on by how far `total`, a count that the learner keeps, moved since it was last told.

        Counting begins at the first total after `start`: what was learned before, or again, is not counted.
        """
        totals = self._totals[partition]
        series = (counter, label)
        counter.labels(*partition, *label).inc(total - totals.setdefault(series, total))
        totals[series] = total

    def judge(self, partition: Partition, losses: Mapping[str, float], baselines: Collection[str]) -> None:
        """Set loss and skill from the recent `losses` of the mix and of every member."""
        best = min(losses[name] for name in baselines)
        for name, loss in losses.items():
            self.loss.labels(*partition, name).set(loss)
            self.skill.labels(*partition, name).set(1 - loss / best if best > 0 else 0.0)

    # --- the series ------------------------------------------------------------------------------

    def _make_process(self) -> None:
        self.ready = self._own(Gauge, "ready", "1 if partitions are assigned and all are live")
        self.turned = self._own(Gauge, "last_turn_timestamp_seconds", "When the loop last came round")
        self.partitions = self._own(Gauge, "partitions", "Partitions held, by stage", ("stage",))
        self.rebalances = self._own(Counter, "rebalances", "Partitions that came or went", ("change",))
        self.doubts = self._own(
            Counter, "delivery_doubts", "Publishes whose outcome had to be asked for", ("outcome",)
        )
        self.key_bytes = self._own(Gauge, "key_bytes", "Memory that one key costs")
        self.poll_seconds = self._own(_Seconds, "poll_seconds", "One poll, its wait included")
        self.block_records = self._own(_Records, "block_records", "Records of one poll")
        self.publish_seconds = self._own(
            _Seconds, "publish_seconds", "One transaction, or one flush and commit"
        )
        for stage in STAGES:
            self.partitions.labels(stage)
        for change in CHANGES:
            self.rebalances.labels(change)
        for outcome in OUTCOMES:
            self.doubts.labels(outcome)

    def _make_flow(self) -> None:
        of = self._of
        self.records = of("partition", Counter, "records", "Records learned, published and committed")
        self.predictions = of("partition", Counter, "predictions", "Predictions published")
        self.dead_letters = of("reason", Counter, "dead_letters", "Records set aside")
        self.replayed = of(
            "partition", Counter, "replayed_records", "Records learned again to restore a state"
        )
        self.delay_seconds = of(
            "partition", _Delays, "delay_seconds", "From a record's timestamp to its answer"
        )
        self.recorded = of(
            "partition",
            Gauge,
            "last_record_timestamp_seconds",
            "Timestamp of the newest record that was learned",
        )

    def _make_learning(self) -> None:
        of = self._of
        self.learn_seconds = of("partition", _Seconds, "learn_seconds", "One block through the learner")
        self.events = of("partition", Gauge, "lineage_events", "Events since the lineage began")
        self.labelled = of("partition", Counter, "labelled_events", "Labels that judged a prediction")
        self.loss = of("judged", Gauge, "loss", "Recent mean absolute error, or log loss of classes")
        self.skill = of("judged", Gauge, "skill", "1 - loss / loss of the best baseline")
        self.coverage = of(
            "partition", Gauge, "interval_coverage", "Recent share of labels within their interval"
        )
        self.width = of("partition", Gauge, "interval_width", "Mean width of the intervals")
        self.observed = of("observer", Gauge, "observed", "Value of a metric, or drifts that were seen")
        self.late_labels = of("outcome", Counter, "late_labels", "Labels that came by id")
        self.labels_waiting = of("partition", Gauge, "waiting_events", "Events that wait for their label")
        self.unplaced = of("partition", Counter, "unplaced_labels", "Labels of classes beyond the bound")
        self.weight = of("member", Gauge, "mix_weight", "Recent mean weight in the mix")
        self.replaced = of(
            "network", Counter, "replaced_predictions", "Predictions that were no usable number"
        )
        self.window = of("network", Gauge, "window_steps", "Steps back that a gradient reaches")
        self.rate = of("network", Gauge, "learning_rate", "Learning rate of the next update")
        self.gradient = of("network", Gauge, "gradient_norm", "Norm of the last gradient, before clipping")
        self.updates = of("network", Counter, "updates", "Updates of the weights")
        self.clipped = of("network", Counter, "clipped_gradients", "Gradients cut to the bound")
        self.skipped = of("network", Counter, "skipped_gradients", "Gradients that were not finite")
        self.drifts = of("network", Counter, "drifts", "Rises of the error that were reacted to")
        self.keys = of("partition", Gauge, "keys", "Keys that own a state now")
        self.evicted = of("partition", Counter, "evicted_keys", "Keys forgotten to stay within max_keys")

    def _make_log(self) -> None:
        of = self._of
        self.position = of("partition", Gauge, "position_offset", "Next offset to learn")
        self.committed = of("partition", Gauge, "committed_offset", "Committed offset of the group")
        self.lag = of("partition", Gauge, "lag_records", "Offsets up to the last stable one")
        self.lag_end = of("partition", Gauge, "lag_end_records", "Offsets up to the high watermark")
        self.headroom = of(
            "partition", Gauge, "log_start_distance_records", "Offsets from the log's start to the position"
        )

    def _make_snapshots(self) -> None:
        of = self._of
        self.snapshots = of("partition", Counter, "snapshots", "Snapshots written")
        self.snapshotted = of(
            "partition", Gauge, "snapshot_timestamp_seconds", "When the newest snapshot was taken"
        )
        self.snapshot_offset = of("partition", Gauge, "snapshot_offset", "Position of the newest snapshot")
        self.snapshot_bytes = of("partition", Gauge, "snapshot_bytes", "Size of the newest snapshot's state")
        self.snapshot_seconds = self._own(_Seconds, "snapshot_seconds", "Writing one snapshot")
        self.damaged = of("partition", Counter, "damaged_snapshots", "Snapshots that restoring passed over")
        self.restore_seconds = of(
            "partition", Gauge, "last_restore_seconds", "From assignment to live, the last time"
        )

    def _own(
        self, kind: Callable[..., _Metric], name: str, help_text: str, labels: tuple[str, ...] = ()
    ) -> _Metric:
        """A metric of the process."""
        return kind(f"streamrnn_{name}", help_text, labels, registry=self._registry)

    def _of(self, scope: Scope, kind: Callable[..., _Metric], name: str, help_text: str) -> _Metric:
        """A metric of each partition."""
        others: dict[Scope, tuple[str, ...]] = {"partition": (), "judged": ("member",)}
        label: tuple[str, ...] = others.get(scope, (scope,))
        metric = self._own(kind, name, help_text, ("topic", "partition", *label))
        self._scoped.setdefault(scope, []).append(metric)
        return metric
