"""Parameters to and from the names of `torch.nn.RNN`, `LSTM`, `GRU` and `Linear`.

Ours are named as torch's are, `weight_ih_l0` and so on, but for two things. A cell with one bias has
`bias_l0`, the sum of torch's two: coming in they are added, going out the second is zero. The head's layers
are `head.0`, `head.1`, …; in a module of the user's they may have any name.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from streamrnn.errors import ConfigError

Array = npt.NDArray[np.floating]

_HEAD = "head."
_BIAS = re.compile(r"bias_l(\d+)")
_OF_CELL = re.compile(r"(?:weight|bias)_(?:ih|hh)(?:_l\d+)?")


def exported(parameters: Mapping[str, Array]) -> dict[str, Array]:
    """Copies by torch's names."""
    found: dict[str, Array] = {}
    for name, array in parameters.items():
        if match := _BIAS.fullmatch(name):
            layer = match[1]
            found |= {f"bias_ih_l{layer}": array.copy(), f"bias_hh_l{layer}": np.zeros_like(array)}
        else:
            found[name] = np.ascontiguousarray(array)
    return found


def imported(parameters: Mapping[str, Array], given: Mapping[str, Any]) -> dict[str, Array]:
    """New values of `parameters` from a state_dict of torch, or what `exported` or `parameters` gave.

    Names may have any prefix ("rnn."), and those of a single layer may be a cell's ("weight_ih"). Whatever
    else is there must be the head's layers, in their order; without any the head's own values stay. Raises
    ConfigError naming the array that is missing, too many or of another shape.
    """
    of_cell = {name: array for name, array in given.items() if _OF_CELL.fullmatch(_last(name))}
    of_head = {name: array for name, array in given.items() if name not in of_cell}
    values: dict[str, Array] = {}
    taken: set[str] = set()
    for name, now in parameters.items():
        if name.startswith(_HEAD):
            continue
        if match := _BIAS.fullmatch(name):
            source = _found(name, {other: a for other, a in of_head.items() if _BIAS.fullmatch(_last(other))})
            sources = (
                [source]
                if source
                else [_needed(f"bias_{part}_l{match[1]}", of_cell) for part in ("ih", "hh")]
            )
        else:
            sources = [_needed(name, of_cell)]
        arrays = [_shaped(source, given[source], now) for source in sources]
        values[name] = np.sum(arrays, axis=0)
        taken |= {*sources}
    if odd := sorted(of_cell.keys() - taken):
        raise ConfigError(
            f"array {odd[0]} has no counterpart in this network: too many layers, or another cell"
        )
    of_head = {name: array for name, array in of_head.items() if name not in taken}
    return values | _head({name: now for name, now in parameters.items() if name.startswith(_HEAD)}, of_head)


def _head(parameters: Mapping[str, Array], given: Mapping[str, Any]) -> dict[str, Array]:
    """The head's layers, by their order: numbers in a name count as numbers."""
    if not given:
        return {}
    order = sorted(given, key=lambda name: (_natural(name.rpartition(".")[0]), name.endswith("bias")))
    if len(order) != len(parameters) or any(
        _last(have) != _last(want) for have, want in zip(order, parameters, strict=True)
    ):
        raise ConfigError(f"the head is of {_list(parameters)}; given are {_list(order)}")
    return {
        want: _shaped(have, given[have], now)
        for have, (want, now) in zip(order, parameters.items(), strict=True)
    }


def _found(name: str, given: Mapping[str, Any]) -> str | None:
    """The array's name in `given`: the same, with a prefix, or for the only layer a cell's."""
    wanted = {name, name.removesuffix("_l0")}
    found = sorted(other for other in given if _last(other) in wanted)
    if len(found) > 1:
        raise ConfigError(f"arrays {_list(found)} are both {name}: give one of them")
    return found[0] if found else None


def _needed(name: str, given: Mapping[str, Any]) -> str:
    if (found := _found(name, given)) is None:
        raise ConfigError(f"array {name} is not there; given are {_list(sorted(given)) or 'none of a cell'}")
    return found


def _shaped(name: str, array: Any, now: Array) -> Array:
    if tuple(array.shape) != now.shape:
        raise ConfigError(f"array {name} has shape {tuple(array.shape)}; this network has {now.shape}")
    if np.asarray(array).dtype.kind != "f":
        raise ConfigError(f"array {name} is of type {array.dtype}; weights are float32 or float64")
    values = np.asarray(array, np.float64)
    if not np.isfinite(values).all():
        raise ConfigError(f"array {name} holds a number that is not finite")
    return values


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts head.2 before head.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
