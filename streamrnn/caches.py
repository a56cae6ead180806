"""Where compiled code and downloads are kept between two starts."""

import os
import tempfile
from pathlib import Path

from streamrnn.errors import ConfigError


def cache_folder() -> Path:
    """$STREAMRNN_CACHE_DIR, else `streamrnn` in the user's cache folder."""
    if given := os.environ.get("STREAMRNN_CACHE_DIR"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamrnn"


def keep_compiled_code() -> None:
    """Have numba cache beside our kernels, unless NUMBA_CACHE_DIR names a place.

    Left alone it caches next to the sources or in the home folder, and a service account often can write to
    neither. Call it before anything compiled is imported: numba looks where to cache when a function is
    decorated. Raises ConfigError when the folder cannot be written.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(given) if given else cache_folder().absolute() / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        name = "NUMBA_CACHE_DIR" if given else "STREAMRNN_CACHE_DIR"
        raise ConfigError(
            f"compiled code cannot be kept in {folder}: {error.strerror}. "
            f"Set {name} to a folder that can be written"
        ) from error
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
