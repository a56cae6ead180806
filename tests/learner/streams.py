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
FIELDS = {
    "task": {"forecast": ["level", "other"], "horizon": 3, "interval": 0.8},
    "key": "sensor",
    "features": [{"number": "level"}, {"lags": "other", "steps": [4]}],
    "networks": [
        {"name": "deep", "cell": "lstm", "layers": 2, "head": [4], "window": 2, **SMALL},
        {"name": "linear", "least_squares": {}},
    ],
    "max_keys": 3,
}
QUANTILES = {
    "task": {"regression": "level", "loss": {"quantile": [0.1, 0.5, 0.9]}},
    "key": "sensor",
    "features": [{"number": "other"}],
    "networks": [{"name": "a", **SMALL}, {"name": "b", "seed": 1, **SMALL}],
}
COUNTS = {
    "task": {"forecast": "count", "reference": "none", "loss": "poisson"},
    "key": "sensor",
    "features": [{"number": "count"}],
    "networks": [{"name": "elman", "cell": "elman", "optimiser": "rmsprop", **SMALL}],
    "on_drift": {"learning_rate": "boost"},
}
MULTICLASS = {
    "task": {"multiclass": "kind", "bound": 3},
    "observers": [{"metric": "CohenKappa"}, {"metric": "CrossEntropy"}, {"drift": "ADWIN"}],
    "features": [{"number": "other"}, {"previous": "kind"}],
    "networks": [{"name": "one-step", "optimiser": {"adamw": {"weight_decay": 0.1}}, **SMALL}],
}
LATE = {
    "task": {"binary": "was_high", "delayed": {"id": "id", "label_of": "of", "ttl": "2h", "pool": 8}},
    "key": "sensor",
    "time": "at",
    "features": [{"number": "other"}, {"previous": "was_high"}],
    "networks": [{"name": "late", "window": 3, **SMALL}],
    "max_keys": 3,
}
LATE_CLASSES = LATE | {
    "task": {"multiclass": "was_high", "delayed": {"id": "id", "label_of": "of", "ttl": "2h", "pool": 8}},
    "observers": [{"metric": "MacroF1"}],
}
TEXT = {
    "task": {"next_token": "text", "vocabulary": "ab "},
    "key": "sensor",
    "networks": [{"name": "reader", "window": 2, **SMALL}],
    "max_keys": 3,
}
TASKS = {
    "forecast": FORECAST,
    "regression": REGRESSION,
    "binary": BINARY,
    "fields": FIELDS,
    "quantiles": QUANTILES,
    "counts": COUNTS,
    "multiclass": MULTICLASS,
    "late": LATE,
    "late_classes": LATE_CLASSES,
    "text": TEXT,
}


def config(task: dict[str, Any], **changes: Any) -> Config:
    return Config.model_validate(task | changes)


def record(offset: int, **fields: Any) -> Record:
    return Record(offset, None, json.dumps(fields).encode())


def events(count: int, keys: int = 4, seed: int = 0, missing: float = 0.1) -> list[dict[str, Any]]:
    """Waves of `keys` sensors, interleaved at random; a share of values and labels is missing.

    `was_high` is the label of an earlier event, `of`, of the same sensor; an event without an id only brings
    that.
    """
    chance = random.Random(seed)
    steps = [0] * keys
    before: list[list[tuple[int, bool]]] = [[(0, False)] for _ in range(keys)]
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
                "count": None if chance.random() < missing else chance.randrange(20),
                "text": "".join(chance.choices("ab c", k=chance.randrange(9))),
            }
        )
        earlier, was_high = before[key][-min(chance.randrange(1, 6), len(before[key]))]
        made[-1] |= {"id": i if chance.random() > 0.2 else None, "of": earlier, "was_high": was_high}
        before[key].append((i, level > 15))
    return made


def stream(count: int, keys: int = 4, seed: int = 0, missing: float = 0.1) -> list[Record]:
    return [record(7 + i, **event) for i, event in enumerate(events(count, keys, seed, missing))]
