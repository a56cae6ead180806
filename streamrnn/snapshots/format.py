"""One snapshot in one folder: `state.safetensors` and, written last, `manifest.json`.

The manifest is the commit point and vouches for every byte: it holds the checksum of the state file, of each
array and of itself, and is accepted only in exactly the form in which it is written.
"""

import functools
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from streamrnn import __version__, durable
from streamrnn.errors import SnapshotError
from streamrnn.snapshots.tensors import TYPES, Arrays, pieces
from streamrnn.types import Partition

FORMAT = 1
STATE = "state.safetensors"
MANIFEST = "manifest.json"


class Provenance(NamedTuple):
    """Where a state comes from, as far as the learner's owner knows."""

    lineage: str
    partition: Partition
    offset: int
    """The next to read."""
    events: int
    """Records turned into events since genesis."""
    digest: str
    """Running digest of everything published since genesis."""
    kernel_hash: str
    configuration: Mapping[str, Any]
    counts: Mapping[str, Any]
    """Whatever else is worth a look without reading the state."""


class ArrayEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: list[int]
    sha256: str


class StateEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bytes: int
    sha256: str
    digest: str
    """`digest` of the arrays; unlike `sha256` it does not depend on the file's format."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in `manifest.json`, its own checksum aside."""

    format: int
    created: float
    """Wall clock, seconds since 1970."""
    lineage: str
    topic: str
    partition: int
    offset: int
    events: int
    digest: str
    kernel_hash: str
    configuration: dict[str, Any]
    counts: dict[str, Any]
    versions: dict[str, str]
    cpu: str
    arrays: dict[str, ArrayEntry]
    state: StateEntry


class Snapshot(NamedTuple):
    folder: Path
    manifest: Manifest
    arrays: dict[str, npt.NDArray[Any]]


def digest(arrays: Arrays) -> str:
    """SHA-256 of one line `name dtype shape sha256` per array, sorted by name: equal means the same bits."""
    return _digest({name: _entry(name, array) for name, array in arrays.items()})


def write(folder: Path, arrays: Arrays, provenance: Provenance, created: float) -> Manifest:
    """Fill the existing, empty `folder`; durable when it returns.

    1. the state    2. the manifest    3. the folder itself, so that both names survive a power cut
    """
    plain = {name: _plain(array) for name, array in arrays.items()}
    entries = {name: _entry(name, array) for name, array in plain.items()}
    size, checksum = _write_state(folder / STATE, plain)
    manifest = Manifest(
        format=FORMAT,
        created=created,
        lineage=provenance.lineage,
        topic=provenance.partition.topic,
        partition=provenance.partition.number,
        offset=provenance.offset,
        events=provenance.events,
        digest=provenance.digest,
        kernel_hash=provenance.kernel_hash,
        configuration=dict(provenance.configuration),
        counts=dict(provenance.counts),
        versions=versions(),
        cpu=cpu_name(),
        arrays=entries,
        state=StateEntry(size, checksum, _digest(entries)),
    )
    durable.write(folder / MANIFEST, _encode(manifest))
    durable.sync_folder(folder)
    return manifest


def _write_state(path: Path, arrays: Arrays) -> tuple[int, str]:
    """Length and checksum of the file, which is durable when this returns; other threads run meanwhile."""
    size, checksum = 0, hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces(arrays):
            size += file.write(piece)
            checksum.update(piece)
        file.flush()
        os.fsync(file.fileno())
    return size, checksum.hexdigest()


def read(folder: Path) -> Snapshot:
    """Raises SnapshotError, which names the folder, unless every byte is as it was written."""
    manifest = read_manifest(folder)
    content = _content(folder, STATE)
    if len(content) != manifest.state.bytes:
        raise SnapshotError(f"{folder}: {STATE} has {len(content)} bytes instead of {manifest.state.bytes}")
    if _sha256(content) != manifest.state.sha256:
        raise SnapshotError(f"{folder}: {STATE} does not match its checksum")
    try:
        arrays = safetensors.numpy.load(content)
    except SafetensorError as error:
        raise SnapshotError(f"{folder}: {STATE} cannot be read: {error}") from error
    if problem := _difference(arrays, manifest):
        raise SnapshotError(f"{folder}: {STATE}: {problem}")
    return Snapshot(folder, manifest, arrays)


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone, checked against its own checksum; says nothing about the state file."""
    content = _content(folder, MANIFEST)
    try:
        plain = json.loads(content)
    except ValueError as error:
        raise SnapshotError(f"{folder}: {MANIFEST} is not JSON: {error}") from error
    if not isinstance(plain, dict) or content != _sealed(plain):
        raise SnapshotError(f"{folder}: {MANIFEST} does not match its checksum")
    if plain.get("format") != FORMAT:
        raise SnapshotError(
            f"{folder}: format {plain.get('format')}, but streamrnn {__version__} reads format {FORMAT}; "
            f"it was written by streamrnn {plain.get('versions', {}).get('streamrnn')}"
        )
    del plain["checksum"]
    try:
        return msgspec.convert(plain, Manifest)
    except msgspec.ValidationError as error:
        raise SnapshotError(f"{folder}: {MANIFEST}: {error}") from error


def versions() -> dict[str, str]:
    """Of everything that may change a bit of the outcome."""
    return {"streamrnn": __version__, "python": platform.python_version(), **_libraries()}


@functools.cache
def _libraries() -> dict[str, str]:
    """A process keeps those it has imported; looking them up parses the metadata of each."""
    return {name: metadata.version(name) for name in ("numpy", "numba", "llvmlite")}


@functools.cache
def cpu_name() -> str:
    """The type of this machine's processor; bits are promised to be the same on the same type only."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{platform.machine()} {next(models, platform.processor())}".strip()


def _entry(name: str, array: npt.NDArray[Any]) -> ArrayEntry:
    if array.dtype.name not in TYPES:
        raise SnapshotError(f"array {name} has dtype {array.dtype}, which a snapshot cannot hold")
    return ArrayEntry(array.dtype.name, list(array.shape), _sha256(_plain(array).data))


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As its bytes stand in a file."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _digest(entries: Mapping[str, ArrayEntry]) -> str:
    lines = (
        f"{name} {entry.dtype} {entry.shape} {entry.sha256}\n" for name, entry in sorted(entries.items())
    )
    return _sha256("".join(lines).encode())


def _difference(arrays: Arrays, manifest: Manifest) -> str | None:
    """The first way in which arrays are not those that the manifest describes."""
    for name, entry in manifest.arrays.items():
        if name not in arrays:
            return f"array {name} is missing"
        if _entry(name, arrays[name]) != entry:
            return f"array {name} is not the one that the manifest describes"
    if unknown := sorted(arrays.keys() - manifest.arrays.keys()):
        return f"array {unknown[0]} is not in the manifest"
    return None


def _encode(manifest: Manifest) -> bytes:
    """A number that is not finite becomes null on the way: JSON has no name for it."""
    return _sealed(msgspec.json.decode(msgspec.json.encode(manifest)))


def _sealed(plain: dict[str, Any]) -> bytes:
    """The one accepted form: sorted, indented, with the checksum of all else."""
    rest = {name: value for name, value in plain.items() if name != "checksum"}
    return _canonical({**rest, "checksum": _sha256(_canonical(rest))})


def _canonical(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _sha256(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as error:
        raise SnapshotError(f"{folder}: incomplete, {name} is missing") from error
    except OSError as error:
        raise SnapshotError(f"{folder}: {name} cannot be read: {error}") from error
