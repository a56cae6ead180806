"""A YAML document as plain values, with the line that each value stands on."""

import re
from typing import Any

import yaml

from streamrnn.errors import ConfigError

Path = tuple[str | int, ...]
"""Names and indexes from the top of a document down to a value."""


class Document:
    """Plain values (`data`), and for every path where its value came from (`origins`)."""

    def __init__(self, data: dict[str, Any], origins: dict[Path, str], name: str) -> None:
        self.data = data
        self.origins = origins
        self.name = name

    def origin(self, path: Path) -> str:
        """Where the value at `path` came from; for one that is absent, where its nearest parent did."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path, self.name)


def read_yaml(text: str, name: str) -> Document:
    """The document in `text`, a mapping; `name` stands in messages. Raises ConfigError."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        reason = ", ".join(part for part in (error.problem, error.context) if part)
        raise ConfigError(f"{name}{line}: not valid YAML: {reason}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(
            f"{name}: expected fields such as `task:` and `features:`; `streamrnn init` writes a first file"
        )
    origins: dict[Path, str] = {(): name}
    return Document(_Reader(name, origins).value(node, (), ()), origins, name)


def read_scalar(text: str) -> Any:
    """The value that `text` has on the right of a colon in YAML; raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)


class _Loader(yaml.SafeLoader):
    """Plain values by the rules of YAML 1.2: `no` and `2015-01-01` are texts, `3e-4` is a number."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own class attribute)


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))


_resolve("null", "null|Null|NULL|~|", "nN~")
_resolve("null", "", [""])  # type: ignore[arg-type]
_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("int", r"[-+]?[0-9]+", "-+0123456789")
_resolve("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789")
_resolve("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+.")


class _Reader:
    """Turns nodes into values and writes down the line of each."""

    def __init__(self, name: str, origins: dict[Path, str]) -> None:
        self.name = name
        self.origins = origins

    def value(self, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Any:
        if node in above:
            raise ConfigError(f"{self._at(node)}: an alias that contains itself")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*path, i), (*above, node)) for i, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in values:
                where = ".".join(map(str, (*path, key)))
                raise ConfigError(f"{self._at(key_node)}: {where}: stands twice; keep one")
            self.origins[(*path, key)] = self._at(key_node)
            values[key] = self.value(value_node, (*path, key), above)
        return values

    def _item(self, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Any:
        self.origins[path] = self._at(node)
        return self.value(node, path, above)

    def _scalar(self, node: yaml.Node) -> Any:
        loader = _Loader("")
        try:
            return loader.construct_object(node)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"{self._at(node)}: {node.tag} is not understood; write plain values"
            ) from error

    def _at(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"
