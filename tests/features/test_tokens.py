"""Texts to tokens and back, characters and bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn.features import Tokens, Vocabulary

DECLARED = "ab 🙂é\n"


def test_characters_are_numbered_as_declared_and_all_others_are_the_last_token():
    tokens, lengths = Vocabulary(DECLARED).encode(["a🙂z", "", "\né"])
    assert tokens.tolist() == [0, 3, 6, 5, 4]
    assert lengths.tolist() == [3, 0, 2]
    assert tokens.dtype == np.int32


@given(st.lists(st.text(max_size=8), max_size=5))
def test_tokens_spell_the_texts_but_for_undeclared_characters(texts):
    vocabulary = Vocabulary(DECLARED)
    tokens, lengths = vocabulary.encode(texts)
    assert lengths.tolist() == [len(text) for text in texts]
    spelt = "".join(c if c in DECLARED else "\N{REPLACEMENT CHARACTER}" for c in "".join(texts))
    assert "".join(map(vocabulary.text_of, tokens.tolist())) == spelt


@given(st.lists(st.text(max_size=8), max_size=5))
def test_without_a_declared_vocabulary_tokens_are_the_bytes_of_utf_8(texts):
    tokens, lengths = Vocabulary(None).encode(texts)
    assert bytes(tokens.tolist()) == "".join(texts).encode()
    assert lengths.tolist() == [len(text.encode()) for text in texts]


@pytest.mark.parametrize(("declared", "width"), [(DECLARED, 7), (None, 256)])
def test_names_are_as_many_as_tokens_and_all_different(declared, width):
    names = Vocabulary(declared).names
    assert len(names) == len(set(names)) == Vocabulary(declared).width == width
    if declared is None:
        assert (names[97], names[10], names[233]) == ("a", "\n", "\\xe9")


@pytest.mark.parametrize("declared", ["", "abca", "a\N{REPLACEMENT CHARACTER}"])
def test_a_vocabulary_that_is_ambiguous_is_refused(declared):
    with pytest.raises(ValueError, match="expected each character once"):
        Vocabulary(declared)


def test_the_input_of_a_step_is_one_where_its_token_is():
    tokens = Tokens(Vocabulary("ab"), "text")
    assert tokens.input_names == ["text.a", "text.b", "text.\N{REPLACEMENT CHARACTER}"]
    np.testing.assert_array_equal(tokens.featurise(np.array([2, 0], np.int32)), [[0, 0, 1], [1, 0, 0]])
    assert tokens.featurise(np.empty(0, np.int32)).shape == (0, tokens.inputs)
