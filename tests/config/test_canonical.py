"""The canonical form: equal exactly when two configurations learn alike."""

import json
from typing import Any

import pytest

from streamrnn.config import Config, canonical, learning_changes, parse
from streamrnn.mixing import Mixture

TEXT = "task: {forecast: y}\nfeatures: [{number: y}]\nnetworks: [{name: a, hidden: 64}]\n"


def form(*overrides: str) -> dict[str, object]:
    return canonical(parse(TEXT, "c.yaml", overrides))


def test_it_is_plain_json_and_becomes_the_same_configuration_again() -> None:
    plain = json.loads(json.dumps(form()))
    assert plain == form()
    assert canonical(Config.model_validate(plain)) == form()


@pytest.mark.parametrize(
    "override",
    ["task.horizon=2", "key=k", "time=t", "features.1.number=z", "networks.0.hidden=65", "networks.0.seed=1",
     "scaling.half_life=7", "mix=false", "max_keys=5", "predictions.members=true", "bad_records.max_bytes=9"],
)  # fmt: skip
def test_what_shapes_learning_shows(override: str) -> None:
    assert form(override) != form()


@pytest.mark.parametrize(
    "override",
    ["batch=7", "delivery=at_least_once", "snapshots.every=1s", "http.port=1", "bad_records.in_a_row=5",
     "source={kafka: {topic: t, group: g}}", "sink={stdout: jsonl}"],
)  # fmt: skip
def test_what_only_moves_data_does_not_show(override: str) -> None:
    assert form(override) == form()


def test_spelling_out_a_default_changes_nothing() -> None:
    assert form("networks.0.learning_rate=1e-3", "scaling.half_life=20000", "networks.0.clip=10") == form()


def test_a_difference_names_every_path_with_both_values() -> None:
    old, new = form(), form("networks.0.hidden=128", "key=k", "networks.1.name=b")
    assert [change.path for change in learning_changes(old, new)] == [
        "key",
        "networks.0.hidden",
        "networks.1",
    ]
    assert "networks.0.hidden: 64 -> 128" in map(str, learning_changes(old, new))
    assert learning_changes(old, form()) == []


@pytest.mark.parametrize(
    ("kind", "more"),
    [("number", {"season": 4}), ("classes", {"classes": 3}), ("tokens", {"horizon": 1, "classes": 3})],
)
def test_no_network_can_take_the_name_of_a_baseline(kind: Any, more: dict[str, Any]) -> None:
    mixture = Mixture(kind=kind, networks=["a"], **more)
    for taken in mixture.baselines:
        with pytest.raises(Exception, match="something else in the mix"):
            parse(TEXT, "c.yaml", [f"networks.0.name={taken}"])
