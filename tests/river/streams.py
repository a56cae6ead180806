"""Small streams that only somebody with a memory can predict, and estimators for them."""

import random
from collections.abc import Iterator
from typing import Any

from streamrnn.river import RNNClassifier, RNNForecaster, RNNRegressor

SMALL: dict[str, Any] = {"hidden": 6, "window": 3, "seed": 1}
LAG = 3


def events(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Two numbers, one of them missing at times, a string and a boolean."""
    r = random.Random(seed)
    made = []
    for _ in range(n):
        x = {"a": r.gauss(5.0, 2.0), "b": r.random(), "kind": r.choice("xyz"), "odd": r.random() < 0.5}
        if r.random() < 0.2:
            del x["b"]
        made.append(x)
    return made


def remembered(n: int, seed: int) -> Iterator[tuple[dict[str, float], float]]:
    """The label is the feature's value of LAG events ago."""
    r = random.Random(seed)
    past = [0.5] * LAG
    for _ in range(n):
        past.append(r.random())
        yield {"a": past[-1]}, past[-1 - LAG]


def learned(name: str, n: int, **parameters: Any) -> Any:
    """An estimator that has seen n events; what it learns follows from their features."""
    model = ESTIMATORS[name](**(SMALL | parameters))
    for x in events(n):
        teach(model, x)
    return model


def teach(model: Any, x: dict[str, Any]) -> None:
    number = x["a"] + 3.0 * (x["kind"] == "x")
    if isinstance(model, RNNForecaster):
        model.learn_one(number, x)
    else:
        model.learn_one(x, number if isinstance(model, RNNRegressor) else x["kind"] + str(x["odd"]))


def told(model: Any, x: dict[str, Any]) -> Any:
    """What it predicts."""
    if isinstance(model, RNNForecaster):
        return model.forecast(2, [x, x])
    return model.predict_one(x) if isinstance(model, RNNRegressor) else model.predict_proba_one(x)


ESTIMATORS: dict[str, Any] = {
    "regressor": RNNRegressor,
    "classifier": RNNClassifier,
    "forecaster": RNNForecaster,
}
