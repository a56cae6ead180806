"""Series stand at 0 from the start, count what is told and nothing twice, and go with their partition."""

import re

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from streamrnn.telemetry import Telemetry
from streamrnn.types import Partition

P0, P1 = Partition("in", 0), Partition("in", 1)
NETWORKS, MEMBERS, REASONS = ["one-step"], ["one-step", "last", "mean"], ["not_json", "too_large"]


class Stage:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.telemetry = Telemetry(self.registry, {"version": "0.1.0", "python": "3.11.2"})

    def start(self, *partitions: Partition) -> None:
        for partition in partitions:
            self.telemetry.start(partition, NETWORKS, MEMBERS, REASONS)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"streamrnn_{name}", labels)

    def of(self, name: str, partition: Partition, **labels: str) -> float | None:
        return self.value(name, topic=partition.topic, partition=str(partition.number), **labels)

    def samples(self) -> list:
        return [sample for metric in self.registry.collect() for sample in metric.samples]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_every_series_of_a_partition_is_at_0_from_the_start(stage):
    stage.start(P0)
    mine = [s for s in stage.samples() if s.labels.get("topic") == "in" and not s.name.endswith("_created")]
    assert {sample.value for sample in mine} == {0.0}
    assert stage.of("records_total", P0) == 0
    assert stage.of("learn_seconds_count", P0) == 0
    assert stage.of("window_steps", P0, network="one-step") == 0
    members = {s.labels["member"] for s in mine if s.name == "streamrnn_skill"}
    assert members == {"mix", "one-step", "last", "mean"}
    assert {s.labels["member"] for s in mine if s.name == "streamrnn_mix_weight"} == members - {"mix"}
    assert {s.labels["reason"] for s in mine if s.name == "streamrnn_dead_letters_total"} == set(REASONS)


def test_series_of_the_process_are_at_0_before_anything_happens(stage):
    assert stage.value("ready") == 0
    assert stage.value("poll_seconds_count") == 0
    for stage_name in ("waiting", "beginning", "restoring", "live"):
        assert stage.value("partitions", stage=stage_name) == 0
    for change in ("assigned", "revoked", "lost"):
        assert stage.value("rebalances_total", change=change) == 0
    for outcome in ("done", "sent_again", "dropped"):
        assert stage.value("delivery_doubts_total", outcome=outcome) == 0
    assert stage.value("build_info", version="0.1.0", python="3.11.2") == 1


def test_nothing_of_a_forgotten_partition_is_left_and_the_others_stay(stage):
    stage.start(P0, P1)
    stage.telemetry.records.labels(*P0).inc(3)
    stage.telemetry.records.labels(*P1).inc(4)
    stage.telemetry.forget(P0)
    assert [s for s in stage.samples() if s.labels.get("partition") == "0"] == []
    assert stage.of("records_total", P1) == 4
    stage.telemetry.forget(P0)
    stage.start(P0)
    assert stage.of("records_total", P0) == 0


def test_a_total_is_counted_on_from_where_it_stood_at_the_start(stage):
    stage.start(P0)
    updates = stage.telemetry.updates
    for total, counted in [(1000, 0), (1000, 0), (1007, 7), (1010, 10)]:
        stage.telemetry.follow(updates, P0, total, "one-step")
        assert stage.of("updates_total", P0, network="one-step") == counted
    stage.telemetry.follow(stage.telemetry.evicted, P0, 5)
    assert stage.of("evicted_keys_total", P0) == 0, "each counter begins on its own"
    stage.start(P0)
    stage.telemetry.follow(updates, P0, 500, "one-step")
    assert stage.of("updates_total", P0, network="one-step") == 0, "restored further back: no negative step"


def test_skill_compares_with_the_best_baseline(stage):
    stage.start(P0)
    losses = {"mix": 2.0, "one-step": 3.0, "last": 4.0, "mean": 8.0}
    stage.telemetry.judge(P0, losses, ["last", "mean"])
    skill = {name: stage.of("skill", P0, member=name) for name in losses}
    assert skill == {"mix": 0.5, "one-step": 0.25, "last": 0.0, "mean": -1.0}
    assert stage.of("loss", P0, member="mean") == 8.0
    stage.telemetry.judge(P0, dict.fromkeys(losses, 0.0), ["last", "mean"])
    assert stage.of("skill", P0, member="mix") == 0, "no baseline errs: nothing to be better than"


def test_a_millisecond_and_ten_microseconds_fall_into_different_buckets(stage):
    stage.start(P0)
    for seconds in (8e-6, 9e-4, 2.0):
        stage.telemetry.learn_seconds.labels(*P0).observe(seconds)
    below = {le: stage.of("learn_seconds_bucket", P0, le=le) for le in ("1e-05", "0.001", "2.5")}
    assert below == {"1e-05": 1, "0.001": 2, "2.5": 3}


def test_names_follow_the_conventions_of_prometheus(stage):
    """Own prefix, base units, counters end in _total, no label with unbounded values."""
    stage.start(P0)
    allowed = {"topic", "partition", "network", "member", "reason", "stage", "change", "outcome"}
    for metric in stage.registry.collect():
        assert re.fullmatch(r"streamrnn_[a-z_]+", metric.name)
        assert not re.search(r"milli|micro|_ms\b|_kb\b|percent", metric.name)
        assert metric.documentation
        if metric.name != "streamrnn_build_info":
            for sample in metric.samples:
                assert set(sample.labels) <= allowed | {"le"}
    assert b"streamrnn_records_total" in generate_latest(stage.registry)


def test_two_telemetries_live_in_two_registries():
    one, other = Stage(), Stage()
    one.telemetry.ready.set(1)
    assert (one.value("ready"), other.value("ready")) == (1, 0)
