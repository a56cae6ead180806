"""How the answers of each kind of task look in a prediction record, as columns over a block."""

from collections.abc import Iterable, Sequence
from itertools import pairwise, repeat
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamrnn.features import Classes
from streamrnn.mixing import Scored

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOTHING: Iterable[Any] = repeat(None)


class Answers(NamedTuple):
    """What the passes found for the n good records of a block."""

    label: Floats
    """(w, n) numbers, or the index of a class."""
    moves: NDArray[np.bool_]
    """(n,) the record is an event of its own; False: it only brought a label."""
    scored: Sequence[Scored]
    """Of each field."""
    known: Ints
    """(n,) classes that had been seen before the event."""
    bounds: Sequence[tuple[Floats, Floats]] = ()
    """Of each field, if intervals are asked for: lowest and highest value (n,)."""
    quantiles: Floats | None = None
    """(n, w, q)"""
    surprise: Floats | None = None
    """(n,) of the judged event, in [0, 1]."""


class TextAnswers(NamedTuple):
    """What the passes found for the n good records of a block."""

    published: Floats
    """(n, V) probabilities of the token after each text; NaN for an empty one."""
    judged: NDArray[np.int64]
    """(n,) tokens of each text that had been predicted."""
    losses: Floats
    """(n, 1 + M) their log losses, summed: of the mix, then of each member [nats]."""
    surprise: Floats
    """(n,) in [0, 1]; NaN where nothing was judged."""


class Form(Protocol):
    """Columns of n values each."""

    def predictions(self, answers: Answers) -> Iterable[Any]: ...

    def probabilities(self, answers: Answers) -> Iterable[Any]: ...

    def members(self, answers: Answers) -> Iterable[Any]: ...

    def labels(self, answers: Answers) -> Iterable[Any]: ...

    def judged(self, answers: Answers) -> Iterable[Any]:
        """What had been published."""
        ...

    def losses(self, answers: Answers) -> Iterable[Any]: ...


class Number:
    """One field: plain numbers."""

    def __init__(self, members: Sequence[str]) -> None:
        self._members = named(members)
        self._losses = named(("mix", *members))

    def predictions(self, answers: Answers) -> Iterable[Any]:
        return _listed(answers.scored[0].published)

    def probabilities(self, answers: Answers) -> Iterable[Any]:
        return NOTHING

    def members(self, answers: Answers) -> Iterable[Any]:
        return map(self._members, *answers.scored[0].members.T.tolist())

    def labels(self, answers: Answers) -> Iterable[Any]:
        return _listed(answers.label[0])

    def judged(self, answers: Answers) -> Iterable[Any]:
        return _listed(answers.scored[0].judged_published)

    def losses(self, answers: Answers) -> Iterable[Any]:
        return map(self._losses, *answers.scored[0].losses.T.tolist())


class Numbers:
    """Several fields: everything by the field's name."""

    def __init__(self, fields: Sequence[str], members: Sequence[str]) -> None:
        self._fields = named(fields)
        self._members = named(members)
        self._losses = named(("mix", *members))

    def predictions(self, answers: Answers) -> Iterable[Any]:
        return self._by_field(scored.published.tolist() for scored in answers.scored)

    def probabilities(self, answers: Answers) -> Iterable[Any]:
        return NOTHING

    def members(self, answers: Answers) -> Iterable[Any]:
        return self._by_field(map(self._members, *s.members.T.tolist()) for s in answers.scored)

    def labels(self, answers: Answers) -> Iterable[Any]:
        return self._by_field(answers.label.tolist())

    def judged(self, answers: Answers) -> Iterable[Any]:
        return self._by_field(scored.judged_published.tolist() for scored in answers.scored)

    def losses(self, answers: Answers) -> Iterable[Any]:
        return self._by_field(map(self._losses, *s.losses.T.tolist()) for s in answers.scored)

    def _by_field(self, columns: Iterable[Iterable[Any]]) -> Iterable[Any]:
        return map(self._fields, *columns)


class Class:
    """The likeliest class, and the probability of each that had been seen before the event."""

    def __init__(self, classes: Classes, members: Sequence[str]) -> None:
        self._classes = classes
        self._members = named(members)
        self._losses = named(("mix", *members))

    def predictions(self, answers: Answers) -> Iterable[Any]:
        return self._likeliest(answers.scored[0].published, answers.known)

    def _likeliest(self, probabilities: Floats, known: Ints) -> Iterable[Any]:
        """None where it is a class that nobody had seen yet."""
        indices = np.where(np.isnan(probabilities[:, 0]), known, probabilities.argmax(axis=1))
        names = np.array([*self._classes.names, None], object)
        return _listed(names[np.where(indices < known, indices, -1)])

    def probabilities(self, answers: Answers) -> Iterable[Any]:
        return self._by_name(answers.scored[0].published, answers.known)

    def members(self, answers: Answers) -> Iterable[Any]:
        members = answers.scored[0].members.swapaxes(0, 1)
        return map(self._members, *(self._by_name(each, answers.known) for each in members))

    def _by_name(self, probabilities: Floats, known: Ints) -> Iterable[Any]:
        """By the names of the classes known to each event, whose number never falls."""
        names = self._classes.names
        edges = [0, *(np.flatnonzero(np.diff(known)) + 1).tolist(), len(known)]
        for begin, end in pairwise(edges):
            kind = named(names[: known[begin]])
            columns = probabilities[begin:end, : known[begin]].T.tolist()
            yield from map(kind, *columns) if columns else repeat(kind(), end - begin)

    def labels(self, answers: Answers) -> Iterable[Any]:
        names = self._classes.names
        return [None if index != index else names[int(index)] for index in answers.label[0].tolist()]

    def judged(self, answers: Answers) -> Iterable[Any]:
        return self._likeliest(answers.scored[0].judged_published, answers.known)

    def losses(self, answers: Answers) -> Iterable[Any]:
        return map(self._losses, *answers.scored[0].losses.T.tolist())


class Binary:
    """0 or 1, and the probability of each; members and judgements speak of the probability of 1."""

    def __init__(self, members: Sequence[str]) -> None:
        self._probabilities = named(("0", "1"))
        self._members = named(members)
        self._losses = named(("mix", *members))

    def predictions(self, answers: Answers) -> Iterable[Any]:
        return _listed((answers.scored[0].published[:, 1] >= 0.5).astype(np.int64))

    def probabilities(self, answers: Answers) -> Iterable[Any]:
        return map(self._probabilities, *answers.scored[0].published.T.tolist())

    def members(self, answers: Answers) -> Iterable[Any]:
        return map(self._members, *answers.scored[0].members[:, :, 1].T.tolist())

    def labels(self, answers: Answers) -> Iterable[Any]:
        return _listed(answers.label[0])

    def judged(self, answers: Answers) -> Iterable[Any]:
        return _listed(answers.scored[0].judged_published[:, 1])

    def losses(self, answers: Answers) -> Iterable[Any]:
        return map(self._losses, *answers.scored[0].losses.T.tolist())


def _listed(column: NDArray[Any]) -> list[Any]:
    values: list[Any] = column.tolist()
    return values


def named(names: Sequence[str]) -> Any:
    """A type that is written like a dictionary of these names, and made several times as fast."""
    attributes = {f"n{i}": name for i, name in enumerate(names)}
    return msgspec.defstruct("Named", [(a, Any) for a in attributes], rename=attributes, gc=False)
