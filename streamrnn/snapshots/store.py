"""Where snapshots lie: `<group>/<lineage>/<topic>-<partition>/<offset>/`, in reach of every worker."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote, unquote
from uuid import uuid4

from streamrnn import durable
from streamrnn.errors import SnapshotError
from streamrnn.snapshots.format import MANIFEST, Manifest, Provenance, Snapshot, read, read_manifest, write
from streamrnn.snapshots.tensors import Arrays
from streamrnn.types import Partition

_NEW, _OLD = ".new-", ".old-"
_LEFTOVER_SECONDS = 3600.0
"""An unfinished folder this old belongs to a process that died, not to one that is still writing."""


class Keep(Protocol):
    """How many snapshots stay: the latest ones, and the newest of each hour and each day that has any."""

    @property
    def latest(self) -> int: ...
    @property
    def hourly(self) -> int: ...
    @property
    def daily(self) -> int: ...


class Skipped(NamedTuple):
    """A snapshot that could not be used, and why."""

    folder: Path
    reason: str


class Found(NamedTuple):
    snapshot: Snapshot | None
    skipped: list[Skipped]
    """Newer ones that are damaged."""


class Store:
    """The snapshots of one consumer group. Every OSError becomes a SnapshotError that names the folder."""

    def __init__(self, root: Path, group: str, clock: Callable[[], float] = time.time) -> None:
        self._home = root / _safe(group)
        self._clock = clock

    def folder(self, lineage: str, partition: Partition) -> Path:
        return self._home / _safe(lineage) / _safe(str(partition))

    def every_lineage(self) -> list[str]:
        """Of any partition."""
        return sorted(unquote(path.name) for path in self._home.glob("*/") if path.is_dir())

    def lineages(self, partition: Partition) -> list[str]:
        """Every lineage that has a folder for `partition`."""
        return sorted(unquote(path.parent.name) for path in self._home.glob(f"*/{_safe(str(partition))}"))

    def offsets(self, lineage: str, partition: Partition) -> list[int]:
        """Positions of all snapshots, sound or not, oldest first."""
        return _offsets(self.folder(lineage, partition))

    def save(self, arrays: Arrays, provenance: Provenance) -> Manifest:
        """Durable when it returns; a snapshot of the same position is replaced.

        1. write everything into a folder of another name   2. rename it: readers see all of it or nothing
        """
        home = self.folder(provenance.lineage, provenance.partition)
        with _naming(home):
            _make(home)
            with _alone(home):
                _tidy(home, self._clock() - _LEFTOVER_SECONDS)
            new = home / f"{_NEW}{provenance.offset}-{uuid4().hex}"
            new.mkdir()
            try:
                manifest = write(new, arrays, provenance, self._clock())
                with _alone(home):
                    _swap(new, home / str(provenance.offset))
            except (OSError, SnapshotError):
                shutil.rmtree(new, ignore_errors=True)
                raise
            return manifest

    def newest(self, lineage: str, partition: Partition, at_or_before: int) -> Found:
        """The newest sound snapshot whose position is not beyond `at_or_before`."""
        home = self.folder(lineage, partition)
        skipped: list[Skipped] = []
        with _naming(home):
            if not home.is_dir():
                return Found(None, skipped)
            with _alone(home):
                _heal(home)
                for offset in reversed(_offsets(home)):
                    if offset > at_or_before:
                        continue
                    try:
                        return Found(self._read(home / str(offset), lineage, partition, offset), skipped)
                    except SnapshotError as error:
                        skipped.append(Skipped(home / str(offset), str(error)))
        return Found(None, skipped)

    def thin(self, lineage: str, partition: Partition, keep: Keep) -> list[int]:
        """Remove what `keep` does not ask for; the positions that were removed, oldest first.

        Damaged ones go once `keep.latest` sound ones are newer.
        """
        home = self.folder(lineage, partition)
        with _naming(home), _alone(home):
            created = _created(home)
            sound = {offset: moment for offset, moment in created.items() if moment is not None}
            kept = _kept(sound, keep)
            oldest_of_latest = sorted(sound)[-keep.latest :][0] if len(sound) >= keep.latest else -1
            gone = [
                offset
                for offset, moment in sorted(created.items())
                if offset not in kept and (moment is not None or offset < oldest_of_latest)
            ]
            for offset in gone:
                _remove(home / str(offset))
        return gone

    def _read(self, folder: Path, lineage: str, partition: Partition, offset: int) -> Snapshot:
        snapshot = read(folder)
        manifest = snapshot.manifest
        told = (manifest.lineage, manifest.topic, manifest.partition, manifest.offset)
        if told != (lineage, *partition, offset):
            raise SnapshotError(f"{folder}: its manifest belongs elsewhere: {told}")
        return snapshot


def _safe(name: str) -> str:
    """One path component for any name, the same name for most."""
    return name.replace(".", "%2E") if set(name) <= {"."} else quote(name, safe=" +=@,")


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SnapshotError(f"snapshot folder {folder} cannot be used: {error}") from error


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keeps out whoever else moves snapshots in `home`: the last owner may still be writing its last."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _offsets(home: Path) -> list[int]:
    if not home.is_dir():
        return []
    return sorted(int(path.name) for path in home.iterdir() if path.name.isdecimal())


def _make(folder: Path) -> None:
    """Make the folder and its missing parents, durably."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        durable.sync_folder(folder.parent)


def _swap(new: Path, target: Path) -> None:
    """Put `new` in the place of `target`. A crash on the way leaves a state that `_heal` repairs."""
    old = target.with_name(f"{_OLD}{target.name}")
    if target.exists():
        target.rename(old)
    new.rename(target)
    durable.sync_folder(target.parent)
    if old.exists():
        _remove(old)


def _heal(home: Path) -> None:
    """Finish or undo a replacement that a crash cut short."""
    for old in home.glob(f"{_OLD}*"):
        target = home / old.name.removeprefix(_OLD)
        if target.exists():
            _remove(old)
        else:
            old.rename(target)


def _tidy(home: Path, before: float) -> None:
    _heal(home)
    for left in home.glob(f"{_NEW}*"):
        if left.stat().st_mtime < before:
            shutil.rmtree(left)


def _remove(folder: Path) -> None:
    """The manifest goes first: what a crash leaves of the rest is not taken for a snapshot."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _created(home: Path) -> dict[int, float | None]:
    """When each snapshot was taken, by position; None where the manifest is damaged."""
    created: dict[int, float | None] = {}
    for offset in _offsets(home):
        try:
            created[offset] = read_manifest(home / str(offset)).created
        except SnapshotError:
            created[offset] = None
    return created


def _kept(created: dict[int, float], keep: Keep) -> set[int]:
    newest_first = sorted(created, reverse=True)
    kept = set(newest_first[: keep.latest])
    kept |= _newest_of_each(newest_first, (int(created[at] // 3600) for at in newest_first), keep.hourly)
    kept |= _newest_of_each(newest_first, (int(created[at] // 86400) for at in newest_first), keep.daily)
    return kept


def _newest_of_each(newest_first: list[int], periods: Iterable[int], count: int) -> set[int]:
    """The newest position of each of the last `count` periods that have any."""
    first: dict[int, int] = {}
    for offset, period in zip(newest_first, periods, strict=True):
        first.setdefault(period, offset)
    return set(list(first.values())[:count])
