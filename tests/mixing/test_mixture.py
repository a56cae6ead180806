import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.errors import ConfigError, SnapshotError
from streamrnn.mixing import Mixture
from tests.mixing.naive import NaiveMixture
from tests.mixing.streams import in_blocks, one_key, random_stream, steps_of

TASKS = {
    "regression": {"kind": "number"},
    "regression-season": {"kind": "number", "season": 5},
    "regression-by-id": {"kind": "number", "season": 5},
    "forecast": {"kind": "number", "horizon": 1, "season": 3},
    "forecast-far": {"kind": "number", "horizon": 4, "season": 7},
    "forecast-season-is-horizon": {"kind": "number", "horizon": 3, "season": 3},
    "two-classes": {"kind": "classes", "classes": 2},
    "classes": {"kind": "classes", "classes": 5},
    "tokens": {"kind": "tokens", "classes": 5, "horizon": 1},
    "classes-by-id": {"kind": "classes", "classes": 5},
}
every_task = pytest.mark.parametrize("name", TASKS)


def mixture(name, networks=2, **more):
    mix = Mixture(**TASKS[name], networks=[f"net{j}" for j in range(networks)], **more)
    mix.reserve(4, 16)
    return mix


def stream_of(name, seed=0, **more):
    task = TASKS[name]
    late = name.endswith("by-id")
    return random_stream(
        seed, horizon=task.get("horizon", 0), classes=task.get("classes", 0), late=late, **more
    )


def bits(arrays):
    return [(a.dtype, a.shape, np.ascontiguousarray(a).tobytes()) for a in arrays]


# --- values -----------------------------------------------------------------------------------------


@every_task
@pytest.mark.parametrize("networks", [0, 1, 3])
def test_equals_its_plain_twin_to_1e_9(name, networks):
    stream = stream_of(name, seed=networks, networks=networks, events=300)
    scored = mixture(name, networks).score(*stream)
    answers, judged, losses, weights = NaiveMixture(**TASKS[name], networks=networks).score(stream)
    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(scored.published, answers[:, 0], **close)
    np.testing.assert_allclose(scored.members, answers[:, 1:], **close)
    np.testing.assert_allclose(scored.judged_published, judged[:, 0], **close)
    np.testing.assert_array_equal(scored.judged, ~np.isnan(losses[:, 0]))
    np.testing.assert_allclose(scored.losses, losses, **close)
    np.testing.assert_allclose(scored.weights, weights, **close)


@every_task
def test_without_a_mix_the_first_network_is_published_and_everyone_is_scored(name):
    stream = stream_of(name, broken=False)
    mix = mixture(name, enabled=False)
    scored = mix.score(*stream)
    np.testing.assert_array_equal(scored.published, scored.members[:, 0])
    moves = stream.steps.moves
    np.testing.assert_array_equal(scored.published[moves], stream.answers[moves, 0])
    np.testing.assert_array_equal(scored.losses[:, 0], scored.losses[:, 1])
    quality = mix.quality()
    assert quality["mix"] == quality["net0"]
    assert quality["net1"] != quality["net0"]
    assert mix.mean_weights()["net0"] == 1.0


@every_task
def test_the_label_judges_the_answer_of_its_own_step(name):
    stream = stream_of(name)
    scored = mixture(name).score(*stream)
    made, waiting = {}, {}
    for i, (slot, fresh, moves, back, keep, judge) in enumerate(zip(*stream.steps, strict=True)):
        past = waiting.get(judge)
        if fresh:
            made[slot] = []
        if moves:
            made[slot].append(scored.published[i])
            waiting[keep] = scored.published[i]
        else:
            assert np.isnan(scored.published[i]).all()
        known = (back >= 0 or judge >= 0) and not np.isnan(stream.label[i])
        assert scored.judged[i] == known
        if not known:
            past = np.full(scored.published.shape[1:], np.nan)
        elif back >= 0:
            past = made[slot][-1 - back]
        np.testing.assert_array_equal(scored.judged_published[i], past)


@every_task
def test_an_answer_that_is_not_usable_never_enters_and_is_counted(name):
    stream = stream_of(name)
    mix = mixture(name)
    scored = mix.score(*stream)
    broken = ~np.isfinite(stream.answers).reshape(len(stream.label), 2, -1).all(axis=2)
    moves = stream.steps.moves
    for j in range(2):
        at = broken[:, j] & moves
        spare = 1 / TASKS[name]["classes"] if "classes" in TASKS[name] else scored.members[at, 2]
        np.testing.assert_array_equal(
            scored.members[at, j], np.broadcast_to(spare, scored.members[at, j].shape)
        )
        np.testing.assert_array_equal(scored.members[moves & ~at, j], stream.answers[moves & ~at, j])
        assert mix.replaced()[f"net{j}"] == at.sum() > 0
    for array_name, array in mix.state().items():
        assert np.isfinite(array).all(), array_name


def test_a_number_too_large_to_square_is_not_usable():
    mix = Mixture(kind="number", networks=["a"])
    mix.reserve(1, 0)
    assert mix.score(one_key([1.0]), [1.0], [[1e101]]).members[0, 0] == 0.0
    assert mix.replaced() == {"a": 1}


def test_probabilities_that_are_none_or_do_not_sum_to_1_are_not_usable():
    bad = [[0.5, 0.5, 1.1e-6], [1.1, -0.1, 0.0], [0.4, 0.3, 0.2], [np.inf, 0.0, 0.0]]
    good = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.9e-6]]
    mix = Mixture(kind="classes", classes=3, networks=["a"])
    mix.reserve(1, 0)
    scored = mix.score(one_key(np.zeros(6)), np.zeros(6), np.array([*bad, *good])[:, None])
    assert scored.members[:4, 0].tolist() == [[1 / 3] * 3] * 4
    assert scored.members[4:, 0].tolist() == good
    assert mix.replaced() == {"a": 4}


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_published_probabilities_are_a_distribution(data):
    ends = st.sampled_from([0.0, 1.0, 1 - 2**-53, 5e-324]) | st.floats(0, 1)
    rows = data.draw(st.lists(st.tuples(ends, ends, st.sampled_from([0.0, 1.0])), min_size=1, max_size=20))
    one, two, label = np.array(rows).T
    answers = np.stack([np.stack([1 - p, p], axis=1) for p in (one, two)], axis=1)
    mix = Mixture(kind="classes", classes=2, networks=["a", "b"])
    mix.reserve(1, 0)
    scored = mix.score(one_key(label), label, answers)
    assert ((scored.published >= 0) & (scored.published <= 1)).all()
    np.testing.assert_allclose(scored.published.sum(axis=1), 1, rtol=1e-12)
    assert np.isfinite(scored.losses).all()


# --- order ------------------------------------------------------------------------------------------


def assert_prequential(make, stream, inline):
    """Changing the labels from any event on changes no earlier prediction; nor its own, if inline."""
    honest = make().score(*stream).published
    for i in range(0, len(stream.label), 7):
        other = stream.label.copy()
        other[i:] = np.where(np.isnan(other[i:]), other[i:], 1.0 - (other[i:] > 0))
        changed = make().score(*stream._replace(label=other)).published
        reach = i + 1 if inline else i
        np.testing.assert_array_equal(honest[:reach], changed[:reach])
        assert not np.array_equal(honest, changed, equal_nan=True) or i > len(stream.label) - 20


@every_task
def test_no_label_is_used_before_the_prediction_that_it_judges(name):
    inline = name in ("regression", "regression-season", "two-classes", "classes")
    assert_prequential(lambda: mixture(name), stream_of(name, events=150), inline)


def test_a_planted_leak_is_noticed():
    def leaking():
        mix = mixture("regression")
        mix._baselines._horizon = 1  # learns each label before predicting it
        return mix

    with pytest.raises(AssertionError):
        assert_prequential(leaking, stream_of("regression", events=150), inline=True)


@every_task
def test_a_label_that_judges_nothing_teaches_nothing_unless_it_is_a_forecasts(name):
    """What a block carries as label of an event whose own label comes later is nobody's business."""
    stream = stream_of(name, broken=False)
    steps, moves = stream.steps, np.arange(len(stream.label)) % 2 == 1
    silent = steps._replace(
        back=np.where(moves, np.int32(-1), steps.back), judge=np.where(moves, np.int32(-1), steps.judge)
    )
    one, two = mixture(name), mixture(name)
    one.score(silent, stream.label, stream.answers)
    two.score(silent, np.where(moves, 1.0, stream.label), stream.answers)
    same = bits(one.state().values()) == bits(two.state().values())
    assert same == ("horizon" not in TASKS[name])


@every_task
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_any_cut_into_blocks_gives_the_same_bits(name, data):
    stream = stream_of(name, seed=data.draw(st.integers(0, 5)), events=120)
    cuts = data.draw(st.lists(st.integers(0, 120), max_size=12))
    whole, cut = mixture(name), mixture(name)
    assert bits(whole.score(*stream)) == bits(in_blocks(cut, stream, cuts))
    assert whole.state().keys() == cut.state().keys()
    assert bits(whole.state().values()) == bits(cut.state().values())
    assert whole.quality() == cut.quality()


@every_task
def test_a_reused_slot_remembers_nothing_of_the_key_before(name):
    stream = stream_of(name, slots=1, broken=False)
    after = np.flatnonzero(stream.steps.fresh)[-1]
    judging = (stream.steps.back >= 0) | (stream.steps.judge >= 0) | ("horizon" in TASKS[name])
    last = np.flatnonzero(judging[:after])[-10:]
    other = stream.label.copy()
    other[last] = other[last][::-1]
    # the same labels in another order: the stream's running counts and sums agree, the key's memory does not
    one, two = mixture(name), mixture(name)
    one.score(*stream.cut(0, after))
    two.score(*stream._replace(label=other).cut(0, after))
    for mix in (one, two):
        mix.score(*stream.cut(after, after + 1))
    rows = {k for k in one.state() if "/stream/" not in k and "/waiting/" not in k}
    usual = {
        "mix/weights",
        "mix/usual",
        "mix/spread",
        "correction/spread",
    }  # start from the stream's own weights
    for array in rows - usual:
        np.testing.assert_array_equal(one.state()[array], two.state()[array], err_msg=array)


def test_a_fresh_key_starts_from_the_weights_that_the_stream_has_learned():
    mix = mixture("regression")
    mix.score(*stream_of("regression", broken=False))
    mix.reserve(10, 0)
    new = mix.score(steps_of([9], [True], [np.nan]), [np.nan], [[1.0, 2.0]])
    assert dict(zip(mix.members, new.weights[0].tolist(), strict=True)) == mix.mean_weights()
    assert mix.mean_weights()["net0"] > 1 / 4  # the better network of the two


@pytest.mark.parametrize("name", ["forecast-far", "classes-by-id"])
def test_growing_room_changes_no_bit_and_shows_in_no_state(name):
    stream = stream_of(name, slots=50, events=600)
    roomy, tight = mixture(name), mixture(name)
    roomy.reserve(stream.slots, stream.rows)
    roomy.score(*stream)
    for i in range(600):
        tight.reserve(stream.cut(0, i + 1).slots, stream.cut(0, i + 1).rows)
        tight.score(*stream.cut(i, i + 1))
    assert bits(roomy.state().values()) == bits(tight.state().values())
    assert len(roomy.state()["mix/weights"]) == stream.slots == 50
    assert len(roomy.state()["mix/waiting/answers"]) == max(stream.rows, 16)


# --- state ------------------------------------------------------------------------------------------


@every_task
def test_restored_it_goes_on_bit_for_bit(name):
    stream = stream_of(name)
    lived = mixture(name)
    lived.score(*stream.cut(0, 250))
    restored = mixture(name)
    restored.load(lived.state())
    assert bits(lived.score(*stream.cut(250))) == bits(restored.score(*stream.cut(250)))
    assert bits(lived.state().values()) == bits(restored.state().values())


@every_task
def test_a_state_of_no_key_at_all_can_be_restored(name):
    restored = Mixture(**TASKS[name], networks=["net0", "net1"])
    restored.load(Mixture(**TASKS[name], networks=["net0", "net1"]).state())
    restored.reserve(4, 16)
    stream = stream_of(name, events=50)
    assert bits(restored.score(*stream)) == bits(mixture(name).score(*stream))


@every_task
def test_a_state_is_a_copy(name):
    mix = mixture(name)
    stream = stream_of(name)
    mix.score(*stream.cut(0, 200))
    state = mix.state()
    before = bits(state.values())
    mix.score(*stream.cut(200))
    assert bits(state.values()) == before


@pytest.mark.parametrize("name", ["forecast", "classes-by-id"])
def test_a_state_that_does_not_fit_is_refused_by_the_arrays_name(name):
    mix = mixture(name)
    mix.score(*stream_of(name))
    state = mix.state()
    for array in state:
        with pytest.raises(SnapshotError, match=array):
            mixture(name).load({k: v for k, v in state.items() if k != array})
        with pytest.raises(SnapshotError, match=array):
            mixture(name).load(state | {array: state[array].astype(np.float32)})
        if array != "mix/waiting/answers":  # the one that says how many answers wait
            with pytest.raises(SnapshotError, match=r"has dtype .* expected"):
                mixture(name).load(state | {array: np.repeat(state[array], 2, axis=0)})
    with pytest.raises(SnapshotError, match="scores/surprise"):
        mixture(name).load(state | {"scores/surprise": np.zeros(1)})
    with pytest.raises(SnapshotError, match="mix/"):
        mixture(name, networks=3).load(state)


@pytest.mark.parametrize("name", ["forecast-far", "classes-by-id"])
def test_bytes_per_key_and_per_row_are_what_the_arrays_of_one_more_take(name):
    def size(slots, rows):
        mix = Mixture(**TASKS[name], networks=["a"])
        mix.reserve(slots, rows)
        return sum(array.nbytes for array in mix.state().values())

    mix = Mixture(**TASKS[name], networks=["a"])
    assert size(2, 3) - size(1, 3) == mix.bytes_per_key
    assert size(1, 4) - size(1, 3) == mix.bytes_per_row


@every_task
def test_warming_up_touches_no_state(name):
    mix = mixture(name)
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
        Mixture(kind="classes", classes=2, networks=["a"], horizon=1)
    with pytest.raises(ValueError, match="does not go with classes: 0"):
        Mixture(kind="classes", networks=["a"])
    with pytest.raises(ValueError, match="tokens have a horizon of 1"):
        Mixture(kind="tokens", classes=2, networks=["a"])
    with pytest.raises(ValueError, match="must be a network"):
        Mixture(kind="number", networks=[], enabled=False)


def test_constant_labels_and_perfect_members_give_finite_weights():
    n = 50
    mix = Mixture(kind="number", networks=["perfect"], horizon=1, season=2)
    mix.reserve(1, 1)
    scored = mix.score(one_key(np.full(n, 7.0), 1), np.full(n, 7.0), np.full((n, 1), 7.0))
    np.testing.assert_allclose(scored.published[1:], 7.0, rtol=1e-15)
    np.testing.assert_allclose(scored.weights.sum(axis=1), 1, rtol=1e-12)
    assert mix.quality()["mix"]["skill"] == 0.0


def test_the_confusion_of_each_column_adds_up_to_its_accuracy():
    mix = mixture("classes")
    mix.score(*stream_of("classes"))
    assert list(mix.confusion()) == ["mix", *mix.members]
    for name, matrix in mix.confusion().items():
        quality = mix.quality()[name]
        assert matrix.sum() == quality["count"]
        assert np.trace(matrix) / matrix.sum() == quality["accuracy"]
    assert mixture("regression").confusion() == {}
    assert mixture("tokens").confusion() == {}
    assert Mixture(kind="classes", classes=65, networks=[]).confusion() == {}


def test_without_baselines_the_networks_alone_are_mixed_and_all_are_scored() -> None:
    """The published number lies between the networks', however good a rule is."""
    random = np.random.default_rng(0)
    label = np.arange(300.0)  # `last` is off by 1, the networks by 10 and 20
    steps = one_key(label)
    mixture = Mixture(kind="number", networks=["a", "b"], baselines=False)
    mixture.reserve(1, 0)
    networks = label[:, None] + np.array([10.0, 20.0]) + random.normal(size=(300, 2))
    scored = mixture.score(steps, label, networks)
    assert (scored.weights[:, 2:] == 0).all()
    np.testing.assert_allclose(scored.weights[:, :2].sum(axis=1), 1.0, rtol=1e-12)
    assert mixture.quality()["last"]["mae"] < 1.01
    assert scored.weights[-1, 0] > 0.9
