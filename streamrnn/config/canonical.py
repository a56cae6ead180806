"""What shapes learning, in one form: two configurations learn alike if and only if these are equal."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from streamrnn.config.models import Config

_SHAPING = (
    "task",
    "key",
    "time",
    "features",
    "networks",
    "on_drift",
    "scaling",
    "mix",
    "observers",
    "max_keys",
    "predictions",
)


class Change(NamedTuple):
    """One value that differs; `old` or `new` is None where there is none."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.path}: {self.old!r} -> {self.new!r}"


def canonical(config: Config) -> dict[str, Any]:
    """Everything that decides what is learned and published, as plain JSON values with defaults filled in.

    `Config.model_validate` takes it back. Of `bad_records` only `max_bytes` is in it: it decides which
    records are learned; the rest only when to stop.
    """
    shaping = config.model_dump(mode="json", include=set(_SHAPING))
    shaping["bad_records"] = {"max_bytes": config.bad_records.max_bytes}
    return shaping


def learning_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Every value in which two canonical forms differ, by dotted path."""
    return list(_changes("", old, new))


def _changes(path: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from _changes(f"{path}.{key}".lstrip("."), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        for i in range(max(len(old), len(new))):
            pair = (items[i] if i < len(items) else None for items in (old, new))
            yield from _changes(f"{path}.{i}", *pair)
    elif old != new:
        yield Change(path, old, new)
