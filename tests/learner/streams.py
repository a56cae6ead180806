"""Small streams that the tests make, and configurations for them."""

import json
import math
import random
from typing import Any

from streamrnn.config.models import Config
from streamrnn.types import Partition, Record

PARTITION = Partition("numbers", 3)
SMALL = {"hidden": 6, "learning_rate": {"rate": 0.01, "warmup": 5}}

FORECAST = {
    "task": {"forecast": "level", "horizon": 2, "season": 6},
    "key": "sensor",
    "time": "at",
    "features": [
        {"number": "level"},
        {"category": "kind", "bound": 2, "buckets": 2},
        {"calendar": "at", "parts": ["hour"]},
        {"elapsed": "at"},
        {"lags": "level", "steps": [2, 6]},
    ],
    "networks": [
        {"name": "one-step", "window": 1, **SMALL},
        {"name": "growing", "window": {"grow": [2, 4], "by": "count", "every": 30}, "stride": 2, **SMALL},
    ],
    "max_keys": 3,
    "scaling": {"half_life": 50},
}
REGRESSION = {
    "task": {"regression": "level", "reference": "last"},
    "key": "sensor",
    "features": [{"number": "other"}, {"previous": "level"}],
    "networks": [{"name": "one-step", "window": 3, **SMALL}],
}
BINARY = {
    "task": {"binary": "high"},
    "features": [{"number": "other"}, {"previous": "high"}],
    "networks": [{"name": "one-step", "window": 1, **SMALL}],
    "predictions": {"members": True},
}
TASKS = {"forecast": FORECAST, "regression": REGRESSION, "binary": BINARY}


def config(task: dict[str, Any], **changes: Any) -> Config:
    return Config.model_validate(task | changes)


def record(offset: int, **fields: Any) -> Record:
    return Record(offset, None, json.dumps(fields).encode())


def events(count: int, keys: int = 4, seed: int = 0, missing: float = 0.1) -> list[dict[str, Any]]:
    """Waves of `keys` sensors, interleaved at random; a share of values and labels is missing."""
    chance = random.Random(seed)
    steps = [0] * keys
    made = []
    for i in range(count):
        key = chance.randrange(keys)
        steps[key] += 1
        level = 10 * key + 5 * math.sin(steps[key] / 3 + key) + chance.gauss(0, 0.3)
        made.append(
            {
                "sensor": f"s{key}",
                "at": 1.7e9 + 600 * i,
                "kind": chance.choice(["a", "b", "c", "d"]),
                "level": None if chance.random() < missing else level,
                "other": None if chance.random() < missing else level + chance.gauss(0, 1),
                "high": None if chance.random() < missing else level > 15,
            }
        )
    return made


def stream(count: int, keys: int = 4, seed: int = 0, missing: float = 0.1) -> list[Record]:
    return [record(7 + i, **event) for i, event in enumerate(events(count, keys, seed, missing))]
