"""Texts as tokens, characters or bytes, and each step's token as its input."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamrnn.features.specs import BYTES

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Stands for every character that is not declared."""


class Vocabulary:
    """V tokens: the declared characters in their order and one for all others, or the 256 bytes of UTF-8."""

    def __init__(self, declared: str | None) -> None:
        """None: bytes. Raises ValueError unless at least one character, and each one once, is declared."""
        self._characters = declared
        if declared is not None:
            if not declared or len(set(declared)) < len(declared) or UNKNOWN in declared:
                raise ValueError(
                    f"vocabulary {declared!r}: expected each character once, and {UNKNOWN} not at all"
                )
            self._codes = np.sort(_codes(declared))
            self._tokens = np.argsort(_codes(declared)).astype(np.int32)

    @property
    def width(self) -> int:
        """V"""
        return BYTES if self._characters is None else len(self._characters) + 1

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """All tokens of the texts in order (T,), and how many of them each text has (n,)."""
        if self._characters is None:
            parts = [text.encode() for text in texts]
            tokens = np.frombuffer(b"".join(parts), np.uint8).astype(np.int32)
            return tokens, np.array(list(map(len, parts)), np.int64)
        codes = _codes("".join(texts))
        place = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        known = self._codes[place] == codes
        tokens = np.where(known, self._tokens[place], len(self._codes)).astype(np.int32)
        return tokens, np.array(list(map(len, texts)), np.int64)

    def text_of(self, token: int) -> str:
        r"""The token as one readable text, no two alike; a byte beyond ASCII as \x and two digits."""
        if self._characters is None:
            return chr(token) if token < 128 else f"\\x{token:02x}"
        return self._characters[token] if token < len(self._characters) else UNKNOWN

    @property
    def names(self) -> list[str]:
        """`text_of` every token."""
        return [self.text_of(token) for token in range(self.width)]


class Tokens:
    """Inputs of a task whose label is the next token: the present one, and nothing to be remembered."""

    def __init__(self, vocabulary: Vocabulary, field: str) -> None:
        self.vocabulary = vocabulary
        self.input_names = [f"{field}.{text}" for text in vocabulary.names]

    @property
    def inputs(self) -> int:
        """d = V: how many inputs a network gets."""
        return self.vocabulary.width

    def featurise(self, tokens: NDArray[np.int32]) -> NDArray[np.float64]:
        """(T, V), 1 where a step's token is."""
        x = np.zeros((tokens.size, self.inputs))
        x[np.arange(tokens.size), tokens] = 1.0
        return x


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.uint32)
