"""Calls that may block, cut into slices."""

import threading
from collections.abc import Callable
from typing import TypeVar

from streamrnn.kafka_client.types import Tick

SLICE_SECONDS = 0.5
TRANSACTION_SECONDS = 60.0
"""How long a transaction may stay open before the broker aborts it; no call on it is worth a longer wait."""

Result = TypeVar("Result")


def ticking(call: Callable[[], Result], tick: Tick) -> Result:
    """The result of a call that may block, run in a thread of its own while this one ticks."""
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, name="kafka-call", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(SLICE_SECONDS)
        tick()
    if failure:
        raise failure[0]
    return outcome[0]
