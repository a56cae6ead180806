"""A learner small enough for thousands of crashes: order-sensitive, with a state and a digest."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from streamrnn.errors import InputError, SnapshotError
from streamrnn.service.model import Difference, Figures, Names, State, Tally
from streamrnn.types import Output, Partition, Record

PLAIN = {"rate": 0.1, "size": 4}


class StandIn:
    """Predicts a running mix of past values; a value that is no number is a bad record."""

    kernel_hash = "none"

    def __init__(self, lineage: str, configuration: Mapping[str, Any] = PLAIN, most_bad: int = 5) -> None:
        self.lineage = lineage
        self.events = 0
        self.digest = ""
        self._rate = configuration["rate"]
        self._weights = np.zeros(configuration["size"])
        self._bad = 0
        self._most_bad = most_bad

    def learn(
        self, records: Sequence[Record], partition: Partition, *, accepted: bool = False
    ) -> list[Output]:
        return [self._answer(record, partition, accepted) for record in records]

    def _answer(self, record: Record, partition: Partition, accepted: bool) -> Output:
        try:
            value = float(record.value or b"")
        except ValueError:
            self._bad += 1
            if self._bad > self._most_bad and not accepted:
                raise InputError(f"{self._bad} bad records in a row") from None
            return self._chain(Output("dead_letter", record.key, record.value, [("reason", b"no_number")]))
        self._bad = 0
        self.events += 1
        prediction = float(np.sin(self._weights).sum())
        self._weights = np.roll(self._weights, 1) + self._rate * (value - prediction)
        said = {"lineage": self.lineage, "event": self.events, "prediction": prediction, "from": [*partition]}
        return self._chain(Output("prediction", record.key, json.dumps(said).encode(), []))

    def _chain(self, output: Output) -> Output:
        self.digest = hashlib.sha256(
            self.digest.encode() + repr((output.key, output.value)).encode()
        ).hexdigest()
        return output

    def take_weights(self, networks: Iterable[int] | None = None) -> None:
        """Its configuration names no file of weights."""

    def state(self) -> State:
        return {
            "weights": self._weights.copy(),
            "counts": np.array([self.events, self._bad]),
            "digest": np.frombuffer(self.digest.encode(), np.uint8).copy(),
        }

    def load(self, state: State) -> None:
        if state["weights"].shape != self._weights.shape:
            raise SnapshotError("weights has another shape")
        self._weights = state["weights"].copy()
        self.events, self._bad = (int(count) for count in state["counts"])
        self.digest = state["digest"].tobytes().decode()

    def counts(self) -> dict[str, int]:
        return {"bad": self._bad}


class StandIns:
    """Makes them: `rate` keeps shapes and meaning, `size` does not."""

    def __init__(self, configuration: Mapping[str, Any] = PLAIN) -> None:
        self.configuration = configuration

    names = Names(["net"], ["net", "last"], ["no_number"])

    def make(self, lineage: str, configuration: Mapping[str, Any]) -> StandIn:
        return StandIn(lineage, configuration)

    def difference(self, then: Mapping[str, Any]) -> Difference:
        def changed(name: str) -> str:
            now = self.configuration[name]
            return "" if then[name] == now else f"{name}: {then[name]} -> {now}"

        return Difference(refused=changed("size"), taken_over=changed("rate"))

    def describe(self, learner: StandIn) -> Figures:
        losses = {"count": learner.events, "recent": 1.0}
        return Figures(
            counts={"events": learner.events, "labelled": learner.events, "keys": 1, "evicted_keys": 0},
            quality={name: losses for name in ("mix", "net", "last")},
            weights={"net": 0.5, "last": 0.5},
            networks={"net": Tally(1, 0.1, 1.0, learner.events, 0, 0, 0, 0)},
        )
