"""One compiled kernel per network, made of the chosen files and kept on disk.

A gradient method's file imports a cell and an optimiser on lines that end in `# <cell>` and `# <optimiser>`.
A kernel is that file with the chosen modules on those lines, written as `kernel_<sha256>.py` and imported,
so that numba inlines everything and caches the result. numba notices only an edit of that one file;
therefore its name is a hash of all that it draws on: every streamrnn module it imports, directly or not, all
losses, the versions of numba and llvmlite, and the compiler's options. An edit makes a new kernel, a revert
finds the old one again.
"""

import ast
import hashlib
import importlib.util
import re
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from streamrnn.caches import cache_folder
from streamrnn.core.cells import CELLS
from streamrnn.core.gradients import GRADIENTS
from streamrnn.core.losses import LOSSES
from streamrnn.core.numerics import OPTIONS
from streamrnn.core.optimisers import OPTIMISERS
from streamrnn.errors import ConfigError

_SLOT = re.compile(r"^import \S+ as \w+  # <(?P<family>\w+)>$", re.MULTILINE)
_PACKAGE = "streamrnn."


class Kernel(NamedTuple):
    """A compiled `advance` with the hash of everything that it was made of."""

    advance: Callable[..., None]
    hash: str


@cache
def load(cell: str, gradient: str, optimiser: str) -> Kernel:
    """The kernel of these members, compiled at its first call or taken from disk."""
    chosen = {"cell": CELLS[cell], "optimiser": OPTIMISERS[optimiser]}
    source = _compose(_source(GRADIENTS[gradient]).decode(), chosen)
    digest = _hash(source)
    module = _import(_write(source, digest), f"kernel_{digest}")
    return Kernel(module.advance, digest)


def _compose(template: str, chosen: dict[str, str]) -> str:
    return _SLOT.sub(lambda m: f"import {chosen[m['family']]} as {m['family']}  # <{m['family']}>", template)


def _hash(source: str) -> str:
    options = sorted((key, sorted(v) if isinstance(v, set) else v) for key, v in OPTIONS.items())
    numbered = list(LOSSES)  # a kernel knows losses by their place
    digest = hashlib.sha256(repr((version("numba"), version("llvmlite"), options, numbered)).encode())
    for part in (source.encode(), *(_source(name) for name in _drawn_on(source))):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _drawn_on(source: str) -> list[str]:
    """Names of all modules outside numba and the standard library that `source` imports, directly or not.

    With all losses, which are imported by their names in a dictionary.
    """
    found = {*LOSSES.values()}
    waiting = [source, *(_source(name).decode() for name in sorted(found))]
    while waiting:
        fresh = {name for name in _imports(waiting.pop()) if name not in found and _is_drawn(name)}
        found |= fresh
        waiting += [_source(name).decode() for name in sorted(fresh)]
    return sorted(found)


def _imports(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def _is_drawn(name: str) -> bool:
    """A module of ours or a family's member elsewhere; no package, and no name inside a module."""
    members = {*CELLS.values(), *LOSSES.values(), *OPTIMISERS.values()}
    if not name.startswith(_PACKAGE) and name not in members:
        return False
    parent, _, _ = name.rpartition(".")
    if parent and not hasattr(importlib.import_module(parent), "__path__"):
        return False
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.submodule_search_locations is None


def _source(name: str) -> bytes:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {name}")
    return Path(spec.origin).read_bytes()


def _write(source: str, digest: str) -> Path:
    """Write the kernel unless it is there already: its age must not change, or numba would compile again."""
    folder = cache_folder() / "kernels"
    path = folder / f"kernel_{digest}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != source:
            with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
                file.write(source)
            Path(file.name).replace(path)  # whole or not at all, whoever else writes it now
    except OSError as error:
        raise ConfigError(
            f"compiled kernels cannot be kept in {folder}: {error.strerror}. "
            "Set STREAMRNN_CACHE_DIR to a folder that can be written"
        ) from error
    return path


def _import(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # numba's cache finds the kernel's source through it
    spec.loader.exec_module(module)
    return module
