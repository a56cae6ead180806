"""The last pass of a block: baselines, mix and scores, put together."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.arrays import State, Steps, expect, nested, within
from streamrnn.errors import ConfigError
from streamrnn.mixing.baselines import Baselines, ClassBaselines, NumberBaselines, TokenBaselines
from streamrnn.mixing.correction import Correction
from streamrnn.mixing.mix import Mix
from streamrnn.mixing.scores import ClassScores, NumberScores, Quality, Scores, TokenScores
from streamrnn.mixing.table import Array, Floats, Ints, Part

Kind = Literal["number", "classes", "tokens"]


class Scored(NamedTuple):
    """What a block of n events got: predictions, and the verdict on those that its labels judge.

    Classes and tokens have a last axis more, (…, C): probabilities. Rows of events that make no step are NaN.
    """

    published: Floats
    """(n,) or (n, C): the mix."""
    members: Floats
    """(n, M) or (n, M, C): each member's own answer; one of a network that was not usable is replaced."""
    judged_published: Floats
    """(n,) or (n, C): what was published of the step that the event's label judges; NaN if there is none."""
    judged: NDArray[np.bool_]
    """(n,): the event's label judges a step, its own or an earlier one."""
    losses: Floats
    """(n, 1 + M): absolute error or log loss of the judged answers, of the mix first."""
    weights: Floats
    """(n, M): of the members in the event's answer; numbers are published with a correction beyond it."""


class Mixture:
    """Predicts for each event from its networks' predictions and naive rules, and keeps score.

    Numbers are in the user's units, classes and tokens are probabilities. `members` names the networks,
    then the baselines. `enabled=False` publishes the first network alone, `baselines=False` mixes only the
    networks; every member is still scored.
    """

    def __init__(
        self,
        *,
        kind: Kind,
        networks: Sequence[str],
        horizon: int = 0,
        season: int | None = None,
        enabled: bool = True,
        baselines: bool = True,
        classes: int = 0,
    ) -> None:
        """`classes`: C, the size of the vocabulary for tokens, 0 for numbers.

        The label of a step is with tokens the token that it took in, known one step after its prediction:
        their horizon is 1.
        """
        if (kind == "number") != (classes == 0):
            raise ValueError(f"kind: {kind} does not go with classes: {classes}")
        if kind == "classes" and (horizon or season):
            raise ValueError("classes have neither a horizon nor a season")
        if kind == "tokens" and (horizon != 1 or season):
            raise ValueError("tokens have a horizon of 1 and no season")
        self._networks = len(networks)
        self._width = classes or 1
        self._is_number = kind == "number"
        self._baselines = _baselines(kind, horizon, season, classes)
        self.baselines = list(self._baselines.names)
        self.members = [*networks, *self.baselines]
        if clash := {name for name in ("mix", *self.members) if self.members.count(name) > (name != "mix")}:
            raise ConfigError(f"networks: the name {min(clash)} is taken; choose another")
        self._mixed = len(self.members if baselines else networks)
        self._mix = Mix(
            networks=len(networks),
            members=len(self.members),
            mixed=self._mixed,
            classes=classes,
            horizon=horizon,
            enabled=enabled,
        )
        self._scores = _scores(kind, 1 + len(self.members), classes)
        self._parts: dict[str, Part] = {
            "baselines": self._baselines,
            "mix": self._mix,
            "scores": self._scores,
        }
        self._correction: Correction | None = None
        self._enabled = enabled
        if kind == "number":
            self._correction = Correction(members=self._mixed, rate=self._mix.rate)
            self._parts["correction"] = self._correction

    @property
    def bytes_per_key(self) -> int:
        return sum(part.bytes_per_key for part in self._parts.values())

    @property
    def bytes_per_row(self) -> int:
        """Memory that one answer takes while it waits for its label."""
        return sum(part.bytes_per_row for part in self._parts.values())

    @property
    def error(self) -> str:
        """Which figure of the quality is the error that members are compared by."""
        return self._scores.error

    def reserve(self, slots: int, rows: int) -> None:
        """Make room for slots 0 to `slots` − 1 and for `rows` waiting answers."""
        for part in self._parts.values():
            part.reserve(slots, rows)

    def score(self, steps: Steps, label: ArrayLike, answers: ArrayLike) -> Scored:
        """Predict for n events and judge what their labels judge, in event order.

        `label` (n,): a number, or the index of a class, NaN where unknown; `answers` (n, N) numbers or
        (n, N, C) probabilities, any where an event makes no step. Slots and rows must be reserved.
        """
        label = np.ascontiguousarray(label, np.float64)
        n, columns = len(label), 1 + len(self.members)
        given = np.asarray(answers, np.float64).reshape(n, self._networks, self._width)
        said, judged = np.empty((2, n, columns, self._width))
        losses, weights = np.empty((n, columns)), np.empty((n, columns - 1))
        said[:, 1 : 1 + self._networks] = given
        self._baselines.predict(steps, label, said, 1 + self._networks)
        self._mix.answer(steps, label, said, judged, losses, weights)
        if self._correction is not None and self._enabled:
            part = slice(1 + self._mixed)
            self._correction.correct(steps, label, said[:, part], judged[:, part], losses[:, part])
        self._scores.learn(steps, label, judged, losses)
        published, members, of_label = said[:, 0], said[:, 1:], judged[:, 0]
        if self._is_number:
            published, members, of_label = published[..., 0], members[..., 0], of_label[..., 0]
        return Scored(published, members, of_label, ~np.isnan(losses[:, 0]), losses, weights)

    def warm_up(self) -> None:
        """Compile everything that `score` calls, without touching any state."""
        none, never = np.empty(0, np.int32), np.empty(0, np.bool_)
        steps = Steps(none, never, never, none, none, none)
        self.score(steps, [], np.empty((0, self._networks, self._width)))

    # --- what people look at ----------------------------------------------------------------------

    def quality(self) -> dict[str, Quality]:
        """By "mix" and each member's name.

        Numbers: count, mae, rmse, r2. Classes: count, accuracy, log_loss, macro_f1, balanced_accuracy,
        kappa, kappa_temporal; two classes also roc_auc and base_rate, the share of class 1. Tokens: count,
        accuracy, bits_per_character. All: recent (mae, log_loss or bits_per_character, half of it from the
        last 1000 judged events) and skill (1 − error / error of the best baseline).
        """
        return self._named(self._scores.quality())

    def quality_between(self, earlier: Mapping[str, Array]) -> dict[str, Quality]:
        """Quality of the events judged since `earlier`, a `state()` of this mixture; `recent` as of now."""
        return self._named(self._scores.quality(within("scores", earlier)))

    def _named(self, columns: list[Quality]) -> dict[str, Quality]:
        quality = dict(zip(["mix", *self.members], columns, strict=True))
        best = min(quality[name][self._scores.error] for name in self.baselines)
        for values in quality.values():
            error = values[self._scores.error]
            values["skill"] = 1 - error / best if best > 0 else 0.0
        return quality

    def confusion(self) -> dict[str, Ints]:
        """By "mix" and each member's name (C, C): judged events by label and by class said.

        Empty for numbers, for tokens, and for more than 64 classes.
        """
        matrices = self._scores.confusion()
        return {} if matrices is None else dict(zip(["mix", *self.members], matrices, strict=True))

    def mean_weights(self) -> dict[str, float]:
        """Each member's weight over all keys, a mean that fades over some 500 judged events."""
        return dict(zip(self.members, self._mix.stream.usual.tolist(), strict=True))

    def replaced(self) -> dict[str, int]:
        """How many answers of each network were not usable."""
        return dict(zip(self.members, self._mix.stream.replaced.tolist(), strict=False))

    # --- state --------------------------------------------------------------------------------------

    def state(self) -> State:
        """Everything that shapes what comes next, by name; copies."""
        parts = (nested(name, part.state()) for name, part in self._parts.items())
        return {name: array for part in parts for name, array in part.items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over a `state()` of an equally configured mixture; SnapshotError names what does not fit."""
        slots, rows = _length(state, "mix/weights"), _length(state, "mix/waiting/answers")
        parts = (nested(name, part.expected(slots, rows)) for name, part in self._parts.items())
        expect(state, {name: shape for part in parts for name, shape in part.items()})
        for name, part in self._parts.items():
            part.load(within(name, state), slots, rows)


def _baselines(kind: Kind, horizon: int, season: int | None, classes: int) -> Baselines:
    match kind:
        case "number":
            return NumberBaselines(horizon, season)
        case "classes":
            return ClassBaselines(classes)
        case "tokens":
            return TokenBaselines(classes)


def _scores(kind: Kind, columns: int, classes: int) -> Scores:
    match kind:
        case "number":
            return NumberScores(columns)
        case "classes":
            return ClassScores(columns, classes)
        case "tokens":
            return TokenScores(columns)


def _length(state: Mapping[str, Array], name: str) -> int:
    return len(state[name]) if name in state and state[name].ndim else 0
