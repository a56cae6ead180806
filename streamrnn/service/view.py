"""What others may see of the service, from any thread: alive, ready, and how things stand."""

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from streamrnn.service.model import Figures, Models
from streamrnn.worker.watchdog import Pulse

if TYPE_CHECKING:
    from streamrnn.service.life import Life
    from streamrnn.service.loop import Loop
    from streamrnn.service.meter import Meter

STILL_SECONDS = 60.0
"""Silence within a client call after which the loop is not called alive any more."""
WORK_SECONDS = 600.0
"""The same for its own work between calls, such as reading a large snapshot."""
EVERY_SECONDS = 1.0


class Health(NamedTuple):
    well: bool
    reason: str
    """Why, or why not, in one line."""


class View:
    """The loop renews it about once a second, as a whole; readers never wait for the loop."""

    def __init__(self, pulse: Pulse, models: Models, meter: "Meter", facts: dict[str, Any]) -> None:
        """`facts` about this worker stand in every status: slot, group, delivery, versions, …"""
        self._pulse = pulse
        self._models = models
        self._meter = meter
        self._facts = facts
        self._started = time.time()
        self._next = 0.0
        self._ready = Health(False, "starting")
        self._status: dict[str, Any] = {}

    # --- any thread -----------------------------------------------------------------------------------

    def live(self) -> Health:
        age, call = self._pulse.age, self._pulse.call
        if age > (STILL_SECONDS if call else WORK_SECONDS):
            return Health(False, f"the loop has not moved for {age:.0f} s, in {call[0] if call else 'work'}")
        return Health(True, "the loop comes round")

    def ready(self) -> Health:
        return self._ready

    def status(self) -> dict[str, Any]:
        live = self.live()
        return {
            **self._facts,
            "live": live.well,
            "ready": self._ready.well,
            "reason": self._ready.reason if live.well else live.reason,
            "pid": os.getpid(),
            "uptime_seconds": time.time() - self._started,
            **self._status,
        }

    # --- the loop's thread ----------------------------------------------------------------------------

    def renew(self, loop: "Loop") -> None:
        """Called once a turn; does its work once a second, and at once when readiness changes."""
        now = time.monotonic()
        ready = _readiness(loop)
        if now < self._next and ready.well == self._ready.well:
            return
        self._next, self._ready = now + EVERY_SECONDS, ready
        lives = list(loop.partitions)
        self._meter.turned(ready.well, lives)
        self._status = {"learned_records": loop.learned, "partitions": [self._stands(life) for life in lives]}

    def _stands(self, life: "Life") -> dict[str, Any]:
        figures = self._models.describe(life.learner) if life.stage == "live" else None
        self._meter.stands(life, figures)
        return {**_where(life), **_how(figures or Figures())}


def _readiness(loop: "Loop") -> Health:
    if loop.delivery.trouble:
        return Health(False, loop.delivery.trouble)
    lives = list(loop.partitions)
    if not lives:
        return Health(False, "no partition is assigned to this worker")
    for life in lives:
        if life.stage != "live":
            return Health(False, f"{life.partition} is {life.stage}: {life.reason}")
        if life.away:
            return Health(False, f"{life.partition}: {life.away}")
    return Health(True, f"{len(lives)} partitions are live")


def _where(life: "Life") -> dict[str, Any]:
    return {
        "topic": life.partition.topic,
        "partition": life.partition.number,
        "stage": life.stage,
        "reason": life.reason,
        "lineage": life.lineage,
        "position": life.position,
        "committed": life.committed.offset if life.committed else None,
        "goal": life.goal.offset if life.goal else None,
        "lag": life.lag,
        "log": life.bounds._asdict() if life.bounds else None,
        "snapshot": {"offset": life.saved, "timestamp": life.saved_at} if life.saved >= 0 else None,
    }


def _how(figures: Figures) -> dict[str, Any]:
    return {
        "counts": dict(figures.counts),
        "quality": {name: dict(quality) for name, quality in figures.quality.items()},
        "weights": dict(figures.weights),
        "windows": {name: tally.window for name, tally in figures.networks.items()},
        "networks": {name: tally._asdict() for name, tally in figures.networks.items()},
        "confusion": dict(figures.confusion),
        "fields": dict(figures.fields),
        "intervals": dict(figures.intervals),
        "observers": dict(figures.observers),
        "quantiles": dict(figures.quantiles),
    }
