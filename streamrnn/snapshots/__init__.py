"""Snapshots: a learner's whole state and position, written atomically, refused when damaged."""

from streamrnn.snapshots.format import Manifest as Manifest
from streamrnn.snapshots.format import Provenance as Provenance
from streamrnn.snapshots.format import Snapshot as Snapshot
from streamrnn.snapshots.format import cpu_name as cpu_name
from streamrnn.snapshots.format import digest as digest
from streamrnn.snapshots.format import read as read
from streamrnn.snapshots.format import read_manifest as read_manifest
from streamrnn.snapshots.format import versions as versions
from streamrnn.snapshots.store import Found as Found
from streamrnn.snapshots.store import Keep as Keep
from streamrnn.snapshots.store import Skipped as Skipped
from streamrnn.snapshots.store import Store as Store
from streamrnn.snapshots.writer import Saved as Saved
from streamrnn.snapshots.writer import SnapshotWriter as SnapshotWriter
