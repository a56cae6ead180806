"""Categories: a column each in order of appearance, then hashed."""

import zlib

import numpy as np

from streamrnn.features import Category
from streamrnn.features.category import CategoryEncoder


def columns(encoder: CategoryEncoder, texts: list[str | None]) -> list[int]:
    hot = np.empty(len(texts), np.int64)
    encoder.encode(texts, 10, hot)
    return hot.tolist()


def test_the_first_values_get_a_column_each_and_later_ones_share_by_their_crc32():
    encoder = CategoryEncoder(Category("kind", bound=2, buckets=5))
    late = 12 + zlib.crc32("späte".encode()) % 5
    assert columns(encoder, ["b", None, "a", "b", "späte", "a"]) == [10, -1, 11, 10, late, 11]
    assert columns(encoder, ["späte", "b"]) == [late, 10]
    assert len(encoder.names) == 7
