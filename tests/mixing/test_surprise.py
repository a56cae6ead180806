from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn.arrays import Steps
from streamrnn.errors import SnapshotError
from streamrnn.mixing import surprise
from streamrnn.mixing.surprise import Surprise
from tests.mixing.streams import random_stream

KINDS = {"number": ("number", 1), "fields": ("number", 2), "classes": ("classes", 1)}
every_kind = pytest.mark.parametrize("kind", KINDS)


def made(kind="number", slots=4):
    part = Surprise(*KINDS[kind])
    part.reserve(slots, 0)
    return part


def steps_of(slots, fresh):
    n = len(slots)
    none = np.full(n, -1, np.int32)
    return Steps(
        np.asarray(slots, np.int32), np.asarray(fresh, np.bool_), np.ones(n, np.bool_), none, none, none
    )


def one_key(n):
    return steps_of(np.zeros(n), np.arange(n) == 0)


def arguments(kind, seed=0, events=400):
    """Steps of several keys, some slots taken over, and losses, some of them unknown."""
    steps = random_stream(seed, events=events).steps
    losses = np.random.default_rng(seed).exponential(size=(events, KINDS[kind][1]))
    losses *= 10.0 ** steps.slots[:, np.newaxis]
    losses[np.random.default_rng(seed + 1).random(losses.shape) < 0.1] = np.nan
    return steps, losses


def cut(given, start, stop=None):
    steps, losses = given
    return Steps(*(column[start:stop] for column in steps)), losses[start:stop]


def bits(arrays):
    return [(a.dtype, a.shape, np.ascontiguousarray(a).tobytes()) for a in arrays]


def score(losses, kind="number"):
    return made(kind).score(one_key(len(losses)), losses)


# --- values -----------------------------------------------------------------------------------------


EDGES = np.concatenate([2.0 ** (e + 0.0) * (1 + np.arange(16) / 16) for e in range(-16, 16)])
"""Where bins begin; the first reaches down to 0."""


class Naive:
    """The scores once more: whole histories in lists, one event at a time, plain histograms."""

    def __init__(self, squared):
        self.squared, self.keys, self.past = squared, {}, []

    def rank(self, span, x):
        at = max(np.searchsorted(EDGES, x, side="right") - 1, 0)
        weights = surprise.GROWTH ** -np.arange(len(self.past), 0.0, -1)
        bins = np.array([row[span][0] for row in self.past], int)
        end = EDGES[at + 1] if at + 1 < len(EDGES) else 2.0**16
        part = np.clip((x - EDGES[at]) / (end - EDGES[at]), 0, 1)
        below = weights[bins < at].sum() + part * weights[bins == at].sum()
        return at, (below + 0.5) / (weights.sum() + 1)

    def ratio(self, past, loss):
        past.append(loss**2 if self.squared else loss)
        return past[-1] / np.mean(past)  # few enough events that the mean does not fade yet

    def event(self, slot, fresh, losses):
        if fresh:
            self.keys[slot] = [[] for _ in losses], [1.0, 1.0]
        pasts, recent = self.keys[slot]
        ratios = [self.ratio(p, loss) for p, loss in zip(pasts, losses, strict=True) if not np.isnan(loss)]
        if not ratios:
            return np.nan
        loss = np.mean(ratios)
        for s, span in enumerate((10, 100)):
            fade = 0.5 ** (1 / span)
            recent[s] = fade * recent[s] + (1 - fade) * loss
        ranks = [self.rank(s, x) for s, x in enumerate([loss, *recent])]
        ranks.append(self.rank(3, 1 / (1 - max(rank for _, rank in ranks))))
        self.past.append(ranks)
        return ranks[-1][1]


@every_kind
def test_equal_to_their_plain_twin_to_1e_9(kind):
    steps, losses = arguments(kind)
    naive = Naive(kind != "classes")
    twins = [naive.event(*row) for row in zip(steps.slots, steps.fresh, losses, strict=True)]
    np.testing.assert_allclose(made(kind).score(steps, losses), twins, rtol=1e-9)


@pytest.mark.parametrize("kind", ["number", "classes"])
@pytest.mark.parametrize("draw", ["standard_normal", "standard_exponential", "standard_cauchy"])
def test_scores_of_a_stream_that_goes_on_as_it_did_are_uniform(kind, draw):
    """Greatest distance of the distribution functions. Scores of neighbours are alike, the fading means being
    so: such a sample is a few hundred independent ones, and those of truly uniform numbers lie as far off."""
    losses = np.abs(getattr(np.random.default_rng(0), draw)(30_000))
    scores = np.sort(score(losses, kind)[1000:])
    distance = np.abs(scores - np.arange(1, len(scores) + 1) / len(scores)).max()
    assert distance < (0.06 if draw == "standard_cauchy" else 0.03)
    for rare in (0.01, 0.001):
        assert 0.5 * rare < np.mean(scores > 1 - rare) < 2 * rare


def test_scores_are_uniform_for_each_key_whatever_its_scale():
    rng = np.random.default_rng(1)
    slots = np.arange(20_000) % 2
    scores = made().score(
        steps_of(slots, np.arange(20_000) < 2), np.abs(rng.normal(size=20_000)) * np.array([1e-6, 1e6])[slots]
    )
    for key in range(2):
        assert np.mean(scores[slots == key] > 0.9) == pytest.approx(0.1, abs=0.03)


def test_the_unit_of_an_error_does_not_matter():
    losses = np.abs(np.random.default_rng(2).normal(size=500))
    np.testing.assert_array_equal(score(losses), score(2.0**40 * losses))


def test_a_single_blow_is_noticed_at_once():
    losses = np.abs(np.random.default_rng(3).normal(size=5000))
    losses[4000] = 8.0
    assert score(losses)[4000] > 0.999


def test_being_a_little_off_for_long_is_noticed():
    """Errors half as large again: no single one of them is odd."""
    losses = np.abs(np.random.default_rng(4).normal(size=6000))
    losses[5000:5200] *= 1.5
    scores = score(losses)
    assert scores[5100:5200].mean() > 0.97
    assert scores[4800:5000].mean() < 0.7


def test_surprise_passes_when_what_is_new_has_become_usual():
    losses = np.abs(np.random.default_rng(5).normal(size=60_000))
    losses[10_000:] *= 5
    scores = score(losses)
    assert scores[10_000:10_100].mean() > 0.99
    assert scores[50_000:].mean() < 0.6


def test_the_first_event_of_all_is_as_surprising_as_not():
    assert score([3.0])[0] == 0.5


def test_only_losses_that_are_known_are_scored_and_learned():
    losses = np.abs(np.random.default_rng(6).normal(size=300))
    gaps = np.full(600, np.nan)
    gaps[::2] = losses
    scores = score(gaps)
    assert np.isnan(scores[1::2]).all()
    np.testing.assert_array_equal(scores[::2], score(losses))


def test_a_field_that_is_unknown_leaves_the_score_to_the_others():
    losses = np.abs(np.random.default_rng(7).normal(size=300))
    both = np.stack([losses, np.full(300, np.nan)], axis=1)
    np.testing.assert_array_equal(score(both, "fields"), score(losses))


def test_exact_predictions_are_no_surprise_and_the_first_error_after_them_is():
    losses = np.zeros(2000)
    losses[1500] = 1e-9
    scores = score(losses)
    assert scores[1500] > 0.999
    assert scores[:1500].max() < 0.6


def test_losses_as_large_or_small_as_numbers_go_give_scores_and_a_sound_state():
    part = made()
    scores = part.score(one_key(400), np.resize([0.0, 5e-324, 1e308, 1.0], 400))
    assert ((scores >= 0) & (scores <= 1)).all()
    assert all(np.isfinite(array).all() for array in part.state().values())


def test_weights_are_scaled_back_before_they_overflow_and_nothing_changes_by_it():
    losses = np.abs(np.random.default_rng(8).normal(size=3000))
    light, heavy = made(), made()
    for part in (light, heavy):
        part.score(one_key(2000), losses[:2000])
    state = heavy.state()
    for array in ("stream/bins", "stream/trees", "stream/weight"):
        state[array] *= 2.0**63.9
    heavy.load(state)
    later = one_key(1000)._replace(fresh=np.zeros(1000, np.bool_))
    np.testing.assert_allclose(
        light.score(later, losses[2000:]), heavy.score(later, losses[2000:]), rtol=1e-12
    )
    assert heavy.state()["stream/weight"][0] < surprise.HEAVY / 2


# --- state ------------------------------------------------------------------------------------------


@every_kind
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_any_cut_into_blocks_gives_the_same_bits(kind, data):
    given = arguments(kind, seed=data.draw(st.integers(0, 5)), events=120)
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, 120), max_size=12))), 120]
    whole, parts = made(kind), made(kind)
    blocks = [parts.score(*cut(given, a, b)) for a, b in pairwise(cuts)]
    assert bits([whole.score(*given)]) == bits([np.concatenate(blocks)])
    assert bits(whole.state().values()) == bits(parts.state().values())


@every_kind
def test_restored_it_goes_on_bit_for_bit(kind):
    given = arguments(kind)
    lived, restored = made(kind), Surprise(*KINDS[kind])
    lived.score(*cut(given, 0, 200))
    restored.load(lived.state())
    assert bits([lived.score(*cut(given, 200))]) == bits([restored.score(*cut(given, 200))])
    assert bits(lived.state().values()) == bits(restored.state().values())


def test_a_reused_slot_remembers_nothing_of_the_key_before():
    part = made(slots=1)
    part.score(one_key(300), np.abs(np.random.default_rng(9).normal(size=300)))
    part.score(one_key(1), [2.0])
    state = part.state()
    assert (state["events"][0], state["typical"][0], state["recent"][0].tolist()) == (1, 4.0, [1.0, 1.0])


def test_a_state_that_does_not_fit_is_refused_by_the_arrays_name():
    part = made()
    part.score(*arguments("number"))
    state = part.state()
    for array in state:
        with pytest.raises(SnapshotError, match=array):
            made().load({name: kept for name, kept in state.items() if name != array})
        with pytest.raises(SnapshotError, match=array):
            made().load(state | {array: state[array].astype(np.float32)})
    with pytest.raises(SnapshotError, match="events"):
        made().load(state | {"events": np.int64(1)})
    with pytest.raises(SnapshotError, match="events"):
        made("fields").load(state)


def test_a_state_is_a_copy_and_warming_up_touches_none():
    part = made()
    part.score(*arguments("number"))
    state = part.state()
    before = bits(state.values())
    part.warm_up()
    assert bits(part.state().values()) == before
    part.score(*arguments("number", seed=1))
    assert bits(state.values()) == before


@every_kind
def test_bytes_per_key_are_what_the_arrays_of_one_more_take(kind):
    sizes = [sum(array.nbytes for array in made(kind, slots).state().values()) for slots in (1, 2)]
    assert sizes[1] - sizes[0] == made(kind).bytes_per_key == 16 + 16 * KINDS[kind][1]
    assert made(kind).bytes_per_row == 0
