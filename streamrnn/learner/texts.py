"""The passes over texts: every character of a record is a step of its key, and predicts the one after it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamrnn.arrays import Steps
from streamrnn.compiled import loop
from streamrnn.config.models import Config, NextToken
from streamrnn.features import Block, Tokens, Vocabulary
from streamrnn.learner import answers as a
from streamrnn.learner.build import PerKey, Stateful
from streamrnn.learner.forms import Floats, TextAnswers
from streamrnn.learner.outputs import TextEncoder
from streamrnn.learner.passes import Passes
from streamrnn.learner.prepass import Ahead, Flags, Slots
from streamrnn.mixing import Surprise
from streamrnn.types import Partition

SLICE = 2048
"""Steps that are held in memory at once; their results do not depend on it."""


class Texts(Passes):
    """Tokens, networks and mix."""

    def __init__(self, config: Config, lineage: str) -> None:
        assert isinstance(config.task, NextToken)
        text = None if config.task.vocabulary == "bytes" else config.task.vocabulary
        self.vocabulary = Vocabulary(text)
        self._tokens = Tokens(self.vocabulary, config.task.next_token)
        self._ahead = Ahead(1)
        self.surprise = Surprise("classes")
        super().__init__(config, self._ahead, self._tokens.inputs)
        self._encoder = TextEncoder(
            lineage,
            self.vocabulary.names,
            self.mixtures.members,
            keyed=config.key is not None,
            timed=config.time is not None,
        )

    def publish(self, block: Block, offsets: Sequence[int], partition: Partition, first: int) -> list[bytes]:
        return self._encoder.values(block, self.answer(block), offsets, partition, first)

    def answer(self, block: Block) -> TextAnswers:
        tokens, lengths = self.vocabulary.encode(block.texts)
        found = self._blank(len(block))
        full = np.flatnonzero(lengths)  # an empty text does not touch its key
        own, begins = self.keys.resolve([block.keys[row] for row in full.tolist()])
        self.reserve()
        owner = np.repeat(np.arange(len(block)), lengths)
        slots, fresh = np.repeat(own, lengths[full]), np.zeros(tokens.size, np.bool_)
        fresh[np.cumsum(lengths[full]) - lengths[full]] = begins
        for begin in range(0, tokens.size, SLICE):
            part = slice(begin, begin + SLICE)
            self._learn(tokens[part], slots[part], fresh[part], owner[part], found)
        self.labelled += int(found.judged.sum())
        found.surprise[full] = self._surprise(own, begins, found.losses[full, 0], found.judged[full])
        return found

    def _surprise(self, slots: Slots, fresh: Flags, losses: Floats, judged: NDArray[np.int64]) -> Floats:
        """Of whole records (n,), by their mean loss."""
        none, moves = np.full(slots.size, -1, np.int32), np.ones(slots.size, np.bool_)
        mean = np.where(judged > 0, losses / np.maximum(judged, 1), np.nan)
        return self.surprise.score(Steps(slots, fresh, moves, none, none, none), mean)

    def _blank(self, n: int) -> TextAnswers:
        columns = 1 + len(self.mixtures.members)
        return TextAnswers(
            np.full((n, self.vocabulary.width), np.nan),
            np.zeros(n, np.int64),
            np.zeros((n, columns)),
            np.full(n, np.nan),
        )

    def parts(self) -> dict[str, Stateful]:
        return {**super().parts(), "surprise": self.surprise}

    def per_key(self) -> list[PerKey]:
        return [*super().per_key(), self.surprise]

    def _learn(
        self,
        tokens: NDArray[np.int32],
        slots: Slots,
        fresh: Flags,
        owner: NDArray[np.int64],
        found: TextAnswers,
    ) -> None:
        """One slice; `owner` is the record that each token belongs to."""
        steps = self._ahead.follow(slots, fresh, np.ones(tokens.size, np.bool_), len(self.keys))
        target = np.where(steps.judge >= 0, tokens, np.nan)[:, np.newaxis]
        x, unit = self._tokens.featurise(tokens), np.ones((tokens.size, 1))
        outs = [network.advance(steps, x, target, unit) for network in self.networks]
        [scored] = self.mixtures.score(steps, tokens[np.newaxis].astype(np.float64), a.classes(outs))
        _sum_up(owner, scored.judged, scored.losses, found.judged, found.losses)
        last = np.flatnonzero(np.diff(owner, append=-1))  # of each record in this slice
        found.published[owner[last]] = scored.published[last]

    def warm_up(self) -> None:
        """Compile what texts need, or load it from the cache; nothing is learned."""
        none, never = np.empty(0, np.int32), np.empty(0, np.bool_)
        self._learn(none, none, never, np.empty(0, np.int64), self._blank(0))
        self.surprise.warm_up()


@loop
def _sum_up(
    owner: NDArray[np.int64], known: Flags, losses: Floats, judged: NDArray[np.int64], sums: Floats
) -> None:
    """Add the losses (T, 1 + M) of judged tokens to their records, in order."""
    for t in range(owner.size):
        if known[t]:
            judged[owner[t]] += 1
            for j in range(losses.shape[1]):
                sums[owner[t], j] += losses[t, j]
