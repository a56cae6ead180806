"""Predict, score, then learn: nothing is known before its time, and what is learned helps."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn.features import Features
from streamrnn.learner import Learner
from streamrnn.types import Record
from tests.learner.streams import (
    BINARY,
    FORECAST,
    PARTITION,
    REGRESSION,
    TASKS,
    config,
    events,
    record,
    stream,
)


def answers(task: dict[str, Any], made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    learner = Learner(config(task), "lineage")
    records = [record(i, **event) for i, event in enumerate(made)]
    return [json.loads(output.value or b"") for output in learner.learn(records, PARTITION)]


def prediction(answer: dict[str, Any]) -> Any:
    return answer["prediction"], answer.get("probabilities"), answer.get("members"), answer.get("quantiles")


LABEL = {"regression": "level", "binary": "high", "quantiles": "level", "multiclass": "kind"}
OTHER: dict[str, Callable[[Any], Any]] = {
    "regression": lambda v: v + 1,
    "binary": lambda v: not v,
    "quantiles": lambda v: v + 1,
    "multiclass": lambda v: "b" if v == "a" else "a",
}


def check_no_event_knows_its_own_label(task: str) -> None:
    """A changed label of one event moves predictions from the next event on, and none before."""
    at, label = 60, LABEL[task]
    made = events(100, keys=1, missing=0)
    changed = [dict(event) for event in made]
    changed[at][label] = OTHER[task](changed[at][label])
    before, after = answers(TASKS[task], made), answers(TASKS[task], changed)
    same = [prediction(a) == prediction(b) for a, b in zip(before, after, strict=True)]
    assert same[: at + 1] == [True] * (at + 1), "a prediction knew its own label"
    assert not same[at + 1], "the label was never learned"


@pytest.mark.parametrize("task", LABEL)
def test_no_event_knows_its_own_label(task: str) -> None:
    check_no_event_knows_its_own_label(task)


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_a_planted_leak_is_noticed(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Features.featurise

    def leaking(self: Features, block: Any, steps: Any, label: Any) -> Any:
        inputs = sound(self, block, steps, label)
        inputs.x[:, 0] += 0.01 * label[0]
        return inputs

    monkeypatch.setattr(Features, "featurise", leaking)
    with pytest.raises(AssertionError, match="knew its own label"):
        check_no_event_knows_its_own_label(task)


def test_a_forecast_knows_nothing_of_later_events() -> None:
    made = events(100)
    whole, begun = answers(FORECAST, made), answers(FORECAST, made[:60])
    assert whole[:60] == begun


def test_a_forecast_is_judged_by_the_value_that_came_its_horizon_later() -> None:
    made = events(80, keys=1, missing=0)
    given = answers(FORECAST, made)
    assert all("judged" not in answer for answer in given[:2])
    for i in range(2, 80):
        judged = given[i]["judged"]
        assert judged["label"] == made[i]["level"]
        assert judged["prediction"] == given[i - 2]["prediction"]
        assert judged["losses"]["mix"] == abs(made[i]["level"] - given[i - 2]["prediction"])


def test_the_log_loss_of_a_class_is_that_of_its_published_probability() -> None:
    made = events(80, missing=0)
    for event, answer in zip(made, answers(BINARY, made), strict=True):
        p = answer["probabilities"]["1"]
        assert answer["judged"]["losses"]["mix"] == pytest.approx(
            -math.log(p if event["high"] else 1 - p), rel=1e-12
        )
        assert answer["prediction"] == int(p >= 0.5)


@pytest.mark.parametrize("task", LABEL)
def test_events_without_a_label_are_predicted_and_not_learned(task: str) -> None:
    learner = Learner(config(TASKS[task]), "lineage")
    learner.learn(stream(50), PARTITION)
    state = learner.state()
    before = {n: a for n, a in state.items() if "/optimiser/" in n or n.endswith(("parameters", "usual"))}
    bare = [Record(i, None, json.dumps(e | {LABEL[task]: None}).encode()) for i, e in enumerate(events(20))]
    outputs = learner.learn(bare, PARTITION)
    assert all(b'"prediction"' in (output.value or b"") for output in outputs)
    assert all(b'"judged"' not in (output.value or b"") for output in outputs)
    after = learner.state()
    assert len(before) >= 2
    assert any("/optimiser/" in name for name in before)
    assert all(np.array_equal(after[name], array) for name, array in before.items())


def test_without_a_mix_the_first_network_is_published() -> None:
    task = REGRESSION | {"mix": False, "predictions": {"members": True}}
    for answer in answers(task, events(50)):
        assert answer["prediction"] == answer["members"]["one-step"]


def waves(keys: int, steps: int) -> list[Record]:
    """Noisy sines with a level, height and phase of their own, all keys in turn."""
    random = np.random.default_rng(5)
    level, height, phase = random.normal(0, 10, keys), random.uniform(5, 20, keys), random.uniform(0, 9, keys)
    value = (
        level + height * np.sin(0.7 * np.arange(steps)[:, None] + phase) + random.normal(0, 2, (steps, keys))
    )
    return [record(t * keys + k, sensor=k, level=value[t, k]) for t in range(steps) for k in range(keys)]


@pytest.mark.parametrize(
    ("window", "rate"),
    [(1, {}), (4, {"shape": "inverse_sqrt", "over": 5000, "floor": 0.05})],
    ids=["k=1", "k=4, decaying rate"],
)
def test_a_thousand_interleaved_keys_are_forecast_as_well_as_ten(window: int, rate: dict[str, Any]) -> None:
    """Settled error per key, within 20 %: weights that other keys moved meanwhile do no harm."""

    def error(keys: int, steps: int) -> float:
        task = {
            "task": {"forecast": "level"},
            "key": "sensor",
            "features": [{"number": "level"}],
            "networks": [{"name": "only", "hidden": 16, "window": window, "learning_rate": rate}],
            "mix": False,
        }
        learner = Learner(config(task), "lineage")
        records = waves(keys, steps)
        settled = len(records) * 3 // 4
        learner.learn(records[:settled], PARTITION)
        begun = learner.mixture.state()
        learner.learn(records[settled:], PARTITION)
        return learner.mixture.quality_between(begun)["only"]["mae"]

    few, many = error(10, 15_000), error(1000, 300)
    assert many <= 1.2 * few, (few, many)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_confusion_of_the_mix_has_a_count_for_every_label_and_agrees_with_the_accuracy(task: str) -> None:
    learner = Learner(config(TASKS[task]), "lineage")
    learner.learn(stream(300), PARTITION)
    confusion = learner.passes.figures()["confusion"]
    counts = np.array(confusion["counts"])
    assert counts.shape == (len(confusion["classes"]),) * 2
    assert counts.sum() == learner.labelled
    accuracy = learner.mixture.quality()["mix"]["accuracy"]
    assert np.trace(counts) / counts.sum() == pytest.approx(accuracy, rel=1e-12)
    assert Learner(config(TASKS["regression"]), "lineage").passes.figures()["confusion"] == {}


def test_a_label_that_finds_no_event_takes_no_place_among_the_classes() -> None:
    task = {
        "task": {
            "multiclass": "kind",
            "bound": 2,
            "delayed": {"id": "id", "label_of": "of", "ttl": "1h", "pool": 8},
        },
        "time": "at",
        "features": [{"number": "x"}],
        "networks": [{"name": "one", "hidden": 6}],
    }
    rows: list[dict[str, Any]] = [{"at": i, "of": f"never{i}", "kind": f"junk{i}"} for i in range(3)]
    for i in range(10):
        rows += [
            {"at": 10 + 2 * i, "id": str(i), "x": 1.0},
            {"at": 11 + 2 * i, "of": str(i), "kind": "ab"[i % 2]},
        ]
    learner = Learner(config(task), "lineage")
    learner.learn(
        [Record(i, None, json.dumps(row, default=str).encode()) for i, row in enumerate(rows)], PARTITION
    )
    counts = learner.counts()
    assert learner.passes.figures()["confusion"]["classes"] == ["a", "b"]
    assert (counts["labels_matched"], counts["labels_unknown"], counts["labels_beyond"]) == (10, 3, 0)


def test_the_verdict_on_a_prediction_that_named_no_class_names_none_either() -> None:
    rows = [{"other": 1.0, "kind": kind} for kind in ("a", "a", "b", "c", "b")]
    learner = Learner(config(TASKS["multiclass"]), "lineage")
    outputs = learner.learn(
        [Record(i, None, json.dumps(row).encode()) for i, row in enumerate(rows)], PARTITION
    )
    for output in outputs:
        value = json.loads(output.value or b"")
        assert value["judged"]["prediction"] == value["prediction"]
