"""Liveness: ended only when stuck although the broker answers, with an exit code of its own."""

import subprocess
import sys
import time

import pytest

from streamrnn.errors import StuckError
from streamrnn.worker.watchdog import Pulse, Watchdog

LOOK = 0.02


def _ended(pulse: Pulse, seconds: float, *, answers: bool, beating: bool = False) -> list[str]:
    """What the watchdog said within that time."""
    ends: list[str] = []
    with Watchdog(pulse, lambda _: answers, still=0.1, call=0.2, look=LOOK, end=ends.append):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not ends:
            if beating:
                pulse.beat()
            time.sleep(LOOK / 4)
    return ends


def test_a_loop_that_beats_is_left_alone() -> None:
    assert _ended(Pulse(), 0.6, answers=True, beating=True) == []


def test_a_call_that_falls_silent_is_ended_by_name() -> None:
    pulse = Pulse()
    with pulse.calling("poll"):
        assert "poll did not come back" in _ended(pulse, 5.0, answers=True)[0]


def test_work_between_calls_takes_as_long_as_it_takes() -> None:
    assert _ended(Pulse(), 0.6, answers=True) == []


def test_many_short_calls_are_not_one_long_one() -> None:
    pulse = Pulse()
    ends: list[str] = []
    with Watchdog(pulse, lambda _: True, still=0.1, call=0.2, look=LOOK, end=ends.append):
        for _ in range(60):
            with pulse.calling("poll"):
                time.sleep(LOOK / 2)
    assert ends == []


def test_a_client_call_that_beats_but_never_returns_is_ended_by_name() -> None:
    pulse = Pulse()
    with pulse.calling("publish"):
        assert "publish did not come back" in _ended(pulse, 5.0, answers=True, beating=True)[0]


@pytest.mark.parametrize("beating", [True, False])
def test_while_the_broker_is_away_nothing_is_ended(beating: bool) -> None:
    pulse = Pulse()
    with pulse.calling("publish"):
        assert _ended(pulse, 0.6, answers=False, beating=beating) == []


def test_a_process_that_was_stopped_is_not_ended_for_it() -> None:
    """By the clock the call is an hour silent; by the watchdog's own looks, one or two."""
    now = [0.0]
    pulse = Pulse(clock=lambda: now[0])
    ends: list[str] = []
    with (
        Watchdog(pulse, lambda _: True, still=20 * LOOK, call=20 * LOOK, look=LOOK, end=ends.append),
        pulse.calling("poll"),
    ):
        now[0] = 3600.0
        time.sleep(2 * LOOK)
    assert ends == []


def test_the_process_ends_with_the_code_of_stuck_and_shows_where_it_hangs() -> None:
    script = """
import time
from streamrnn.worker.watchdog import Pulse, Watchdog
def hang():
    time.sleep(60)
pulse = Pulse()
with Watchdog(pulse, lambda seconds: True, still=0.1, look=0.05), pulse.calling("poll"):
    hang()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == StuckError.exit_code == 6
    assert "in hang" in done.stderr
