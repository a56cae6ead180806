"""The learning rate over labelled events."""

import numpy as np
import pytest

from streamrnn.core.schedule import Schedule


def test_rises_linearly_then_stays():
    rates = Schedule(rate=0.1, warmup=4).rates(0, 6)
    assert rates == pytest.approx([0, 0.025, 0.05, 0.075, 0.1, 0.1, 0.1], rel=1e-15)


def test_falls_with_the_inverse_square_root_down_to_its_floor():
    schedule = Schedule(rate=1.0, warmup=0, shape="inverse_sqrt", over=100, floor=0.25)
    assert schedule.rates(50, 0) == pytest.approx([1.0])
    assert schedule.rates(100, 0) == pytest.approx([1.0])
    assert schedule.rates(400, 0) == pytest.approx([0.5])
    assert schedule.rates(1600, 0) == pytest.approx([0.25])
    assert schedule.rates(10**9, 0) == pytest.approx([0.25])


@pytest.mark.torch
def test_after_warm_up_cosine_is_torchs_annealing():
    torch = pytest.importorskip("torch")
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=0.2)
    annealing = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=90, eta_min=0.2 * 0.1)
    theirs = []
    for _ in range(91):
        theirs.append(annealing.get_last_lr()[0])
        optimiser.step()
        annealing.step()
    ours = Schedule(rate=0.2, warmup=10, shape="cosine", over=100, floor=0.1).rates(10, 90)
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_cosine_rises_like_the_others_and_stays_at_its_floor():
    schedule = Schedule(rate=1.0, warmup=10, shape="cosine", over=50, floor=0.25)
    assert schedule.rates(0, 10) == pytest.approx(np.arange(11) / 10, rel=1e-15)
    assert schedule.rates(30, 0) == pytest.approx([0.625])
    assert schedule.rates(50, 0) == schedule.rates(10**9, 0) == [0.25]


@pytest.mark.parametrize(
    ("shape", "over", "words"),
    [
        ("constant", 5, "has no over"),
        ("cosine", None, "needs over"),
        ("inverse_sqrt", None, "needs over"),
        ("cosine", 100, "ends before its warm-up of 100"),
    ],
)
def test_what_makes_no_sense_is_refused(shape, over, words):
    with pytest.raises(ValueError, match=words):
        Schedule(shape=shape, over=over)


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(),
        Schedule(warmup=0),
        Schedule(warmup=7, shape="inverse_sqrt", over=20),
        Schedule(shape="inverse_sqrt", over=3, floor=0.0),
        Schedule(shape="cosine", over=300),
        Schedule(warmup=0, shape="cosine", over=1, floor=0.0),
    ],
)
def test_the_rate_of_an_event_does_not_depend_on_the_block_it_comes_in(schedule):
    whole = schedule.rates(0, 500)
    for done, coming in [(0, 1), (5, 0), (6, 3), (99, 2), (100, 400), (499, 1)]:
        assert np.array_equal(schedule.rates(done, coming), whole[done : done + coming + 1])
