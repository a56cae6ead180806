"""River looks on: its metrics and drift detectors say what they would say beside the stream."""

import json
import math
from typing import Any

import pytest
import river.drift
import river.metrics

from streamrnn.config.models import DriftObserver, MetricObserver
from streamrnn.errors import ConfigError, SnapshotError
from streamrnn.features import Target
from streamrnn.learner import Learner, plain
from streamrnn.learner.observers import Observers
from tests.learner.streams import BINARY, FORECAST, MULTICLASS, PARTITION, config, stream

NUMBER = Target(("y",), "number")
BOOLEAN = Target(("y",), "classes", classes=("0", "1"))
KINDS = Target(("y",), "classes", bound=3)
METRICS = [
    (FORECAST, "MAE", river.metrics.MAE()),
    (FORECAST, "R2", river.metrics.R2()),
    (BINARY, "Accuracy", river.metrics.Accuracy()),
    (BINARY, "LogLoss", river.metrics.LogLoss()),
    (BINARY, "ROCAUC", river.metrics.ROCAUC()),
    (MULTICLASS, "MacroF1", river.metrics.MacroF1()),
    (MULTICLASS, "CohenKappa", river.metrics.CohenKappa()),
]


def judgements(task: dict[str, Any], observers: list[dict[str, Any]]) -> tuple[Learner, list[dict[str, Any]]]:
    learner = Learner(config(task, observers=observers), "lineage")
    records, answers = stream(200), []
    for begin in range(0, 200, 30):
        answers += learner.learn(records[begin : begin + 30], PARTITION)
    values = [json.loads(answer.value or b"") for answer in answers]
    return learner, [
        value["judged"] | {"p": value.get("probabilities")} for value in values if "judged" in value
    ]


@pytest.mark.parametrize(
    ("task", "name", "oracle"), METRICS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_metric_says_what_it_says_beside_the_stream(task: dict[str, Any], name: str, oracle: Any) -> None:
    learner, judged = judgements(task, [{"metric": name}])
    for each in judged:
        label, said = each["label"], each["prediction"]
        if task is BINARY:
            label, said = bool(label), {True: said, False: 1 - said}
            said = said if not oracle.requires_labels else said[True] > 0.5
        oracle.update(label, said)
    assert learner.passes.figures()["observers"] == {name: pytest.approx(oracle.get(), rel=1e-12)}


def test_a_detector_counts_the_drifts_of_the_published_loss() -> None:
    learner, judged = judgements(FORECAST, [{"drift": "PageHinkley", "args": {"threshold": 2.0}}])
    oracle, drifts = river.drift.PageHinkley(threshold=2.0), 0
    for each in judged:
        oracle.update(each["losses"]["mix"])
        drifts += oracle.drift_detected
    assert drifts > 0
    assert learner.passes.figures()["observers"] == {"PageHinkley": drifts}


def test_observers_change_nothing_that_is_published() -> None:
    records = stream(80)
    looked_at = Learner(config(FORECAST, observers=[{"metric": "MAE"}, {"drift": "ADWIN"}]), "lineage")
    alone = Learner(config(FORECAST), "lineage")
    assert looked_at.learn(records, PARTITION) == alone.learn(records, PARTITION)


@pytest.mark.parametrize("name", ["MacroF1", "RollingROCAUC", "ROCAUC", "ClassificationReport"])
def test_what_river_has_is_saved_exactly_or_refused(name: str) -> None:
    try:
        part = Observers([MetricObserver(metric=name)], BOOLEAN)
    except ConfigError as refused:
        assert name in str(refused)
        return
    twin = Observers([MetricObserver(metric=name)], BOOLEAN)
    labels = [i % 3 == 0 for i in range(200)]
    said = [{True: (i * 7 % 10) / 10, False: 1 - (i * 7 % 10) / 10} for i in range(200)]
    part.look(labels[:90], said[:90], [0.0] * 90)
    twin.load(part.state())
    for each in (part, twin):
        each.look(labels[90:], said[90:], [0.0] * 110)
    assert part.figures() == twin.figures()
    assert {k: v.tobytes() for k, v in part.state().items()} == {
        k: v.tobytes() for k, v in twin.state().items()
    }


def test_an_observer_may_come_and_go_while_the_others_keep_what_they_saw() -> None:
    part = Observers([MetricObserver(metric="MAE"), DriftObserver(drift="ADWIN")], NUMBER)
    part.look([1.0, 2.0], [0.0, 0.0], [1.0, 2.0])
    other = Observers([MetricObserver(metric="RMSE"), MetricObserver(metric="MAE")], NUMBER)
    other.load(part.state())
    assert other.figures() == {"RMSE": 0.0, "MAE": 1.5}


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (MetricObserver(metric="MacroF2"), r"^observers\.0\.metric: river\.metrics has no MacroF2$"),
        (DriftObserver(drift="ADWIN", args={"delt": 1}), r"^observers\.0\.drift: ADWIN: .*delt"),
    ],
)
def test_what_river_does_not_have_is_refused_by_name(part: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Observers([part], NUMBER)


@pytest.mark.parametrize(
    ("name", "target"),
    [("MAE", KINDS), ("ROCAUC", KINDS), ("CohenKappa", NUMBER), ("RMSLE", NUMBER), ("MAE", BOOLEAN)],
)
def test_a_metric_of_another_kind_of_label_is_refused(name: str, target: Target) -> None:
    with pytest.raises(ConfigError, match=rf"^observers\.0\.metric: {name} (does not suit|cannot take)"):
        Observers([MetricObserver(metric=name)], target)


def test_one_that_fails_ends_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    wanted = [MetricObserver(metric="MAE"), DriftObserver(drift="PageHinkley", args={"threshold": 2.0})]
    part, twin = Observers(wanted, NUMBER), Observers(wanted, NUMBER)
    part.look([1.0, None], [0.0, 0.0], [1.0, 1.0])
    twin.load(part.state())
    for each in (part, twin):
        each.look([1.0] * 200, [0.0] * 200, [float(i > 100) for i in range(200)])
        assert math.isnan(each.figures()["MAE"])
        assert each.figures()["PageHinkley"] > 0
    assert [record.message.split(":")[0] for record in caplog.records] == ["observer MAE ends here"]


@pytest.mark.parametrize(
    "content",
    [
        b'["object", "os.system", ["true"], null, [], []]',
        b'["object", "builtins.eval", ["1"], null, [], []]',
        b'["object", "river.datasets.base.os.system", ["true"], null, [], []]',
        b'["name", "subprocess.run"]',
        b"[",
    ],
)
def test_a_state_can_call_nothing_but_what_is_allowed(content: bytes) -> None:
    with pytest.raises(SnapshotError, match="not the state of an observer"):
        plain.loads(content)
