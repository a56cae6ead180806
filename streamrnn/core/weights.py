"""Weights in a `.safetensors` file, by torch's names: out of a network, and into one that begins its life."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from streamrnn.arrays import State
from streamrnn.errors import ConfigError

Array = npt.NDArray[Any]

_NUMBERS = "fiub"
"""Kinds of NumPy's own types; a library may have taught it bfloat16, which is of another."""


class Weighted(Protocol):
    """A network of either engine."""

    def take(self, weights: Mapping[str, Array], /) -> None: ...

    def torch_state(self) -> State: ...


def start_from(network: Weighted, path: Path) -> None:
    """Begin with the weights in the file instead of random ones.

    The names are those of `torch_state`, with or without a prefix common to all. Raises ConfigError that
    names the file, and the array that is missing, unknown, of another shape or not finite.
    """
    weights = read(path)
    try:
        network.take(weights)
    except ConfigError as unfit:
        raise ConfigError(f"{path}: {unfit}") from unfit


def read(path: Path) -> dict[str, Array]:
    """All arrays of the file: parameters, and whatever a module keeps beside them, such as counts.

    Raises ConfigError that names the file if it cannot be read, or an array that is not finite.
    """
    try:
        arrays = safetensors.numpy.load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{path}: weights cannot be read: {error}") from error
    except (KeyError, TypeError) as error:  # bfloat16 and the like
        raise ConfigError(
            f"{path}: NumPy cannot hold these weights ({error}); save them as float32"
        ) from error
    if odd := [array.dtype for array in arrays.values() if array.dtype.kind not in _NUMBERS]:
        raise ConfigError(f"{path}: NumPy cannot hold these weights ({odd[0]}); save them as float32")
    if wrong := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise ConfigError(f"{path}: array {wrong[0]} is not finite")
    return arrays


def write(path: Path, weights: Mapping[str, Array], facts: Mapping[str, str]) -> None:
    """The arrays with a few facts beside them; torch reads the file with `safetensors.torch.load_file`."""
    plain = {name: np.asarray(array, order="C") for name, array in weights.items()}
    safetensors.numpy.save_file(plain, path, {"format": "pt", **facts})
