"""The learner on the streams of `quality_sets`: one configuration for each kind of task."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml
from quality_sets import Set

from streamrnn.cli.rows import Rows
from streamrnn.config.models import Config
from streamrnn.learner import Learner

FOLDER = Path(__file__).parent / "quality"
BLOCK = 500

Figures = dict[str, float]


class Judgement(msgspec.Struct):
    label: Any
    prediction: Any
    losses: dict[str, Any]


class Published(msgspec.Struct):
    key: str | None = None
    judged: Judgement | None = None


def configuration(of: Set) -> Config:
    """The kind's networks, and task and features by the rule."""
    common = yaml.safe_load((FOLDER / ("classes.yaml" if of.classes else "numbers.yaml")).read_text())
    return Config.model_validate(common | _task(of) | {"features": list(_features(of)), **_keys(of)})


def _task(of: Set) -> dict[str, Any]:
    field: Any = of.targets[0] if len(of.targets) == 1 else list(of.targets)
    if of.classes:
        task = {of.kind: field}
    elif of.kind == "forecast":
        task = {"forecast": field, "horizon": of.horizon, "season": of.season}
    else:
        task = {"regression": field, "season": of.season, "reference": "last" if of.past_labels else "none"}
    # naive rules know past labels: where none may be known, networks are mixed alone
    return {"task": task, "mix": {"baselines": of.past_labels}}


def _keys(of: Set) -> dict[str, Any]:
    return {name: value for name, value in (("key", of.key), ("time", of.time)) if value}


def _features(of: Set) -> Iterator[dict[str, Any]]:
    for name in of.numbers:
        yield {"number": name}
    for name, values in (of.categories or {}).items():
        yield {"category": name, "bound": values, "buckets": 1}
    if of.time:
        yield {"calendar": of.time, "parts": list(of.parts)}
    if of.irregular:
        yield {"elapsed": of.time}
    if of.past_labels and of.classes:
        yield {"previous": of.targets[0]}
    if of.lags():
        for target in of.targets:
            yield {"lags": target, "steps": list(of.lags())}


def measure(of: Set, progress: Callable[[int], None] = lambda _: None) -> dict[str, Figures]:
    """Figures of the mix and of each of its members; numbers by key too."""
    learner = Learner(configuration(of), "quality")
    sums = _Numbers(of) if not of.classes else _Classes(of)
    rows = Rows(of.path)
    done = 0
    for records in rows.batches(BLOCK):
        for output in learner.learn(records, rows.partition):
            if output.kind != "prediction":
                raise ValueError(f"{of.name}: a bad record: {output.headers}")
            sums.add(_decoder.decode(output.value or b""))
        done += len(records)
        progress(done)
    rows.close()
    return sums.figures()


_decoder = msgspec.json.Decoder(Published)


class _Numbers:
    """Errors of each member by key, and by field where there are several."""

    def __init__(self, of: Set) -> None:
        self._fields = of.targets
        self._sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0] * 3))

    def add(self, published: Published) -> None:
        judged = published.judged
        if judged is None:
            return
        several = judged.losses if len(self._fields) > 1 else {self._fields[0]: judged.losses}
        for field, losses in several.items():
            for member, error in losses.items():
                if error is not None:
                    entry = self._sums[member][place(published.key or "", field)]
                    entry[0] += 1
                    entry[1] += error
                    entry[2] += error * error

    def figures(self) -> dict[str, Figures]:
        return {member: numbers(by_key) for member, by_key in self._sums.items()}


def numbers(by_key: dict[str, list[float]]) -> Figures:
    """From count, sum and sum of squares of the errors of each key."""
    count, total, squares = (sum(column) for column in zip(*by_key.values(), strict=True))
    return {
        "count": count,
        "mae": total / count,
        "rmse": math.sqrt(squares / count),
        **{f"mae/{name}": entry[1] / entry[0] for name, entry in by_key.items()},
    }


def place(key: str, field: str) -> str:
    return f"{key}/{field}" if key else field


class _Classes:
    def __init__(self, of: Set) -> None:
        self._binary = of.kind == "binary"
        self._count = self._hits = 0
        self._losses: dict[str, float] = defaultdict(float)

    def add(self, published: Published) -> None:
        judged = published.judged
        if judged is None:
            return
        said: Any = int(judged.prediction >= 0.5) if self._binary else judged.prediction
        self._count += 1
        self._hits += str(said) == str(judged.label) or said == judged.label
        for member, loss in judged.losses.items():
            self._losses[member] += loss

    def figures(self) -> dict[str, Figures]:
        found = {name: {"log_loss": loss / self._count} for name, loss in self._losses.items()}
        found["mix"] |= {"count": self._count, "accuracy": self._hits / self._count}
        return found
