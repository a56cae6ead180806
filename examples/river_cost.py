"""Microseconds of CPU time per call of the river estimators: `python examples/river_cost.py`."""

import random
import time
from collections.abc import Callable
from itertools import cycle

from river import linear_model, preprocessing

from streamrnn.river import RNNClassifier, RNNForecaster, RNNRegressor

CALLS, ROUNDS = 2000, 9


def microseconds(call: Callable[[], object]) -> float:
    """The quickest round counts: what else the machine does only adds to it."""
    rounds = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        for _ in range(CALLS):
            call()
        rounds.append(time.thread_time() - begin)
    return min(rounds) / CALLS * 1e6


random.seed(0)
events = cycle([{f"feature {i}": random.gauss(0.0, 1.0) for i in range(8)} for _ in range(100)])
linear = preprocessing.StandardScaler() | linear_model.LinearRegression()
regressor, classifier, forecaster = RNNRegressor(seed=1), RNNClassifier(seed=1), RNNForecaster(seed=1)
calls = {
    "StandardScaler | LinearRegression learn_one": lambda: linear.learn_one(next(events), random.random()),
    "StandardScaler | LinearRegression predict_one": lambda: linear.predict_one(next(events)),
    "RNNRegressor learn_one": lambda: regressor.learn_one(next(events), random.random()),
    "RNNRegressor predict_one": lambda: regressor.predict_one(next(events)),
    "RNNClassifier learn_one": lambda: classifier.learn_one(next(events), random.random() > 0.5),
    "RNNClassifier predict_proba_one": lambda: classifier.predict_proba_one(next(events)),
    "RNNForecaster learn_one": lambda: forecaster.learn_one(random.random()),
    "RNNForecaster forecast(1)": lambda: forecaster.forecast(1),
}
for call in calls.values():
    call()  # compiles
for name, call in calls.items():
    print(f"{name:48}{microseconds(call):7.1f} µs")
