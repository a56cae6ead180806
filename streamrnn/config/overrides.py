"""Values that stand above the file: environment variables, then `--set` on the command line."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from streamrnn.config.document import Document, Path, read_scalar
from streamrnn.config.models import Config
from streamrnn.config.shape import takes_text
from streamrnn.errors import ConfigError

PREFIX = "STREAMRNN_"
_NEAR = 0.8
"""Likeness above which an unknown variable is a misspelt setting rather than somebody else's."""


class Override(NamedTuple):
    path: Path
    value: Any
    origin: str


def from_environment(environ: Mapping[str, str]) -> list[Override]:
    """`STREAMRNN_NETWORKS__0__HIDDEN=128` and the like, in the order of their paths."""
    found = [
        Override(path, _value(path, text, name), name)
        for name, text in environ.items()
        if name.startswith(PREFIX) and (path := _path_of_variable(name))
    ]
    return sorted(found, key=lambda override: [(isinstance(step, str), step) for step in override.path])


def from_arguments(settings: Iterable[str]) -> Iterator[Override]:
    """`networks.0.hidden=128` and the like, in the given order."""
    for setting in settings:
        dotted, equals, text = setting.partition("=")
        path = _steps(dotted.strip().split("."))
        if not equals or not all(str(step) for step in path):
            raise ConfigError(f"--set {setting}: expected PATH=VALUE, for example networks.0.hidden=128")
        yield Override(path, _value(path, text, f"--set {setting}"), "--set")


def apply(document: Document, override: Override) -> None:
    """Put the override's value into the document; parents that are absent are made."""
    parent: Any = document.data
    for depth, step in enumerate(override.path):
        last = depth + 1 == len(override.path)
        _check_step(parent, override, depth)
        if isinstance(parent, list) and step == len(parent):
            parent.append({})
        if last:
            parent[step] = override.value
        elif isinstance(parent, dict) and parent.get(str(step)) is None:
            parent[step] = [] if isinstance(override.path[depth + 1], int) else {}
        document.origins.setdefault(override.path[: depth + 1], override.origin)
        parent = parent[step]
    for path in [path for path in document.origins if path[: len(override.path)] == override.path]:
        del document.origins[path]
    document.origins[override.path] = override.origin


def _path_of_variable(name: str) -> Path:
    """The path that a variable sets; empty for one that is not a setting (STREAMRNN_CACHE_DIR, …)."""
    path = _steps(name.removeprefix(PREFIX).lower().split("__"))
    if len(path) > 1 or path[0] in Config.model_fields:
        return path
    near = difflib.get_close_matches(str(path[0]), Config.model_fields, 1, _NEAR)
    if near:
        raise ConfigError(f"{name}: unknown; did you mean {PREFIX}{near[0].upper()}?")
    return ()


def _steps(names: list[str]) -> Path:
    return tuple(int(name) if name.isdecimal() else name for name in names)


def _value(path: Path, text: str, origin: str) -> Any:
    if takes_text(path):
        return text
    try:
        return read_scalar(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: {text!r} is not a value: {str(error).splitlines()[0]}") from error


def _check_step(parent: Any, override: Override, depth: int) -> None:
    step = override.path[depth]
    above = ".".join(map(str, override.path[:depth])) or "the configuration"
    if isinstance(parent, list):
        if not isinstance(step, int) or step > len(parent):
            raise ConfigError(
                f"{override.origin}: {above}: expected an index from 0 to {len(parent)}, not {step}"
            )
    elif not isinstance(parent, dict):
        raise ConfigError(
            f"{override.origin}: {above} is {parent!r}, which has nothing inside; set it as a whole"
        )
