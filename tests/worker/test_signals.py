"""The first signal asks the loop to finish, the second ends the process at once."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from streamrnn.worker.signals import Stopping, obeyed

SCRIPT = """
import sys, time
from streamrnn.worker.signals import Stopping, obeyed
stopping = Stopping()
with obeyed(stopping):
    print("ready", flush=True)
    while not stopping.asked:
        time.sleep(0.01)
    print("asked", flush=True)
    if "hang" in sys.argv:
        time.sleep(60)
print("left", flush=True)
"""


def _started(*arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_lets_it_finish(number: signal.Signals) -> None:
    process = _started()
    process.send_signal(number)
    out, said = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "asked\nleft\n")
    assert number.name in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_whatever_hangs(number: signal.Signals) -> None:
    process = _started("hang")
    process.send_signal(number)
    assert process.stdout is not None and process.stdout.readline() == "asked\n"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def work() -> None:
        with obeyed(Stopping()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_wait_ends_as_soon_as_it_is_asked() -> None:
    stopping = Stopping()
    threading.Timer(0.05, stopping.ask).start()
    start = time.monotonic()
    stopping.wait(30.0)
    assert time.monotonic() - start < 10.0
