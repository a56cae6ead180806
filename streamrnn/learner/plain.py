"""Objects of river as plain values and back, by an allow-list: state of observers without pickle's dangers.

An object is taken apart as `copyreg` and pickle would (`__reduce_ex__`), but only values of plain types and
classes and functions of the allowed modules are let through, in either direction: reading a state can call
nothing but what river itself defines.
"""

import base64
import collections
import copyreg
import functools
import importlib
import json
import math
import random
import types
from typing import Any

import numpy as np

from streamrnn.errors import ConfigError, SnapshotError

_PROTOCOL = 2
_CONTAINERS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_ALLOWED = {
    "builtins.int": int,
    "builtins.float": float,
    "builtins.bool": bool,
    "builtins.str": str,
    "builtins.list": list,
    "builtins.dict": dict,
    "builtins.set": set,
    "collections.Counter": collections.Counter,
    "collections.OrderedDict": collections.OrderedDict,
    "collections.defaultdict": collections.defaultdict,
    "collections.deque": collections.deque,
    "copyreg.__newobj__": copyreg.__newobj__,  # type: ignore[attr-defined]
    "functools.partial": functools.partial,
    "random.Random": random.Random,
}
_NUMBERS = {"float64": np.float64, "int64": np.int64, "bool": np.bool_, "bool_": np.bool_}
_MODULES = ("river.",)


def dumps(value: Any) -> bytes:
    """The value as JSON. Raises ConfigError naming the type that is neither plain nor allowed."""
    return json.dumps(_Writer().write(value), allow_nan=False).encode()


def loads(content: bytes) -> Any:
    """The inverse. Raises SnapshotError if it asks for anything that is not allowed."""
    try:
        return _Reader().read(json.loads(content))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError) as error:
        raise SnapshotError(f"not the state of an observer: {error}") from error


class _Writer:
    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []
        """Keeps what was seen alive, so that no id stands for two objects."""

    def write(self, value: Any) -> Any:
        """JSON; whatever JSON has no value for is a list that begins with its kind."""
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else ["float", repr(value)]
        if kind is bytes:
            return ["bytes", base64.b64encode(value).decode()]
        if kind in (np.float64, np.int64, np.bool_):
            return ["number", kind.__name__, self.write(value.item())]
        if isinstance(value, types.MethodType):
            return ["method", self.write(value.__self__), value.__name__]
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            return ["name", self._name(value)]
        if id(value) in self._seen:
            return ["same", self._seen[id(value)]]
        self._seen[id(value)] = len(self._kept)
        self._kept.append(value)
        if kind is dict:
            return ["dict", [[self.write(k), self.write(v)] for k, v in value.items()]]
        if kind.__name__ in _CONTAINERS and kind is _CONTAINERS[kind.__name__]:
            items = sorted(value, key=repr) if kind in (set, frozenset) else value
            return [kind.__name__, [self.write(item) for item in items]]
        return self._write_object(value)

    def _write_object(self, value: Any) -> Any:
        self._name(type(value))
        try:
            parts: tuple[Any, ...] = value.__reduce_ex__(_PROTOCOL)
        except (TypeError, NotImplementedError) as error:
            raise ConfigError(f"{type(value).__name__} cannot be saved: {error}") from None
        make, arguments = parts[:2]
        state: Any
        items: Any
        pairs: Any
        state, items, pairs = (*parts[2:5], None, None, None)[:3]
        return [
            "object",
            self._name(make),
            [self.write(argument) for argument in arguments],
            self.write(state),
            [self.write(item) for item in items or ()],
            [[self.write(k), self.write(v)] for k, v in pairs or ()],
        ]

    def _name(self, value: Any) -> str:
        module = getattr(value, "__module__", "")
        name = f"{module}.{value.__qualname__}"
        if _found(name) is not value:
            raise ConfigError(
                f"{name} cannot be saved: it is neither a plain value nor a named part of river"
            )
        return name


class _Reader:
    def __init__(self) -> None:
        self._seen: list[Any] = []

    def read(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        kind, *rest = value
        if kind == "float":
            return float(rest[0])
        if kind == "bytes":
            return base64.b64decode(rest[0])
        if kind == "number":
            return _NUMBERS[rest[0]](self.read(rest[1]))
        if kind == "method":
            return self._method(self.read(rest[0]), rest[1])
        if kind == "name":
            return self._allowed(rest[0])
        if kind == "same":
            return self._seen[rest[0]]
        place = len(self._seen)
        self._seen.append(None)
        if kind == "dict":
            made: Any = {}
            self._seen[place] = made
            made.update((self.read(k), self.read(v)) for k, v in rest[0])
        elif kind in _CONTAINERS:
            made = _CONTAINERS[kind](self.read(item) for item in rest[0])
        else:
            made = self._read_object(place, *rest)
        self._seen[place] = made
        return made

    def _read_object(
        self, place: int, name: str, arguments: list[Any], state: Any, items: list[Any], pairs: list[Any]
    ) -> Any:
        made = self._allowed(name)(*map(self.read, arguments))
        self._seen[place] = made
        _set_state(made, self.read(state))
        for item in items:
            made.append(self.read(item))
        for key, item in pairs:
            made[self.read(key)] = self.read(item)
        return made

    def _method(self, owner: Any, name: str) -> Any:
        if not type(owner).__module__.startswith(_MODULES):
            raise ValueError(f"{name} of {type(owner).__name__} is not allowed")
        return getattr(owner, name)

    def _allowed(self, name: str) -> Any:
        found = _found(name)
        if found is None:
            raise ValueError(f"{name} is not allowed")
        return found


def _set_state(made: Any, state: Any) -> None:
    """As pickle does it."""
    if state is None:
        return
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for part in (attributes, slots):
        for name, value in (part or {}).items():
            setattr(made, name, value)


def _found(name: str) -> Any:
    """What an allowed name means; None if it is not allowed, or means nothing."""
    if name in _ALLOWED:
        return _ALLOWED[name]
    if not name.startswith(_MODULES):
        return None
    module, _, rest = name.partition(".")
    found: Any = importlib.import_module(module)
    for part in rest.split("."):
        if not hasattr(found, part):
            try:
                found = importlib.import_module(f"{found.__name__}.{part}")
            except (ImportError, AttributeError):
                return None
        else:
            found = getattr(found, part)
    return found if getattr(found, "__module__", "").startswith(_MODULES) else None
