"""Published quantiles: weighted like the mix, judged when their labels come."""

import numpy as np
import pytest

from streamrnn.arrays import Steps
from streamrnn.errors import SnapshotError
from streamrnn.mixing.quantiles import Quantiles

LEVELS = (0.1, 0.5, 0.9)


def inline(n: int) -> Steps:
    """One key whose events carry their labels."""
    slots, none = np.zeros(n, np.int32), np.full(n, -1, np.int32)
    return Steps(slots, np.arange(n) == 0, np.ones(n, np.bool_), np.zeros(n, np.int32), none, none)


def ahead(n: int, horizon: int) -> Steps:
    """One key whose labels come `horizon` events later."""
    slots, row = np.zeros(n, np.int32), (np.arange(n) % horizon).astype(np.int32)
    due = np.arange(n) >= horizon
    back = np.where(due, horizon, -1).astype(np.int32)
    return Steps(
        slots, np.arange(n) == 0, np.ones(n, np.bool_), back, row, np.where(due, row, -1).astype(np.int32)
    )


def stream(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(label, quantiles of two networks, their weights)"""
    random = np.random.default_rng(seed)
    weights = random.random((n, 2))
    return random.normal(size=n), np.sort(random.normal(size=(n, 2, 3)), axis=-1), weights


@pytest.mark.parametrize("horizon", [0, 1, 4])
def test_pinball_and_shares_are_those_of_the_published_quantiles(horizon: int) -> None:
    label, quantiles, weights = stream(400, 0)
    part = Quantiles(LEVELS)
    part.reserve(1, horizon)
    steps = ahead(400, horizon) if horizon else inline(400)
    published = part.answer(steps, label, quantiles, weights)
    expected = np.einsum("nm,nmq->nq", weights, quantiles) / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(published, expected, rtol=1e-12)
    error = label[horizon:, None] - expected[: 400 - horizon]
    pinball = np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1) * error).mean()
    quality = part.quality()
    assert quality["count"] == 400 - horizon
    assert quality["pinball"] == pytest.approx(pinball, rel=1e-12)
    for level, share in zip(LEVELS, (error <= 0).mean(axis=0), strict=True):
        assert quality[f"below_{level:g}"] == pytest.approx(share, abs=1e-12)


def test_a_network_whose_quantiles_are_no_numbers_does_not_count() -> None:
    label, quantiles, weights = stream(3, 1)
    quantiles[1, 0, 1] = np.inf
    part = Quantiles(LEVELS)
    part.reserve(1, 0)
    published = part.answer(inline(3), label, quantiles, weights)
    np.testing.assert_array_equal(published[1], quantiles[1, 1])


def test_networks_that_the_mix_has_given_up_share_alike() -> None:
    label, quantiles, weights = stream(3, 2)
    part = Quantiles(LEVELS)
    part.reserve(1, 0)
    published = part.answer(inline(3), label, quantiles, 0 * weights)
    np.testing.assert_allclose(published, quantiles.mean(axis=1), rtol=1e-12)


def test_cuts_and_a_restart_change_nothing() -> None:
    label, quantiles, weights = stream(200, 3)
    steps = ahead(200, 3)
    whole, part = Quantiles(LEVELS), Quantiles(LEVELS)
    whole.reserve(1, 3)
    expected = whole.answer(steps, label, quantiles, weights)
    found = []
    for begin, end in ((0, 1), (1, 70), (70, 71), (71, 200)):
        restored = Quantiles(LEVELS)
        restored.load(part.state())
        part = restored
        part.reserve(1, 3)
        cut = Steps(*(array[begin:end] for array in steps))
        found.append(part.answer(cut, label[begin:end], quantiles[begin:end], weights[begin:end]))
    np.testing.assert_array_equal(np.concatenate(found), expected)
    assert part.quality() == whole.quality()


def test_a_state_of_other_levels_is_refused() -> None:
    with pytest.raises(SnapshotError, match="values"):
        Quantiles((0.5,)).load(Quantiles(LEVELS).state())
