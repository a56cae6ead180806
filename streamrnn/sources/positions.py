"""Committed positions of sources that have no broker to keep them: in one small JSON file, or in memory."""

import json
from collections.abc import Mapping
from pathlib import Path

from streamrnn import durable
from streamrnn.errors import RecoveryError, TransportError
from streamrnn.types import Commit, Partition


class Positions:
    def __init__(self, path: Path | None) -> None:
        """None: they are forgotten with this object."""
        self._path = path
        self._commits = {} if path is None else _read(path)

    def get(self, partition: Partition) -> Commit | None:
        return self._commits.get(str(partition))

    def put(self, commits: Mapping[Partition, Commit]) -> None:
        """Durable when it returns: the file is replaced as a whole."""
        self._commits |= {str(partition): commit for partition, commit in commits.items()}
        if self._path is not None:
            _replace(self._path, self._commits)


def _read(path: Path) -> dict[str, Commit]:
    try:
        plain = json.loads(path.read_bytes())
        return {name: Commit(int(item["offset"]), str(item["metadata"])) for name, item in plain.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise TransportError(f"positions {path} cannot be read: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecoveryError(f"positions {path} is damaged ({error}); remove it to start anew") from error


def _replace(path: Path, commits: Mapping[str, Commit]) -> None:
    content = json.dumps({name: commit._asdict() for name, commit in commits.items()}, indent=1).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(path, content)
    except OSError as error:
        raise TransportError(f"positions {path} cannot be written: {error}") from error
