"""The reference of the configuration as Markdown, made from the models: `docs/configuration.md`.

Run `python -m streamrnn.config.reference > docs/configuration.md` after a change of the models.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from streamrnn.config.models import Config

_INTRODUCTION = """\
# Configuration

One YAML file describes a service. Two lines of it are needed, everything else has a default:

```yaml
task:     {forecast: count, horizon: 1, season: 168}
key:      sensor
time:     timestamp
features:
  - {number: count}
  - {calendar: timestamp, parts: [hour, weekday], zone: Australia/Melbourne}
networks:
  - {name: one-step, hidden: 64, window: 1}
  - {name: growing, hidden: 64, window: {grow: [1, 16], by: plateau}}
source:    {kafka: {bootstrap_servers: "127.0.0.1:9092", topic: pedestrians, group: melbourne}}
sink:      {kafka: {topic: pedestrians.predictions, dead_letters: pedestrians.dead}}
snapshots: {store: ./snapshots, every: 30s}
```

`streamrnn init FILE --predict FIELD` writes a first one from your data, `streamrnn config check FILE` tells
every problem with its line and tries whether `run` could start (torch modules, weights, observers),
`streamrnn config schema` prints the JSON Schema for editors. Texts are read by the rules of YAML 1.2 (`no`
is a text, `3e-4` a number). Durations are written `250ms`, `30s`, `5m`, `1h` or `1d`, or as seconds.

## Above the file

| | example | |
| --- | --- | --- |
| command line | `--set networks.0.hidden=128` | stands above everything; the last of several counts |
| environment | `STREAMRNN_NETWORKS__0__HIDDEN=128` | two underscores go one level down |
| file | `networks: [{name: one-step, hidden: 128}]` | |

A value above the file is YAML too: `--set 'networks.1={name: wide, hidden: 256}'` adds a network. Secrets are
taken from the environment (`STREAMRNN_SOURCE__KAFKA__SASL_PLAIN_PASSWORD`) or from a file that is named
(`sasl_plain_password_file`); in the configuration itself or on the command line they are refused.

What shapes learning is `task`, `key`, `time`, `features`, `networks`, `on_drift`, `scaling`, `mix`,
`observers`, `max_keys`, `predictions` and `bad_records.max_bytes`; the rest may change between two starts
without any effect on what is learned.
"""

_SECTIONS = {
    "task": ("Forecast", "Regression", "Binary", "Multiclass", "NextToken", "Quantile", "Delayed"),
    "features": (
        "NumberFeature",
        "CategoryFeature",
        "CalendarFeature",
        "ElapsedFeature",
        "LagsFeature",
        "PreviousFeature",
    ),
    "networks": (
        "Network",
        "TorchNetwork",
        "LeastSquares",
        "LeastSquaresSettings",
        "GrowingWindow",
        "LearningRate",
        "Sgd",
        "RmsProp",
        "Adam",
        "AdamW",
    ),
    "on_drift": ("Boost",),
    "scaling": ("Scaling",),
    "mix": ("Mix",),
    "observers": ("MetricObserver", "DriftObserver"),
    "predictions": ("Published",),
    "source": ("KafkaSource", "FileSourceChoice", "StdinSourceChoice"),
    "sink": ("KafkaSink", "FileSinkChoice", "StdoutSinkChoice"),
    "bad_records": ("BadRecords",),
    "snapshots": ("Snapshots", "Keep"),
    "http": ("Http",),
}
"""Top-level names that hold parts, and the models of these parts."""
_SECTIONS_THEMSELVES = {
    "Network",
    "Boost",
    "Scaling",
    "Mix",
    "Published",
    "BadRecords",
    "Snapshots",
    "Http",
}
"""Models that are all of a section, so that its heading is theirs."""
_WRITTEN_AS = {
    "KafkaSource": "kafka",
    "KafkaSink": "kafka",
    "Quantile": "loss",
    "Delayed": "delayed",
    "TorchNetwork": "torch",
    "LeastSquares": "least_squares",
    "LeastSquaresSettings": "least_squares",
    "Sgd": "sgd",
    "RmsProp": "rmsprop",
    "Adam": "adam",
    "AdamW": "adamw",
    "GrowingWindow": "window",
    "LearningRate": "learning_rate",
    "Keep": "keep",
}
"""The name under which a nested part stands in the file."""


def reference() -> str:
    """The whole page."""
    schema = Config.model_json_schema()
    parts = [_INTRODUCTION, "## Top level\n", *_table(schema, schema["$defs"])]
    for section, models in _SECTIONS.items():
        parts.append(f"\n## {section}\n")
        for model in models:
            definition = schema["$defs"][model]
            if model not in _SECTIONS_THEMSELVES:
                parts.append(f"### {_heading(model, definition)}\n")
            parts += [f"{definition['description']}\n", *_table(definition, schema["$defs"]), ""]
    return "\n".join(parts).rstrip() + "\n"


def _heading(model: str, definition: Mapping[str, Any]) -> str:
    return f"`{_WRITTEN_AS.get(model) or next(iter(definition['properties']))}`"


def _table(definition: Mapping[str, Any], models: Mapping[str, Any]) -> Iterator[str]:
    yield "| name | value | default | |"
    yield "| --- | --- | --- | --- |"
    for name, field in definition["properties"].items():
        if name != "optimizer":  # the other spelling of the line above
            cells = (f"`{name}`", _values(field), _default(name, field, definition), field["description"])
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _values(field: Mapping[str, Any]) -> str:
    """What may stand there, in words."""
    if "$ref" in field:
        return "see below"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if kinds := field.get("anyOf", field.get("oneOf")):
        if {"number", "string"} == {kind.get("type") for kind in kinds}:
            return "duration"
        return " or ".join(dict.fromkeys(_values(kind) for kind in kinds if kind.get("type") != "null"))
    if field["type"] == "array":
        return f"list: {_values(field['items'])}" if "items" in field else "[number, number]"
    names = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "`true`, `false`",
        "object": "mapping",
    }
    return names[field["type"]] + _bounds(field)


def _bounds(field: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[bound]}" for bound, sign in signs.items() if bound in field]
    return f" {', '.join(bounds)}" if bounds else ""


def _default(name: str, field: Mapping[str, Any], definition: Mapping[str, Any]) -> str:
    if name in definition.get("required", ()):
        return "**needed**"
    value = field.get("default")
    if value is None:
        return "none"
    if isinstance(value, dict) or name in _SECTIONS:
        return "see below"
    if _values(field) == "duration":
        return f"`{value:g}s`"
    return f"`{json.dumps(value)}`".replace('"', "")


if __name__ == "__main__":
    print(reference(), end="")
