"""The outcome depends on the sequence of records and on nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.config.models import Config
from streamrnn.errors import SnapshotError
from streamrnn.learner import Learner
from streamrnn.types import Output, Record
from tests.learner.streams import FORECAST, PARTITION, TASKS, config, stream

RECORDS = stream(160)
RECORDS[40] = Record(47, b"k", b"{")
RECORDS[41] = Record(48, None, b'{"level": NaN}')


def learned(settings_: Config, records: Sequence[Record], cuts: Sequence[int]) -> tuple[list[Output], str]:
    learner = Learner(settings_, "lineage")
    edges = [0, *sorted(cuts), len(records)]
    outputs = [output for a, b in pairwise(edges) for output in learner.learn(records[a:b], PARTITION)]
    return outputs, learner.state_digest()


@pytest.mark.parametrize("task", TASKS)
@given(cuts=st.lists(st.integers(0, len(RECORDS)), max_size=12))
@settings(max_examples=15, deadline=None)
def test_a_stream_cut_into_blocks_anywhere_gives_the_same_bits(task: str, cuts: list[int]) -> None:
    settings_ = config(TASKS[task])
    assert learned(settings_, RECORDS, cuts) == learned(settings_, RECORDS, range(1, len(RECORDS)))


@pytest.mark.parametrize("task", TASKS)
def test_a_restored_learner_goes_on_as_its_twin_that_never_stopped(task: str) -> None:
    settings_ = config(TASKS[task])
    twin = Learner(settings_, "lineage")
    twin.learn(RECORDS[:60], PARTITION)
    restored = Learner(settings_, "lineage")
    restored.load(twin.state())
    assert restored.state_digest() == twin.state_digest()
    assert restored.learn(RECORDS[60:], PARTITION) == twin.learn(RECORDS[60:], PARTITION)
    assert restored.state_digest() == twin.state_digest()


def test_a_state_is_a_copy_that_learning_does_not_touch() -> None:
    learner = Learner(config(FORECAST), "lineage")
    learner.learn(RECORDS[:60], PARTITION)
    state = learner.state()
    before = {name: array.tobytes() for name, array in state.items()}
    learner.learn(RECORDS[60:], PARTITION)
    assert {name: array.tobytes() for name, array in state.items()} == before


@pytest.mark.parametrize(
    ("array", "change"),
    [
        ("networks/0/parameters", lambda a: a[:-1]),
        ("features/stream", lambda a: a.astype("float32")),
        ("course/steps", lambda a: a[:-1]),
        ("digest/closed", lambda a: a[:8]),
        ("bad_records/recent", lambda a: a[:8]),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_the_name_of_the_array(array: str, change) -> None:  # type: ignore[no-untyped-def]
    learner = Learner(config(FORECAST), "lineage")
    learner.learn(RECORDS, PARTITION)
    state = learner.state()
    state[array] = change(state[array])
    part, _, name = array.rpartition("/")
    with pytest.raises(SnapshotError, match=f"({part}: array {name}|array {array}) has"):
        Learner(config(FORECAST), "lineage").load(state)


def test_a_state_that_lacks_an_array_or_has_one_too_many_is_refused() -> None:
    learner = Learner(config(FORECAST), "lineage")
    state = learner.state()
    lacking = {name: array for name, array in state.items() if name != "learner/counts"}
    with pytest.raises(SnapshotError, match="learner: array counts"):
        learner.load(lacking)
    with pytest.raises(SnapshotError, match="array extra/array is not expected"):
        learner.load(state | {"extra/array": state["learner/counts"]})


PROGRAM = """
import json
from streamrnn.learner import Learner
from tests.learner.streams import PARTITION, TASKS, config, stream
digests = []
for task in TASKS.values():
    learner = Learner(config(task), "lineage")
    learner.learn(stream(120), PARTITION)
    digests += [learner.state_digest(), learner.digest]
print(json.dumps(digests))
"""


def test_another_process_with_another_hash_seed_gives_the_same_bits() -> None:
    def run(seed: str) -> list[str]:
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True, text=True
        )
        digests: list[str] = json.loads(done.stdout)
        return digests

    assert run("1") == run("4242")
