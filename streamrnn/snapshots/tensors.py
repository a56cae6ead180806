"""The safetensors format, in pieces: a header, then the bytes of each array as they stand in memory.

`safetensors.numpy.save` gives the same bytes, but holds Python's global lock while it copies the whole state
twice, and so stops every other thread meanwhile.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

TYPES = {
    "uint64": "U64",
    "int64": "I64",
    "float64": "F64",
    "float32": "F32",
    "uint32": "U32",
    "int32": "I32",
    "uint16": "U16",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
"""What a file can hold, in the order of a file, which keeps every array aligned."""


def pieces(arrays: Arrays) -> Iterator[bytes | memoryview]:
    """What a file of these little-endian, contiguous arrays consists of."""
    ranks = {dtype: rank for rank, dtype in enumerate(TYPES)}
    names = sorted(arrays, key=lambda name: (ranks[arrays[name].dtype.name], name))
    yield _header([(name, arrays[name]) for name in names])
    for name in names:
        yield arrays[name].reshape(-1).view(np.uint8).data


def _header(arrays: list[tuple[str, NDArray[Any]]]) -> bytes:
    """Its own length in 8 bytes, then names, types, shapes and places as JSON, padded to whole 8 bytes."""
    entries, begin = {}, 0
    for name, array in arrays:
        end = begin + array.nbytes
        entries[name] = {
            "dtype": TYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    content = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    padded = content.ljust(-(-len(content) // 8) * 8)
    return len(padded).to_bytes(8, "little") + padded
