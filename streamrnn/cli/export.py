"""`streamrnn export`: a network out of a snapshot, for others to run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from streamrnn.config.models import Config
    from streamrnn.learner import Learner


def export(
    snapshot: Annotated[
        Path,
        typer.Argument(metavar="SNAPSHOT", help="A snapshot's folder, or one above it: the newest is used."),
    ],
    to: Annotated[
        Path,
        typer.Option(
            "--to",
            metavar="FILE",
            help="x.safetensors: weights by torch's names; x.pt2: a torch.export program; or x.onnx.",
        ),
    ],
    network: Annotated[
        str | None, typer.Option("--network", metavar="NAME", help="Which one; not needed if there is one.")
    ] = None,
) -> None:
    """Write one step of a network, (x, state) to (output, next state), and check it against the network.

    x are the features as the network sees them, and the output is as it gives it: scaling stays behind.
    """
    from streamrnn.cli.inspect import snapshot_folder
    from streamrnn.config.models import Config
    from streamrnn.learner import Learner
    from streamrnn.snapshots import read

    found = read(snapshot_folder(snapshot))
    config = Config.model_validate(found.manifest.configuration)
    learner = Learner(config, found.manifest.lineage)
    learner.load(found.arrays)
    typer.echo(_exported(config, learner, network, to))


def _exported(config: "Config", learner: "Learner", name: str | None, to: Path) -> str:
    """One line about what was written."""
    torch_export = _torch_export()
    index = _index([part.name for part in config.networks], name)
    network = learner.networks[index]
    module = _module(torch_export, config.networks[index], network)
    difference = torch_export.export(network, module, to)
    size = sum(array.size for array in network.parameters().values())
    return (
        f"{to}: one step of {network.name}, {size:,} parameters, {network.inputs} inputs, {network.outputs} "
        f"outputs; the same as the network's own to {difference:.1e} over {torch_export.STEPS} steps"
    )


def _torch_export() -> Any:
    from streamrnn.errors import ConfigError

    try:
        from streamrnn.core.pytorch import export as torch_export
    except ImportError as error:
        raise ConfigError(
            f"export needs torch ({error}). Install it with: pip install 'streamrnn[torch]'"
        ) from error
    return torch_export


def _index(names: list[str], name: str | None) -> int:
    from streamrnn.errors import ConfigError

    if name is None and len(names) == 1:
        return 0
    if name not in names:
        wrong = "--network is not given" if name is None else f"--network {name} is not in the snapshot"
        raise ConfigError(f"{wrong}; its networks are {', '.join(names)}")
    return names.index(name)


def _module(torch_export: Any, part: Any, network: Any) -> Any:
    """The step as a torch module."""
    from streamrnn.config import models
    from streamrnn.errors import ConfigError

    match part:
        case models.TorchNetwork():
            return network.module
        case models.Network():
            made_with = part.model_dump(include={"cell", "hidden", "layers", "head", "activation"})
            return torch_export.built_in(network, **made_with)
        case _:
            raise ConfigError(f"{part.name} is no recurrent network: it has no step to export")
