"""What the worker says about itself over HTTP: readiness, windows, mix weights."""

import http.client
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

EVERY_SECONDS = 0.5
ANSWER_SECONDS = 2.0


@dataclass(frozen=True)
class Status:
    """The worker's last answer."""

    pid: int | None = None
    """Of the worker that answered."""
    ready: bool = False
    reason: str = "starting"
    windows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By network: its window in each partition."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """By member: its share of the mix, mean over the partitions."""


class StatusPoller:
    """Asks twice a second, from a thread of its own. While nobody answers, `latest` keeps what was known."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        self.latest = Status()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_SECONDS):
            self.latest = ask(self._port, self.latest)


def ask(port: int, before: Status) -> Status:
    """One question to the worker. Loopback only, so that no proxy is ever asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/api/v1/status")
        return understood(json.loads(connection.getresponse().read()), before)
    except (OSError, http.client.HTTPException, ValueError):
        return replace(before, pid=None, ready=False, reason="does not answer")
    finally:
        connection.close()


def understood(status: Mapping[str, Any], before: Status) -> Status:
    """What the board needs of a worker's answer; what was known `before` while it restores."""
    now = replace(before, pid=status["pid"], ready=status["ready"], reason=status["reason"])
    partitions = sorted(status.get("partitions", ()), key=lambda partition: int(partition["partition"]))
    if not partitions or not all(partition["windows"] for partition in partitions):
        return now
    windows = {
        name: tuple(partition["windows"][name] for partition in partitions)
        for name in partitions[0]["windows"]
    }
    weights = {
        name: sum(partition["weights"][name] for partition in partitions) / len(partitions)
        for name in partitions[0]["weights"]
    }
    return replace(now, windows=windows, weights=weights)
