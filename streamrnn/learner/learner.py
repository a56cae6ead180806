"""The learner of one partition: features, networks, mix and quality as one deterministic state machine.

Its whole state is a function of the records it was given, in order: never of how they were cut into calls,
never of a clock. An event walks through `learn` from top to bottom.
"""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from streamrnn.arrays import State, expect, nested, within
from streamrnn.config.models import Config
from streamrnn.errors import SnapshotError
from streamrnn.features import Block, Keys
from streamrnn.learner import build
from streamrnn.learner.badrecords import BadRecords
from streamrnn.learner.outputs import Answers, Digest, Encoder, dead_letter
from streamrnn.learner.prepass import Judged, probability
from streamrnn.snapshots import digest
from streamrnn.types import Output, Partition, Record


class Learner:
    """Predicts every event of one partition, and learns from each label once it has judged a prediction.

    `lineage` names the model's life and stands in everything it publishes.
    """

    def __init__(self, config: Config, lineage: str) -> None:
        self.lineage = lineage
        self.events = 0
        self.labelled = 0
        self._config = config
        goal = build.target(config.task)
        self._binary = goal.kind == "binary"
        self._digest = Digest()
        self._bad = BadRecords(config.bad_records.in_a_row, config.bad_records.share)
        self.schema = build.schema(config)
        self.keys = Keys(config.max_keys)
        self.features = build.features(config)
        self.judged = Judged(goal.horizon)
        self.networks = build.networks(config, self.features.inputs)
        self.mixture = build.mixture(config)
        self._encoder = Encoder(
            lineage,
            self.mixture.members,
            classes=self._binary,
            keyed=config.key is not None,
            timed=config.time is not None,
            with_members=config.predictions.members,
        )

    # --- the event's path -------------------------------------------------------------------------

    def learn(
        self, records: Sequence[Record], partition: Partition, *, accepted: bool = False
    ) -> list[Output]:
        """One output per record, in order. Raises InputError when too many records are bad.

        `accepted`: the records were learned and committed before; however many are bad, that stops nothing.
        """
        block = self.schema.decode(records)
        self._count_bad(block, records, accepted)
        answers = self._pass_through(block) if block.rows.size else None
        outputs = self._answer(block, answers, records, partition)
        self._digest.add(outputs)
        return outputs

    def _pass_through(self, block: Block) -> Answers:
        slots, fresh = self.keys.resolve(block.keys)
        self._reserve()
        back = self.judged.resolve(slots, fresh, block.label)
        inputs = self.features.featurise(block, slots, fresh, back)
        predictions = np.empty((slots.size, len(self.networks)))
        for column, network in enumerate(self.networks):
            out = network.advance(slots, fresh, back, inputs.x, inputs.target, inputs.unit)
            predictions[:, column] = (
                probability(out) if self._binary else inputs.location + inputs.scale * out
            )
        scored = self.mixture.score(slots, fresh, back, block.label, predictions)
        self.labelled += int(np.count_nonzero(back >= 0))
        return Answers(block.label, back, scored)

    def _reserve(self) -> None:
        for part_of_key in self._per_key():
            part_of_key.reserve(len(self.keys))

    def _count_bad(self, block: Block, records: Sequence[Record], accepted: bool) -> None:
        if not block.rejects:
            self._bad.count_good(len(records))
            return
        bad = np.ones(len(records), np.bool_)
        bad[block.rows] = False
        last = block.rejects[-1]
        offset = records[last.index].offset
        example = f"offset {offset}: {last.reason} ({last.detail})"
        self._bad.count(bad.tolist(), example, accepted=accepted)

    # --- what is published ------------------------------------------------------------------------

    def _answer(
        self, block: Block, answers: Answers | None, records: Sequence[Record], partition: Partition
    ) -> list[Output]:
        good = self._predictions(block, answers, records, partition) if answers else []
        if not block.rejects:
            return good
        outputs: list[Output | None] = [None] * len(records)
        for row, output in zip(block.rows.tolist(), good, strict=True):
            outputs[row] = output
        for reject in block.rejects:
            outputs[reject.index] = dead_letter(
                records[reject.index], partition, reject.reason, reject.detail
            )
        return [output for output in outputs if output is not None]

    def _predictions(
        self, block: Block, answers: Answers, records: Sequence[Record], partition: Partition
    ) -> list[Output]:
        records = [records[row] for row in block.rows.tolist()]
        offsets = [record.offset for record in records]
        values = self._encoder.values(block, answers, offsets, partition, self.events + 1)
        self.events += len(values)
        keyed = self._config.key is not None
        keys = [key.encode() for key in block.keys] if keyed else [record.key for record in records]
        return [Output("prediction", key, value, []) for key, value in zip(keys, values, strict=True)]

    # --- what people look at ------------------------------------------------------------------------

    @property
    def members(self) -> list[str]:
        """Networks, then baselines: everything that the mix weighs."""
        return self.mixture.members

    @property
    def bytes_per_key(self) -> int:
        """Memory that one key takes."""
        return self.keys.bytes_per_key + sum(each.bytes_per_key for each in self._per_key())

    @property
    def kernel_hash(self) -> str:
        """Hash of all code that the networks are compiled from."""
        return sha256("".join(network.kernel_hash for network in self.networks).encode()).hexdigest()

    def windows(self) -> dict[str, int]:
        """Steps back that each network's gradient reaches now."""
        return {network.name: network.window_now for network in self.networks}

    def counts(self) -> dict[str, int]:
        """Since the lineage began: events, labels that judged a prediction, keys now and keys forgotten."""
        return {
            "events": self.events,
            "labelled": self.labelled,
            "keys": len(self.keys),
            "evicted_keys": self.keys.evicted,
        }

    def warm_up(self) -> None:
        """Compile what events need, or load it from the cache; nothing is learned."""
        self.judged.resolve(np.empty(0, np.int32), np.empty(0, np.bool_), np.empty(0))
        probability(np.empty(0))
        self.features.warm_up()
        for network in self.networks:
            network.warm_up()
        self.mixture.warm_up()

    # --- its state ----------------------------------------------------------------------------------

    @property
    def digest(self) -> str:
        """Chains key and value of everything published so far, in order."""
        return str(self._digest)

    def state_digest(self) -> str:
        """One hash of the whole state, the same for the same bits."""
        return digest(self.state())

    def state(self) -> State:
        """Every array that the future depends on, by name; copies, safe to write while learning goes on."""
        own: State = {
            "counts": np.array([self.events, self.labelled], np.int64),
            "digest": np.frombuffer(self._digest.value, np.uint8).copy(),
        }
        state = nested("learner", own)
        for name, holder in self._holders():
            state |= nested(name, holder.state())
        return state

    def load(self, state: State) -> None:
        """Become what `state()` was taken from. Raises SnapshotError naming the array that does not fit."""
        holders = self._holders()
        known = ("learner", *(name for name, _ in holders))
        if unknown := sorted(name for name in state if not name.startswith(tuple(f"{k}/" for k in known))):
            raise SnapshotError(f"array {unknown[0]} is not expected")
        own = within("learner", state)
        name = "learner"
        try:
            expect(own, {"counts": (np.int64, (2,)), "digest": (np.uint8, (16,))})
            for name, holder in holders:
                holder.load(within(name, state))
        except SnapshotError as unfit:
            raise SnapshotError(f"{name}: {unfit}") from None
        for name in self._rows_of_keys():
            if len(state[name]) != len(self.keys):
                raise SnapshotError(f"array {name} has {len(state[name])} rows for {len(self.keys)} keys")
        self.events, self.labelled = own["counts"].tolist()
        self._digest.value = own["digest"].tobytes()

    def _rows_of_keys(self) -> list[str]:
        """Of each part that holds keys, an array with one row for each."""
        networks = [f"networks/{index}/keys/steps" for index in range(len(self.networks))]
        return ["judged/steps", "features/keys/steps", *networks, "mixture/mix/steps"]

    def _per_key(self) -> list[build.PerKey]:
        return [self.judged, self.features, *self.networks, self.mixture]

    def _holders(self) -> list[tuple[str, build.Stateful]]:
        networks: list[tuple[str, build.Stateful]] = [
            (f"networks/{index}", network) for index, network in enumerate(self.networks)
        ]
        return [
            ("bad_records", self._bad),
            ("keys", self.keys),
            ("judged", self.judged),
            ("features", self.features),
            *networks,
            ("mixture", self.mixture),
        ]
