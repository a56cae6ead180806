"""The learner of one partition: features, networks, mix and quality as one deterministic state machine.

Its whole state is a function of the records it was given, in order: never of how they were cut into calls,
never of a clock. An event walks through `learn` from top to bottom.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import repeat
from typing import Any

import numpy as np

from streamrnn.arrays import State, expect, nested, within
from streamrnn.config.models import Config, NextToken
from streamrnn.errors import SnapshotError
from streamrnn.features import Block, Keys
from streamrnn.learner import build
from streamrnn.learner.badrecords import BadRecords
from streamrnn.learner.build import Stateful
from streamrnn.learner.events import Events
from streamrnn.learner.mixtures import Mixtures
from streamrnn.learner.outputs import Digest, dead_letter
from streamrnn.learner.passes import Passes
from streamrnn.learner.texts import Texts
from streamrnn.snapshots import digest
from streamrnn.types import Headers, Kind, Output, Partition, Record


class Learner:
    """Predicts every event of one partition, and learns from each label once it has judged a prediction.

    `lineage` names the model's life and stands in everything it publishes.
    """

    def __init__(self, config: Config, lineage: str) -> None:
        self.lineage = lineage
        self.events = 0
        self._config = config
        self._digest = Digest()
        self._bad = BadRecords(config.bad_records.in_a_row, config.bad_records.share)
        self.schema = build.schema(config)
        of_text = isinstance(config.task, NextToken)
        self.passes: Passes = Texts(config, lineage) if of_text else Events(config, lineage)

    # --- the event's path -------------------------------------------------------------------------

    def learn(
        self, records: Sequence[Record], partition: Partition, *, accepted: bool = False
    ) -> list[Output]:
        """One output per record, in order. Raises InputError when too many records are bad.

        `accepted`: the records were learned and committed before; however many are bad, that stops nothing.
        """
        block = self.schema.decode(records)
        self._count_bad(block, records, accepted)
        good = self._predictions(block, records, partition) if block.rows.size else []
        outputs = self._with_dead_letters(good, block, records, partition)
        self._digest.add(outputs)
        return outputs

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

    def _predictions(self, block: Block, records: Sequence[Record], partition: Partition) -> list[Output]:
        good = [records[row] for row in block.rows.tolist()] if block.rejects else records
        offsets = [record.offset for record in good]
        values = self.passes.publish(block, offsets, partition, self.events + 1)
        self.events += len(values)
        keys = (
            [key.encode() for key in block.keys]
            if self._config.key is not None
            else [record.key for record in good]
        )
        headers: Iterable[Headers] = map(list, repeat(()))
        kinds: Iterable[Kind] = repeat("prediction")
        return list(map(Output, kinds, keys, values, headers))

    def _with_dead_letters(
        self, good: list[Output], block: Block, records: Sequence[Record], partition: Partition
    ) -> list[Output]:
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

    # --- what people look at ------------------------------------------------------------------------

    @property
    def labelled(self) -> int:
        """Labels that judged a prediction."""
        return self.passes.labelled

    @property
    def keys(self) -> Keys:
        return self.passes.keys

    @property
    def networks(self) -> list[build.AnyNetwork]:
        return self.passes.networks

    @property
    def mixture(self) -> Mixtures:
        return self.passes.mixtures

    @property
    def members(self) -> list[str]:
        """Networks, then baselines: everything that the mix weighs."""
        return self.mixture.members

    @property
    def bytes_per_key(self) -> int:
        """Memory that one key takes."""
        return self.passes.bytes_per_key

    @property
    def bytes_of_pool(self) -> int:
        """Memory for events that wait for labels by id, whatever the number of keys."""
        return self.passes.bytes_of_pool

    @property
    def kernel_hash(self) -> str:
        """Hash of all code that the networks are compiled from."""
        return sha256("".join(network.kernel_hash for network in self.networks).encode()).hexdigest()

    def windows(self) -> dict[str, int]:
        """Steps back that each network's gradient reaches now."""
        return {network.name: network.window_now for network in self.networks}

    def tallies(self) -> dict[str, dict[str, Any]]:
        """What each network is now, and what it did since the lineage began."""
        replaced = self.mixture.replaced()
        return {
            network.name: {
                "window": network.window_now,
                "rate": network.rate_now,
                "gradient_norm": network.gradient_norm,
                "updates": network.updates,
                "clipped": network.clipped,
                "skipped": network.skipped,
                "replaced": replaced[network.name],
                "drifts": network.drifts,
            }
            for network in self.networks
        }

    def counts(self) -> dict[str, int]:
        """Since the lineage began: records that were good, labels that judged a prediction, keys now and keys
        forgotten; and what became of labels, where they come by id or name their classes."""
        return {
            "events": self.events,
            "labelled": self.passes.labelled,
            "keys": len(self.keys),
            "evicted_keys": self.keys.evicted,
            **self.passes.counts(),
        }

    def take_weights(self, networks: Iterable[int] | None = None) -> None:
        """Begin with the weights in the files that the configuration names: of these networks, or of all.

        Raises ConfigError if a file cannot be read or does not fit.
        """
        for i in range(len(self.networks)) if networks is None else networks:
            build.take_weights(f"networks.{i}", self.networks[i], self._config.networks[i])

    def warm_up(self) -> None:
        """Compile what events need, or load it from the cache; nothing is learned."""
        self.passes.warm_up()

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
        state = nested("learner", {"counts": np.array([self.events, self.passes.labelled], np.int64)})
        for name, part in self._parts().items():
            state |= nested(name, part.state())
        return state

    def load(self, state: State) -> None:
        """Become what `state()` was taken from. Raises SnapshotError naming the array that does not fit."""
        parts = self._parts()
        known = tuple(f"{name}/" for name in ("learner", *parts))
        if unknown := sorted(name for name in state if not name.startswith(known)):
            raise SnapshotError(f"array {unknown[0]} is not expected")
        own = within("learner", state)
        name = "learner"
        try:
            expect(own, {"counts": (np.int64, (2,))})
            for name, part in parts.items():
                part.load(within(name, state))
        except SnapshotError as unfit:
            raise SnapshotError(f"{name}: {unfit}") from None
        for name in self.passes.rows_of_keys():
            if name in state and len(state[name]) != len(self.keys):
                raise SnapshotError(f"array {name} has {len(state[name])} rows for {len(self.keys)} keys")
        self.events, self.passes.labelled = own["counts"].tolist()

    def _parts(self) -> dict[str, Stateful]:
        return {"bad_records": self._bad, "digest": self._digest, **self.passes.parts()}
