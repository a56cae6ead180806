from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.errors import ConfigError, SnapshotError
from streamrnn.mixing import Mixture
from streamrnn.mixing.baselines import NumberBaselines
from tests.mixing.naive import NaiveMixture
from tests.mixing.streams import Stream, random_stream

TASKS = {
    "regression": {"kind": "number"},
    "regression-season": {"kind": "number", "season": 5},
    "forecast": {"kind": "number", "horizon": 1, "season": 3},
    "forecast-far": {"kind": "number", "horizon": 4, "season": 7},
    "forecast-season-is-horizon": {"kind": "number", "horizon": 3, "season": 3},
    "binary": {"kind": "binary"},
}
every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())


def mixture(task, networks=2, **more):
    return Mixture(**task, networks=[f"net{j}" for j in range(networks)], **more)


def stream_of(task, seed=0, **more):
    return random_stream(seed, horizon=task.get("horizon", 0), binary=task["kind"] == "binary", **more)


def in_blocks(mix, stream, cuts):
    edges = [0, *sorted(cuts), len(stream.slots)]
    blocks = [mix.score(*stream.cut(a, b)) for a, b in pairwise(edges)]
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


def bits(arrays):
    return [(a.dtype, a.shape, np.ascontiguousarray(a).tobytes()) for a in arrays]


# --- values -----------------------------------------------------------------------------------------


@every_task
@pytest.mark.parametrize("networks", [0, 1, 3])
def test_equals_its_plain_twin_to_1e_9(task, networks):
    stream = stream_of(task, seed=networks, networks=networks, events=300)
    scored = mixture(task, networks).score(*stream)
    answers, judged, losses, weights = NaiveMixture(**task, networks=networks).score(stream)
    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(scored.published, answers[:, 0], **close)
    np.testing.assert_allclose(scored.members, answers[:, 1:], **close)
    np.testing.assert_allclose(scored.judged_published, judged[:, 0], **close)
    np.testing.assert_allclose(scored.judged_members, judged[:, 1:], **close)
    np.testing.assert_allclose(scored.losses, losses, **close)
    np.testing.assert_allclose(scored.weights, weights, **close)


@every_task
def test_without_a_mix_the_first_network_is_published_and_everyone_is_scored(task):
    stream = stream_of(task, broken=False)
    mix = mixture(task, enabled=False)
    scored = mix.score(*stream)
    np.testing.assert_array_equal(scored.published, stream.predictions[:, 0])
    np.testing.assert_array_equal(scored.losses[:, 0], scored.losses[:, 1])
    quality = mix.quality()
    assert quality["mix"] == quality["net0"]
    assert quality["net1"] != quality["net0"]
    assert mix.mean_weights()["net0"] == 1.0


@every_task
def test_the_label_judges_the_prediction_made_a_horizon_ago(task):
    stream = stream_of(task)
    scored = mixture(task).score(*stream)
    made: dict[int, list[float]] = {}
    for i, slot in enumerate(stream.slots):
        if stream.fresh[i]:
            made[slot] = []
        made[slot].append(scored.published[i])
        if stream.back[i] < 0:
            assert np.isnan(scored.judged_published[i])
        else:
            assert scored.judged_published[i] == made[slot][-1 - stream.back[i]]


@every_task
def test_a_prediction_that_is_no_usable_number_never_enters_and_is_counted(task):
    stream = stream_of(task)
    mix = mixture(task)
    scored = mix.score(*stream)
    broken = ~np.isfinite(stream.predictions)
    spare = np.full(len(broken), 0.5) if task["kind"] == "binary" else scored.members[:, 2]
    for j in range(2):
        np.testing.assert_array_equal(scored.members[broken[:, j], j], spare[broken[:, j]])
        np.testing.assert_array_equal(scored.members[~broken[:, j], j], stream.predictions[~broken[:, j], j])
    assert mix.replaced() == {"net0": broken[:, 0].sum(), "net1": broken[:, 1].sum()}
    assert min(mix.replaced().values()) > 0
    for name, array in mix.state().items():
        assert np.isfinite(array).all(), name


def test_a_number_too_large_to_square_and_a_probability_outside_0_to_1_are_not_usable():
    numbers = Mixture(kind="number", networks=["a"])
    assert numbers.score([0], [True], [0], [1.0], [[1e101]]).members[0, 0] == 0.0
    classes = Mixture(kind="binary", networks=["a"])
    scored = classes.score([0, 0], [True, False], [0, 0], [1.0, 0.0], [[1.0000001], [-0.1]])
    assert scored.members[:, 0].tolist() == [0.5, 0.5]
    assert numbers.replaced() == {"a": 1}
    assert classes.replaced() == {"a": 2}


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_published_probabilities_lie_within_0_and_1(data):
    ends = st.sampled_from([0.0, 1.0, 1 - 2**-53, 5e-324]) | st.floats(0, 1)
    rows = data.draw(st.lists(st.tuples(ends, ends, st.sampled_from([0.0, 1.0])), min_size=1, max_size=20))
    n = len(rows)
    table = np.array(rows)
    mix = Mixture(kind="binary", networks=["a", "b"])
    scored = mix.score(np.zeros(n), np.arange(n) == 0, np.zeros(n), table[:, 2], table[:, :2])
    assert ((scored.published >= 0) & (scored.published <= 1)).all()
    assert np.isfinite(scored.losses).all()


# --- order ------------------------------------------------------------------------------------------


def assert_prequential(make, stream, inline):
    """Changing the labels from any event on changes no earlier prediction; nor its own, if inline."""
    honest = make().score(*stream).published
    for i in range(0, len(stream.label), 7):
        other = stream.label.copy()
        other[i:] = np.where(np.isnan(other[i:]), other[i:], 1.0 - other[i:])
        changed = make().score(*stream._replace(label=other)).published
        reach = i + 1 if inline else i
        np.testing.assert_array_equal(honest[:reach], changed[:reach])
        assert not np.array_equal(honest, changed) or i > len(stream.label) - 20


@every_task
def test_no_label_is_used_before_the_prediction_that_it_judges(task):
    stream = stream_of(task, events=150)
    assert_prequential(lambda: mixture(task), stream, inline="horizon" not in task)


def test_a_planted_leak_is_noticed():
    def leaking():
        mix = Mixture(kind="number", networks=["a", "b"])
        mix._baselines = NumberBaselines(horizon=1, season=None)  # learns each label before predicting it
        return mix

    with pytest.raises(AssertionError):
        assert_prequential(leaking, random_stream(0, events=150), inline=True)


@every_task
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_any_cut_into_blocks_gives_the_same_bits(task, data):
    stream = stream_of(task, seed=data.draw(st.integers(0, 5)), events=120)
    cuts = data.draw(st.lists(st.integers(0, 120), max_size=12))
    whole, cut = mixture(task), mixture(task)
    assert bits(whole.score(*stream)) == bits(in_blocks(cut, stream, cuts))
    assert whole.state().keys() == cut.state().keys()
    assert bits(whole.state().values()) == bits(cut.state().values())
    assert whole.quality() == cut.quality()


@every_task
def test_a_reused_slot_remembers_nothing_of_the_key_before(task):
    stream = stream_of(task, slots=1, broken=False)
    after = np.flatnonzero(stream.fresh)[-1]
    other = stream.label.copy()
    other[after - 10 : after] = other[after - 10 : after][::-1]
    # the same labels in another order: the stream's running counts and sums agree, the key's memory does not
    one, two = mixture(task), mixture(task)
    one.score(*stream.cut(0, after))
    two.score(*stream.cut(0, after)._replace(label=other[:after]))
    for mix in (one, two):
        mix.score(*stream.cut(after, after + 1))
    rows = [k for k in one.state() if k.startswith(("baselines/", "mix/")) and "stream" not in k]
    usual = {"mix/weights", "mix/usual", "mix/pending", "mix/spread"}  # start from the stream's own weights
    for name in set(rows) - usual:
        np.testing.assert_array_equal(one.state()[name], two.state()[name], err_msg=name)


def test_a_fresh_key_starts_from_the_weights_that_the_stream_has_learned():
    stream = stream_of(TASKS["regression"], broken=False)
    mix = mixture(TASKS["regression"])
    mix.score(*stream)
    new = mix.score([9], [True], [-1], [np.nan], [[1.0, 2.0]])
    assert (
        dict(zip(mix.members, new.weights[0].tolist(), strict=True)) == mix.mean_weights() == mix.weights(9)
    )
    assert mix.mean_weights()["net0"] > 1 / 4  # the better network of the two


def test_growing_room_for_slots_changes_no_bit():
    stream = stream_of(TASKS["forecast"], slots=50, events=600)
    roomy, tight = mixture(TASKS["forecast"]), mixture(TASKS["forecast"])
    roomy.score(*stream)
    in_blocks(tight, stream, range(600))
    assert bits(roomy.state().values()) == bits(tight.state().values())
    assert len(roomy.state()["mix/weights"]) == 50


# --- state ------------------------------------------------------------------------------------------


@every_task
def test_restored_it_goes_on_bit_for_bit(task):
    stream = stream_of(task)
    lived = mixture(task)
    lived.score(*stream.cut(0, 250))
    restored = mixture(task)
    restored.load(lived.state())
    assert bits(lived.score(*stream.cut(250))) == bits(restored.score(*stream.cut(250)))
    assert bits(lived.state().values()) == bits(restored.state().values())


@every_task
def test_a_state_of_no_key_at_all_can_be_restored(task):
    restored = mixture(task)
    restored.load(mixture(task).state())
    stream = stream_of(task, events=50)
    assert bits(restored.score(*stream)) == bits(mixture(task).score(*stream))


def test_a_state_is_a_copy():
    mix = mixture(TASKS["forecast"])
    stream = stream_of(TASKS["forecast"])
    mix.score(*stream.cut(0, 200))
    state = mix.state()
    before = bits(state.values())
    mix.score(*stream.cut(200))
    assert bits(state.values()) == before


def test_a_state_that_does_not_fit_is_refused_by_the_arrays_name():
    mix = mixture(TASKS["forecast"])
    mix.score(*stream_of(TASKS["forecast"]))
    state = mix.state()
    for name in state:
        with pytest.raises(SnapshotError, match=name):
            mixture(TASKS["forecast"]).load({k: v for k, v in state.items() if k != name})
        with pytest.raises(SnapshotError, match=name):
            mixture(TASKS["forecast"]).load(state | {name: state[name].astype(np.float32)})
        with pytest.raises(SnapshotError, match=r"has dtype .* expected"):
            mixture(TASKS["forecast"]).load(state | {name: np.repeat(state[name], 2, axis=0)})
    with pytest.raises(SnapshotError, match="scores/surprise"):
        mixture(TASKS["forecast"]).load(state | {"scores/surprise": np.zeros(1)})
    with pytest.raises(SnapshotError, match="mix/"):
        mixture(TASKS["forecast"], networks=3).load(state)


def test_bytes_per_key_are_what_the_arrays_of_one_more_key_take():
    mix = mixture(TASKS["forecast-far"])
    sizes = []
    for slots in (1, 2):
        mix.reserve(slots)
        sizes.append(sum(array.nbytes for array in mix.state().values()))
    assert sizes[1] - sizes[0] == mix.bytes_per_key


def test_warming_up_touches_no_state():
    mix = mixture(TASKS["forecast"])
    before = bits(mix.state().values())
    mix.warm_up()
    assert bits(mix.state().values()) == before


# --- edges ------------------------------------------------------------------------------------------


def test_a_taken_name_is_refused():
    for name in ("mix", "last", "season"):
        with pytest.raises(ConfigError, match=f"the name {name} is taken"):
            Mixture(kind="number", networks=["a", name], season=3)
    with pytest.raises(ConfigError, match="twice"):
        Mixture(kind="number", networks=["twice", "twice"])


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="season: 3 is shorter than horizon: 4"):
        Mixture(kind="number", networks=["a"], horizon=4, season=3)
    with pytest.raises(ValueError, match="neither a horizon nor a season"):
        Mixture(kind="binary", networks=["a"], horizon=1)
    with pytest.raises(ValueError, match="must be a network"):
        Mixture(kind="number", networks=[], enabled=False)


def test_constant_labels_and_perfect_members_give_finite_weights():
    n = 50
    mix = Mixture(kind="number", networks=["perfect"], horizon=1, season=2)
    stream = Stream(
        np.zeros(n, np.int32),
        np.arange(n) == 0,
        np.where(np.arange(n) < 1, -1, 1).astype(np.int32),
        np.full(n, 7.0),
        np.full((n, 1), 7.0),
    )
    scored = mix.score(*stream)
    np.testing.assert_allclose(scored.published[1:], 7.0, rtol=1e-15)
    np.testing.assert_allclose(scored.weights.sum(axis=1), 1, rtol=1e-12)
    assert mix.quality()["mix"]["skill"] == 0.0
