"""Learners of a configuration: what a change of it keeps and refuses, and whether its keys fit."""

import json
from pathlib import Path
from typing import Any

import pytest

from streamrnn.config import Config, canonical
from streamrnn.core import weights
from streamrnn.errors import ConfigError
from streamrnn.service import learners as module
from streamrnn.service.learners import Learners
from streamrnn.service.model import Difference
from streamrnn.types import Partition, Record

PLACE = Partition("in", 0)
SETTINGS: dict[str, Any] = {
    "task": {"forecast": "y"},
    "features": [{"number": "y"}],
    "networks": [{"name": "net", "hidden": 4}],
    "max_keys": 1000,
}


def _config(**changes: Any) -> Config:
    return Config.model_validate(SETTINGS | changes)


def _network(**changes: Any) -> dict[str, Any]:
    return {"networks": [{"name": "net", "hidden": 4} | changes]}


@pytest.fixture(scope="module")
def then() -> Learners:
    return Learners(_config())


def _records(first: int, count: int) -> list[Record]:
    return [
        Record(n, None, json.dumps({"y": (n * 37 % 11) / 3}).encode()) for n in range(first, first + count)
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (_network(learning_rate=0.01), "networks.0.learning_rate.rate: 0.001 -> 0.01"),
        (_network(clip=0.5), "networks.0.clip: 10.0 -> 0.5"),
        ({"scaling": {"half_life": 100}}, "scaling.half_life: 20000"),
        (_network(optimiser={"adam": {"beta_1": 0.5}}), "networks.0.optimiser.adam.beta_1: 0.0 -> 0.5"),
        ({"observers": [{"metric": "MAE"}]}, "observers.0: None -> "),
        ({"mix": False}, "mix.enabled: True -> False"),
        ({"predictions": {"members": True}}, "predictions.members: False -> True"),
        ({"max_keys": 2000}, "max_keys: 1000 -> 2000"),
        ({"bad_records": {"max_bytes": 10}}, "bad_records.max_bytes: 1000000 -> 10"),
    ],
)
def test_what_keeps_shapes_and_meaning_is_taken_over(then: Learners, changes: Any, said: str) -> None:
    now = Learners(_config(**changes))
    difference = now.difference(then.configuration)
    assert difference.refused == "" and said in difference.taken_over
    old = then.make("life", then.configuration)
    old.learn(_records(0, 50), PLACE)
    new = now.make("life", now.configuration)
    new.load(old.state())
    assert changes.get("observers") or new.state_digest() == old.state_digest()
    assert len(new.learn(_records(50, 10), PLACE)) == 10


@pytest.mark.parametrize(
    "changes",
    [
        {"task": {"forecast": "y", "horizon": 2}},
        {"task": {"forecast": "y", "loss": "squared"}},
        {"features": [{"number": "y"}, {"number": "z"}]},
        {"key": "k"},
        {"max_keys": 10},
        _network(hidden=8),
        _network(window=2),
        _network(dtype="float64"),
        _network(name="other"),
        {"networks": [{"name": "net", "hidden": 4}, {"name": "second", "hidden": 4}]},
    ],
    ids=str,
)
def test_everything_else_is_refused(then: Learners, changes: Any) -> None:
    assert Learners(_config(**changes)).difference(then.configuration).refused != ""


@pytest.mark.parametrize(
    "changes",
    [{"batch": 7}, {"snapshots": {"every": "5s"}}, {"http": {"port": 0}}, {"bad_records": {"in_a_row": 3}}],
)
def test_what_shapes_no_learning_is_no_difference(then: Learners, changes: Any) -> None:
    assert Learners(_config(**changes)).difference(then.configuration) == Difference()


def test_a_replay_learns_with_the_configuration_of_its_snapshot(then: Learners) -> None:
    now = Learners(_config(**_network(learning_rate=0.01)))
    through_json = json.loads(json.dumps(then.configuration))
    assert through_json == canonical(_config())
    replayed, plain = now.make("life", through_json), then.make("life", then.configuration)
    assert replayed.learn(_records(0, 40), PLACE) == plain.learn(_records(0, 40), PLACE)
    assert replayed.state_digest() == plain.state_digest()


def test_keys_that_cannot_fit_into_memory_are_refused(
    then: Learners, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = then.bytes_per_key * 1000
    monkeypatch.setattr(module, "memory_limit", lambda: bound)
    assert f"{then.bytes_per_key} bytes" in then.check_memory()
    monkeypatch.setattr(module, "memory_limit", lambda: bound - 1)
    with pytest.raises(ConfigError, match="at most 999 keys fit"):
        then.check_memory()


def test_the_figures_name_every_network_and_member(then: Learners) -> None:
    learner = then.make("life", then.configuration)
    learner.learn(_records(0, 30), PLACE)
    figures = then.describe(learner)
    assert set(figures.networks) == {"net"} and figures.networks["net"].updates > 0
    assert set(figures.quality) == {"mix", *then.names.members} and set(figures.weights) == set(
        then.names.members
    )
    assert figures.counts["events"] == 30


def test_weights_of_a_file_begin_a_life_and_replace_those_of_a_running_one(tmp_path: Path) -> None:
    trained = Learners(_config()).make("life", canonical(_config()))
    trained.learn(_records(0, 200), PLACE)
    path = tmp_path / "weights.safetensors"
    weights.write(path, trained.networks[0].torch_state(), {})
    warm = Learners(_config(**_network(start_from=str(path))))

    born = warm.make("life", warm.configuration)
    born.take_weights()
    _same_weights(born, trained)

    then = Learners(_config())
    difference = warm.difference(then.configuration)
    assert difference.refused == "" and difference.restarted == (0,)
    running = warm.make("life", warm.configuration)
    running.load(then.make("life", then.configuration).state())
    running.take_weights(difference.restarted)
    _same_weights(running, trained)
    assert warm.difference(warm.configuration).restarted == ()


def _same_weights(a: Any, b: Any) -> None:
    ours, theirs = a.networks[0].parameters(), b.networks[0].parameters()
    assert {name: array.tobytes() for name, array in ours.items()} == {
        name: array.tobytes() for name, array in theirs.items()
    }
