"""River's models on the streams of `quality_sets`, one pass, prequential: what the learner has to beat.

Each model sees what the learner sees: the same fields, calendars, past labels and lags, with river's own
preprocessing, its defaults, and one model per key. Where past labels are known a regression is put in two
ways: as it is, and on *differences* (the change from the last known label, from such changes). Some models
diverge now and then: what they say is held within three times the range of the key's labels so far.
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from quality_sets import Row, Set
from river import ensemble, forest, linear_model, neighbors, optim, preprocessing, time_series, tree

SEED = 1

Inputs = dict[str, Any]


class Judged(NamedTuple):
    """A label and what was predicted for it."""

    key: str
    label: float | str
    prediction: float | str | None


class Event(NamedTuple):
    """A row as a peer sees it; its label is known after the prediction, or `horizon` rows later."""

    key: str
    label: Any
    codes: Inputs
    """Categories and calendar parts as whole numbers: for trees."""
    waves: Inputs
    """The same as indicators, sines and cosines: for everything else."""
    last: float
    """The last label known."""


class Peer(Protocol):
    """What learns."""

    def predict(self, event: Event) -> Any: ...

    def learn(self, event: Event, label: Any) -> None: ...


# --- events -------------------------------------------------------------------------------------------


def events(of: Set, target: str) -> Iterator[Event]:
    """The rows of a set, with lags as the learner has them."""
    histories: dict[str, deque[float]] = defaultdict(lambda: deque([math.nan] * longest, longest))
    lags = of.lags()
    longest = max([1, *lags])
    last: dict[str, Any] = {}
    times: dict[str, float] = {}
    held: dict[str, Inputs] = defaultdict(dict)
    absent: Inputs = {}  # an indicator that is only ever 1 would be scaled to 0
    for row in of.rows():
        key = row[of.key] if of.key else ""
        label = _label(of, row[target])
        history = histories[key]
        if of.horizon:
            _know(history, last, key, label)
        codes, waves = _fields(of, row, held[key])
        if of.time:
            _calendar(of, row[of.time], key, times, codes, waves)
        for lag in lags:
            value = history[len(history) - 1 - (lag - max(of.horizon, 1))]
            known = value if value == value else last.get(key, 0.0)
            codes[f"lag{lag}"] = waves[f"lag{lag}"] = known
        if of.classes and of.past_labels:
            codes["previous"] = last.get(key, "none")
            waves[f"previous={last.get(key, 'none')}"] = 1.0
        absent |= {name: 0.0 for name in waves if "=" in name}
        yield Event(key, label, codes, absent | waves, last.get(key, 0.0))
        if not of.horizon:
            _know(history, last, key, label)


def _label(of: Set, text: str) -> Any:
    if of.classes:
        return text or None
    return float(text) if text else math.nan


def _know(history: deque[float], last: dict[str, Any], key: str, label: Any) -> None:
    if isinstance(label, float):
        history.append(label)
    if label is not None and label == label:
        last[key] = label


def _fields(of: Set, row: Row, held: Inputs) -> tuple[Inputs, Inputs]:
    """Numbers, missing ones as last seen; categories as codes and as indicators."""
    codes: Inputs = {}
    waves: Inputs = {}
    for name in of.numbers:
        if row[name]:
            held[name] = float(row[name])
        codes[name] = waves[name] = held.get(name, 0.0)
    for name in of.categories or {}:
        codes[name] = int(row[name])
        waves[f"{name}={row[name]}"] = 1.0
    return codes, waves


def _calendar(of: Set, text: str, key: str, times: dict[str, float], codes: Inputs, waves: Inputs) -> None:
    moment = datetime.fromisoformat(text).replace(tzinfo=None)
    parts = {
        "hour": (moment.hour, 24),
        "weekday": (moment.weekday(), 7),
        "yearday": (moment.timetuple().tm_yday - 1, 366),
        "month": (moment.month - 1, 12),
    }
    for part in of.parts:
        value, period = parts[part]
        codes[part] = value
        waves[f"{part}.sin"] = math.sin(2 * math.pi * value / period)
        waves[f"{part}.cos"] = math.cos(2 * math.pi * value / period)
        if part != "yearday":
            waves[f"{part}={value}"] = 1.0
    if of.irregular:
        second = moment.timestamp()
        codes["elapsed"] = waves["elapsed"] = math.log1p(max(0.0, second - times.get(key, second)))
        times[key] = second


# --- peers --------------------------------------------------------------------------------------------


class Plain:
    """A model of river's on one view of the event."""

    def __init__(self, model: Any, view: str) -> None:
        self._model, self._view = model, view

    def predict(self, event: Event) -> Any:
        return self._model.predict_one(getattr(event, self._view))

    def learn(self, event: Event, label: Any) -> None:
        self._model.learn_one(getattr(event, self._view), label)


class Differences:
    """The same, put as the change from the last known label; lags too are counted from it."""

    def __init__(self, model: Any, view: str) -> None:
        self._model, self._view = model, view

    def _inputs(self, event: Event) -> Inputs:
        inputs: Inputs = getattr(event, self._view)
        return {
            name: value - event.last if name.startswith("lag") else value for name, value in inputs.items()
        }

    def predict(self, event: Event) -> float:
        return float(event.last + self._model.predict_one(self._inputs(event)))

    def learn(self, event: Event, label: float) -> None:
        self._model.learn_one(self._inputs(event), label - event.last)


class Naive:
    """The label of a season before, the shortest, or the last one where there is no season."""

    def __init__(self, lag: str) -> None:
        self._lag = lag

    def predict(self, event: Event) -> Any:
        return event.codes.get(self._lag, event.last)

    def learn(self, event: Event, label: Any) -> None:
        pass


class Series:
    """A forecaster of river's that sees past labels alone. It learns a label before it forecasts again."""

    def __init__(self, model: Any, horizon: int) -> None:
        self._model, self._ahead = model, max(horizon, 1)
        self._learned = 0

    def predict(self, event: Event) -> float:
        if self._learned < 2:
            return event.last
        try:
            return float(self._model.forecast(horizon=self._ahead)[-1])
        except (IndexError, ValueError, ZeroDivisionError, OverflowError):  # not ready yet
            return event.last

    def learn(self, event: Event, label: float) -> None:
        self._model.learn_one(label)
        self._learned += 1


def _scaled(model: Any) -> Any:
    return preprocessing.StandardScaler() | model


def _linear() -> Any:
    model = _scaled(linear_model.LinearRegression(optimizer=optim.Adam(0.01), intercept_lr=0.01))
    return preprocessing.TargetStandardScaler(regressor=model)


def _bayesian(smoothing: float | None = None) -> Any:
    """It has no intercept: the target is centred."""
    model = _scaled(linear_model.BayesianLinearRegression(smoothing=smoothing))
    return preprocessing.TargetStandardScaler(regressor=model)


def _snarimax(season: int | None) -> Any:
    seasonal = {"m": season, "sp": 2, "sq": 0, "sd": 0} if season else {}
    return time_series.SNARIMAX(p=4, d=1, q=1, **seasonal)


def _holt_winters(season: int | None) -> Any:
    if season is None:
        return time_series.HoltWinters(alpha=0.3, beta=0.05)
    return time_series.HoltWinters(alpha=0.3, beta=0.05, gamma=0.3, seasonality=season, multiplicative=False)


def peers(of: Set, length: int) -> dict[str, Callable[[], Peer]]:
    """The models that are run on a set, by name; the quick ones first.

    Slow ones are left out where a stream is long: of numbers SRP and KNN beyond 20,000 rows, of
    classes both beyond 60,000. Beyond 20,000 rows ARF is run on differences alone, which suit it better, and
    beyond 200,000 not at all.
    """
    naive: dict[str, Callable[[], Peer]] = {"naive": lambda: Naive(_naive_lag(of))} if of.past_labels else {}
    if of.classes:
        quick = ("softmax", "ARF")
        return naive | {n: make for n, make in _classifiers().items() if length <= 60_000 or n in quick}
    made = naive | _forecasters(of)
    for name, (view, make) in _regressors().items():
        if length <= {"KNN": 20_000, "SRP": 20_000}.get(name, length):
            made |= _ways(name, view, make, bool(of.lags()))
    if length > 20_000 and of.lags():
        del made["ARF"]
    if length > 200_000:
        made.pop("ARF on differences", None)
    return made


def _naive_lag(of: Set) -> str:
    return "previous" if of.classes else f"lag{of.seasons[0] if of.seasons else max(of.horizon, 1)}"


def _regressors() -> dict[str, tuple[str, Callable[[], Any]]]:
    return {
        "linear": ("waves", _linear),
        "Bayesian linear": ("waves", _bayesian),
        "Bayesian linear, fading": ("waves", lambda: _bayesian(smoothing=0.999)),
        "ARF": ("codes", lambda: forest.ARFRegressor(seed=SEED)),
        "KNN": ("waves", lambda: _scaled(neighbors.KNNRegressor())),
        "SRP": ("codes", lambda: ensemble.SRPRegressor(n_models=10, seed=SEED)),
    }


def _ways(name: str, view: str, make: Callable[[], Any], lagged: bool) -> dict[str, Callable[[], Peer]]:
    """As it is and, where past labels are known, on differences."""
    ways: dict[str, Callable[[], Peer]] = {name: lambda: Plain(make(), view)}
    if lagged:
        ways[f"{name} on differences"] = lambda: Differences(make(), view)
    return ways


def _forecasters(of: Set) -> dict[str, Callable[[], Peer]]:
    """Those that see the past of the series alone."""
    if not of.lags():
        return {}
    season = of.seasons[0] if of.seasons else None
    return {
        "SNARIMAX": lambda: Series(_snarimax(season), of.horizon),
        "Holt-Winters": lambda: Series(_holt_winters(season), of.horizon),
    }


def _classifiers() -> dict[str, Callable[[], Peer]]:
    def bagging() -> Any:
        return ensemble.LeveragingBaggingClassifier(tree.HoeffdingTreeClassifier(), seed=SEED)

    return {
        "softmax": lambda: Plain(_scaled(linear_model.SoftmaxRegression()), "waves"),
        "ARF": lambda: Plain(forest.ARFClassifier(seed=SEED), "codes"),
        "KNN": lambda: Plain(_scaled(neighbors.KNNClassifier()), "waves"),
        "SRP": lambda: Plain(ensemble.SRPClassifier(n_models=10, seed=SEED), "codes"),
        "leveraging bagging": lambda: Plain(bagging(), "codes"),
    }


# --- a pass -------------------------------------------------------------------------------------------


def judged(of: Set, target: str, make: Callable[[], Peer]) -> Iterator[Judged | None]:
    """What a peer predicted for each label, in order of rows; None for a row whose label judges nothing."""
    made: dict[str, Peer] = {}
    waiting: dict[str, deque[tuple[Event, Any]]] = defaultdict(deque)
    ranges: dict[str, Range] = defaultdict(Range)
    for event in events(of, target):
        if event.key not in made:
            made[event.key] = make()
        peer, queue, seen = made[event.key], waiting[event.key], ranges[event.key]
        known = event.label is not None and event.label == event.label
        if of.horizon and known:
            seen.add(event.label)
        if not of.horizon:
            queue.append((event, seen.cut(peer.predict(event))))
        found = None
        if len(queue) > of.horizon - (of.horizon > 0):
            then, prediction = queue.popleft()
            if known:
                found = Judged(event.key, event.label, prediction)
                peer.learn(then, event.label)
        if of.horizon:
            queue.append((event, seen.cut(peer.predict(event))))
        elif known:
            seen.add(event.label)
        yield found


class Range:
    """Where the labels so far lie; classes have none."""

    def __init__(self) -> None:
        self._low, self._high = math.inf, -math.inf

    def add(self, label: Any) -> None:
        if isinstance(label, float):
            self._low, self._high = min(self._low, label), max(self._high, label)

    def cut(self, prediction: Any) -> Any:
        """The prediction, held within three times the range; one that is no number is the range's middle."""
        if not isinstance(prediction, float | int) or self._low > self._high:
            return prediction
        if not math.isfinite(prediction):
            return (self._low + self._high) / 2
        width = self._high - self._low
        return min(max(float(prediction), self._low - width), self._high + width)
