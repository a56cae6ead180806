"""Files that survive a power cut once the call returns."""

import os
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Write and wait for the disk. The name itself is durable after `sync_folder`."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, content: bytes) -> None:
    """Write anew as a whole: a reader, or a crash on the way, meets the old content or the new one."""
    new = path.with_name(path.name + ".new")
    write(new, content)
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
