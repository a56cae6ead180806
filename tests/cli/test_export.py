"""`export`: from a snapshot to a file, by the network's name."""

from pathlib import Path

import pytest

from streamrnn.cli.export import export
from streamrnn.config import canonical, load
from streamrnn.core import weights
from streamrnn.errors import ConfigError
from streamrnn.learner import Learner
from streamrnn.snapshots import Provenance, Store
from streamrnn.types import Partition, Record
from tests.cli.conftest import lines

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

CONFIG = """\
task: {forecast: y, horizon: 2, season: 12}
key: sensor
features:
  - {number: y}
  - {number: x}
networks:
  - {name: small, hidden: 4, window: 2}
  - {name: mine, torch: "streamrnn.core.pytorch.cells:Recurrent", args: {cell: lstm, hidden: 3}}
  - {name: linear, least_squares: {}}
"""
ROWS = 120


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a learner with a compiled network and a torch one."""
    home = tmp_path_factory.mktemp("export")
    (home / "config.yaml").write_text(CONFIG)
    config, partition = load(home / "config.yaml"), Partition("events", 0)
    learner = Learner(config, "life")
    learner.learn([Record(i, None, line.encode()) for i, line in enumerate(lines(ROWS))], partition)
    provenance = Provenance(
        lineage="life",
        partition=partition,
        offset=ROWS,
        events=learner.events,
        digest=learner.digest,
        kernel_hash=learner.kernel_hash,
        configuration=canonical(config),
        counts=learner.counts(),
    )
    Store(home, "group").save(learner.state(), provenance)
    return home


@pytest.mark.parametrize(("name", "parameters"), [("small", 125), ("mine", 100)])
def test_a_network_is_exported_by_its_name(
    snapshots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, parameters: int
) -> None:
    path = tmp_path / "model.safetensors"
    export(snapshots, path, name)
    assert weights.read(path).keys() >= {"weight_ih_l0", "weight_hh_l0", "head.0.weight"}
    said = capsys.readouterr().out
    assert said.startswith(f"{path}: one step of {name}, {parameters} parameters, 4 inputs, 1 outputs; ")


def test_which_of_several_must_be_said(snapshots: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    with pytest.raises(ConfigError, match="--network is not given; its networks are small, mine, linear"):
        export(snapshots, path)
    with pytest.raises(
        ConfigError, match="--network smal is not in the snapshot; its networks are small, mine, linear"
    ):
        export(snapshots, path, "smal")
    assert not path.exists()


def test_what_has_no_step_is_refused(snapshots: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="linear is no recurrent network: it has no step to export"):
        export(snapshots, tmp_path / "model.pt2", "linear")
