"""`streamrnn inspect`: what is in a snapshot."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from streamrnn.snapshots import Manifest, Snapshot


def inspect(
    snapshot: Annotated[
        Path,
        typer.Argument(metavar="SNAPSHOT", help="A snapshot's folder, or one above it: the newest is shown."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    arrays: Annotated[bool, typer.Option("--arrays", help="List every array.")] = False,
) -> None:
    """Show what is in a snapshot, after checking every byte of it; the digest is that of `replay`."""
    from rich.console import Console

    from streamrnn.snapshots import read

    found = read(snapshot_folder(snapshot))
    facts = _facts(found)
    if as_json:
        import json

        listed = {"arrays": _arrays(found.manifest)} if arrays else {}
        typer.echo(json.dumps({**facts, **listed}, indent=2))
        return
    out = Console(highlight=False)
    out.print(_two_columns(facts))
    if arrays:
        out.print(_listing(found.manifest))


def snapshot_folder(path: Path) -> Path:
    """The snapshot at `path`, or the one that was written last below it."""
    from streamrnn.errors import SnapshotError
    from streamrnn.snapshots.format import MANIFEST

    if not path.exists():
        raise SnapshotError(f"{path}: there is no such folder")
    home = path.parent if path.is_file() else path
    if (home / MANIFEST).exists():
        return home
    below = [manifest for manifest in home.rglob(MANIFEST) if not manifest.parent.name.startswith(".")]
    if not below:
        raise SnapshotError(f"{path}: no snapshot is there or below")
    return max(below, key=lambda manifest: manifest.stat().st_mtime_ns).parent


def _facts(found: "Snapshot") -> dict[str, Any]:
    from datetime import UTC, datetime

    manifest = found.manifest
    created = datetime.fromtimestamp(manifest.created, UTC).isoformat(timespec="seconds")
    return {
        "snapshot": str(found.folder),
        "created": created,
        "lineage": manifest.lineage,
        "position": f"{manifest.topic}-{manifest.partition}, next offset {manifest.offset}",
        "events": manifest.events,
        "counts": manifest.counts,
        "bytes": manifest.state.bytes,
        "configuration": manifest.configuration,
        "versions": manifest.versions,
        "cpu": manifest.cpu,
        "kernel": manifest.kernel_hash,
        "published": manifest.digest,
        "digest": manifest.state.digest,
    }


def _arrays(manifest: "Manifest") -> dict[str, str]:
    return {name: f"{entry.dtype} {entry.shape}" for name, entry in sorted(manifest.arrays.items())}


def _two_columns(facts: dict[str, Any]) -> "Table":
    import yaml
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        if isinstance(value, dict):
            shown = yaml.safe_dump(value, sort_keys=False, default_flow_style=None, width=100).rstrip()
        table.add_row(name, Text(str(shown)))
    return table


def _listing(manifest: "Manifest") -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("array", "type", "shape"):
        table.add_column(heading)
    for name, entry in sorted(manifest.arrays.items()):
        table.add_row(name, entry.dtype, " x ".join(map(str, entry.shape)) or "one value")
    return table
