"""The last pass of a block: baselines, mix and scores, put together."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from streamrnn.arrays import State, expect, nested, within
from streamrnn.errors import ConfigError
from streamrnn.mixing.baselines import Baselines, BinaryBaselines, NumberBaselines
from streamrnn.mixing.mix import Mix
from streamrnn.mixing.scores import BinaryScores, NumberScores, Quality, Scores
from streamrnn.mixing.table import Array, Floats


class Scored(NamedTuple):
    """What a block of n events got: predictions, and the verdict on those that its labels judge."""

    published: Floats
    """(n,): the mix."""
    members: Floats
    """(n, M): each member's own prediction; one of a network that was no usable number is replaced."""
    judged_published: Floats
    """(n,): the published prediction that the event's label judges; NaN where there is none."""
    judged_members: Floats
    """(n, M)"""
    losses: Floats
    """(n, 1 + M): absolute error or log loss of the judged predictions, of the mix first."""
    weights: Floats
    """(n, M): of the members in the event's published prediction."""


class Mixture:
    """Predicts for each event from its networks' predictions and naive rules, and keeps score.

    Numbers are in the user's units, classes are probabilities of a 1. `members` names the networks, then
    the baselines. `enabled=False` publishes the first network alone; every member is still scored.
    """

    def __init__(
        self,
        *,
        kind: Literal["number", "binary"],
        networks: Sequence[str],
        horizon: int = 0,
        season: int | None = None,
        enabled: bool = True,
    ) -> None:
        binary = kind == "binary"
        if binary and (horizon or season):
            raise ValueError("classes have neither a horizon nor a season")
        self._baselines: Baselines = BinaryBaselines() if binary else NumberBaselines(horizon, season)
        self._networks = len(networks)
        self.baselines = list(self._baselines.names)
        self.members = [*networks, *self.baselines]
        if clash := {name for name in ("mix", *self.members) if self.members.count(name) > (name != "mix")}:
            raise ConfigError(f"networks: the name {min(clash)} is taken; choose another")
        self._mix = Mix(
            binary=binary,
            networks=len(networks),
            members=len(self.members),
            horizon=horizon,
            enabled=enabled,
        )
        columns = 1 + len(self.members)
        self._scores: Scores = BinaryScores(columns) if binary else NumberScores(columns)

    @property
    def bytes_per_key(self) -> int:
        return self._baselines.bytes_per_key + self._mix.bytes_per_key

    def reserve(self, slots: int) -> None:
        """Make room for slots 0 to `slots` − 1; `score` does so itself."""
        self._baselines.reserve(slots)
        self._mix.reserve(slots)

    def score(
        self, slots: ArrayLike, fresh: ArrayLike, back: ArrayLike, label: ArrayLike, predictions: ArrayLike
    ) -> Scored:
        """Predict for n events and judge what their labels judge, in event order.

        `slots`, `back` (n,) int32; `fresh` (n,) bool: the slot starts anew there; `label` (n,), NaN where
        unknown; `predictions` (n, N). Where `back` is 0 the label judges the event's own prediction, where
        it is h > 0 the key's prediction h of its events ago, where it is −1 none.
        """
        slots = np.ascontiguousarray(slots, np.int32)
        fresh = np.ascontiguousarray(fresh, np.bool_)
        back = np.ascontiguousarray(back, np.int32)
        label = np.ascontiguousarray(label, np.float64)
        n, columns = len(slots), 1 + len(self.members)
        self.reserve(int(slots.max()) + 1 if n else 0)
        members = np.empty((n, len(self.members)))
        members[:, : self._networks] = predictions
        answers, judged, losses = np.empty((3, n, columns))
        weights = np.empty_like(members)
        self._baselines.predict(slots, fresh, label, members, self._networks)
        self._mix.answer(slots, fresh, back, label, members, answers, judged, losses, weights)
        self._scores.learn(label, judged, losses)
        return Scored(answers[:, 0], answers[:, 1:], judged[:, 0], judged[:, 1:], losses, weights)

    def warm_up(self) -> None:
        """Compile everything that `score` calls, without touching any state."""
        self.score([], [], [], [], np.empty((0, self._networks)))

    # --- what people look at ----------------------------------------------------------------------

    def quality(self) -> dict[str, Quality]:
        """By "mix" and each member's name: numbers count, mae, rmse, r2; classes count, accuracy, log_loss,
        roc_auc, base_rate; both recent (mae or log_loss, half of it from the last 1000 judged events) and
        skill (1 − error / error of the best baseline)."""
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

    def mean_weights(self) -> dict[str, float]:
        """Each member's weight over all keys, a mean that fades over some 500 judged events."""
        return dict(zip(self.members, self._mix.stream.usual.tolist(), strict=True))

    def weights(self, slot: int) -> dict[str, float]:
        """Each member's weight in that key's next prediction."""
        return dict(zip(self.members, self._mix.weights(slot).tolist(), strict=True))

    def replaced(self) -> dict[str, int]:
        """How many predictions of each network were no usable number."""
        return dict(zip(self.members, self._mix.stream.replaced.tolist(), strict=False))

    # --- state --------------------------------------------------------------------------------------

    def state(self) -> State:
        """Everything that shapes what comes next, by name; copies."""
        return {
            **nested("baselines", self._baselines.state()),
            **nested("mix", self._mix.state()),
            **nested("scores", self._scores.state()),
        }

    def load(self, state: Mapping[str, Array]) -> None:
        """Take over a `state()` of an equally configured mixture; SnapshotError names what does not fit."""
        keys = state["mix/steps"].size if "mix/steps" in state else 0
        expect(
            state,
            {
                **nested("baselines", self._baselines.expected(keys)),
                **nested("mix", self._mix.expected(keys)),
                **nested("scores", self._scores.expected()),
            },
        )
        self._baselines.load(within("baselines", state))
        self._mix.load(within("mix", state))
        self._scores.load(within("scores", state))
