"""docs/metrics.md tells of every series that exists, and of no other."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from streamrnn.snapshots import versions
from streamrnn.telemetry import Telemetry
from streamrnn.types import Partition

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(streamrnn_\w+)` \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def page() -> dict[str, tuple[str, ...]]:
    rows = ROW.findall(PAGE.read_text())
    assert len({name for name, *_ in rows}) == len(rows), "a series stands twice"
    return {name: tuple(cells) for name, *cells in rows}


@pytest.fixture(scope="module")
def registered() -> dict[str, str]:
    """Type and labels by name, as the page writes them."""
    registry = CollectorRegistry()
    telemetry = Telemetry(registry, versions())
    telemetry.start(Partition("in", 0), ["network"], ["network", "last"], ["not_json"], ["matched"], ["MAE"])
    found = {}
    for metric in registry.collect():
        name = metric.name + ("_total" if metric.type == "counter" else "")
        labels = {label: None for sample in metric.samples for label in sample.labels if label != "le"}
        found[name] = "; ".join([metric.type, ", ".join(labels)] if labels else [metric.type])
    return found


def test_every_series_is_explained_and_no_other(page, registered):
    assert set(page) == set(registered)


def test_types_and_labels_are_the_real_ones(page, registered):
    def plain(entry: str) -> tuple[str, frozenset[str]]:
        kind, _, labels = entry.partition("; ")
        return kind, frozenset(labels.split(", "))

    assert {name: plain(cells[0]) for name, cells in page.items()} == {
        name: plain(entry) for name, entry in registered.items()
    }


def test_every_row_says_meaning_unit_and_what_to_do(page):
    for name, (_, meaning, unit, bad) in page.items():
        assert meaning and unit and bad, name
        if "_seconds" in name:
            assert unit.lower() in ("seconds", "unix seconds"), name
        if "_bytes" in name:
            assert unit == "bytes", name


def test_every_series_that_the_text_and_the_alerts_name_exists(registered):
    for name in set(re.findall(r"streamrnn_\w+[a-z]", PAGE.read_text())):
        assert name in registered, name
