"""The configuration models seen from outside: the names a place allows, and where a validation error points.

pydantic puts the tags of unions into an error's location; people know only the names in their file. So a
location is walked along the models' own annotations, and the tags are left out.
"""

import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import SecretStr, Tag

from streamrnn.config.document import Path
from streamrnn.config.models import Config
from streamrnn.config.parts import Part


class Place(NamedTuple):
    """Where a validation error points."""

    path: Path
    """Without the tags of unions."""
    names: tuple[str, ...]
    """Valid names at the last step of the path."""
    rivals: tuple[str, ...]
    """Kinds that exclude each other at the innermost union on the way (forecast, regression, …)."""


def locate(location: Sequence[str | int]) -> Place:
    """The place that a pydantic error location means."""
    here: Any = Config
    path: list[str | int] = []
    names: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    for step in location:
        choices = dict(_alternatives(here))
        if len(choices) > 1 and step in choices:
            here, rivals = choices[str(step)], tuple(choices)
            continue
        path.append(step)
        names = tuple(name for model in _models(here) for name in model.model_fields)
        here = next(_children(here, step), Any)
    if not names or len(dict(_alternatives(here))) > 1:
        rivals = tuple(dict(_alternatives(here)))
    return Place(tuple(path), names, rivals)


def takes_text(path: Path) -> bool:
    """True if what stands at `path` is read as it is written, so that `007` stays `007`."""
    here: list[Any] = [Config]
    for step in path:
        here = [child for place in here for child in _children(place, step)]
    return any(_plain(kind) in (str, SecretStr) for place in here for _, kind in _alternatives(place))


def secret_names() -> frozenset[str]:
    """Names of all fields that hold a secret, whatever part they stand in."""
    return frozenset(
        name
        for model in _all_models(Config)
        for name, field in model.model_fields.items()
        if any(_plain(kind) is SecretStr for _, kind in _alternatives(field.annotation))
    )


def _alternatives(annotation: Any) -> Iterator[tuple[str, Any]]:
    """(tag, kind) of what may stand here; one pair, with an empty tag, where there is no choice."""
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        tags = [extra.tag for extra in extras if isinstance(extra, Tag)]
        if tags:
            yield tags[0], inner
            return
        annotation = inner
    if get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            if member is not types.NoneType:
                yield from _alternatives(member)
        return
    yield "", annotation


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _models(annotation: Any) -> Iterator[type[Part]]:
    for _, kind in _alternatives(annotation):
        if isinstance(_plain(kind), type) and issubclass(_plain(kind), Part):
            yield _plain(kind)


def _children(annotation: Any, step: str | int) -> Iterator[Any]:
    """What may stand one step further down."""
    for _, kind in _alternatives(annotation):
        plain = _plain(kind)
        if get_origin(plain) is tuple and isinstance(step, int):
            yield get_args(plain)[0]
    for model in _models(annotation):
        if step in model.model_fields:
            yield model.model_fields[str(step)].annotation


def _all_models(annotation: Any) -> Iterator[type[Part]]:
    for _, kind in _alternatives(annotation):
        plain = _plain(kind)
        if get_origin(plain) is tuple:
            yield from _all_models(get_args(plain)[0])
    for model in _models(annotation):
        yield model
        for field in model.model_fields.values():
            yield from _all_models(field.annotation)
