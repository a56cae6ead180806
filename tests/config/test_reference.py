"""The documents say what the models say."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from streamrnn.config import Config, load
from streamrnn.config.reference import reference

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(json.dumps(Config.model_json_schema()))


def test_the_reference_is_the_one_that_the_models_make() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert written == reference(), "run python -m streamrnn.config.reference > docs/configuration.md"


def test_every_name_of_every_part_is_explained(schema: dict[str, Any]) -> None:
    parts = {"Config": schema, **schema["$defs"]}
    fields = {f"{part}.{name}": field for part in parts for name, field in parts[part]["properties"].items()}
    assert not [name for name, field in fields.items() if not field.get("description")]
    assert len(fields) > 60


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_loads_and_satisfies_the_json_schema(path: Path, schema: dict[str, Any]) -> None:
    load(path)
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), schema)


@pytest.mark.parametrize(
    ("extra", "valid"),
    [
        ({"mix": False}, True),
        ({"networks": [{"name": "a", "optimizer": "adam", "learning_rate": 1e-3}]}, True),
        ({"networks": [{"name": "a", "window": {"grow": [1, 8]}}], "snapshots": {"every": "30s"}}, True),
        ({"networks": [{"name": "a", "hiden": 3}]}, False),
        ({"source": {"kafka": {"topic": "t"}}}, False),
    ],
)
def test_the_json_schema_takes_what_the_models_take(
    schema: dict[str, Any], extra: dict[str, Any], valid: bool
) -> None:
    document = {"task": {"forecast": "y"}, "features": [{"number": "y"}], **extra}
    assert jsonschema.Draft202012Validator(schema).is_valid(document) == valid
