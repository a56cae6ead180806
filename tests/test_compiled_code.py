"""numba's cache notices an edit of the file that a compiled function stands in, and of no other.

So a cached function must draw on its own file alone. Kernels are the exception: their name is a hash of all
that they draw on (`streamrnn.core.kernel`).
"""

import ast
from pathlib import Path

import pytest

import streamrnn

PACKAGE = Path(streamrnn.__file__).parent
KERNELS = PACKAGE / "core" / "gradients"
DECORATORS = ("@njit(cache=True", "@loop\n", "@inlined\n")
"""See `streamrnn.compiled`; what is inlined is cached with the loops it goes into."""


def is_cached(path: Path) -> bool:
    source = path.read_text(encoding="utf-8")
    return KERNELS not in path.parents and any(decorator in source for decorator in DECORATORS)


CACHED = [path for path in sorted(PACKAGE.rglob("*.py")) if is_cached(path)]


def drawn_from_elsewhere(source: str) -> set[str]:
    """Names that compiled functions use and that come from another file of ours."""
    tree = ast.parse(source)
    ours = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("streamrnn"))
        for alias in node.names
    }
    compiled = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(name in ast.dump(d) for d in node.decorator_list for name in ("njit", "'loop'", "'inlined'"))
    ]
    assert compiled, "nothing compiled was found"
    used = {
        name.id
        for function in compiled
        for statement in function.body
        for name in ast.walk(statement)
        if isinstance(name, ast.Name)
    }
    arguments = {
        name.id
        for function in compiled
        for argument in function.args.args
        if argument.annotation is not None
        for name in ast.walk(argument.annotation)
        if isinstance(name, ast.Name)
    }
    pinned = {name for name in ours if f"assert {name}._fields ==" in source}
    return (used | (arguments - ARRAYS - pinned)) & ours


ARRAYS = {"Array", "Flags", "Floats", "Ints", "Slots"}
"""Annotations that numba never reads; a named tuple's fields it does, unless the file pins them itself."""


def test_there_are_such_files():
    names = {path.relative_to(PACKAGE).as_posix() for path in CACHED}
    assert {"features/sequence.py", "features/calendar.py", "mixing/mix.py", "learner/prepass.py"} <= names


@pytest.mark.parametrize("path", CACHED, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_cached_function_draws_on_its_own_file_alone(path):
    assert drawn_from_elsewhere(path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    "body",
    [
        "def f(x):\n    return elsewhere(x)",
        "def f(x):\n    return x + elsewhere",
        "def f(x: elsewhere):\n    return x",
    ],
    ids=["function", "constant", "named tuple"],
)
def test_what_comes_from_another_file_is_found(body):
    source = (
        f"from numba import njit\nfrom streamrnn.core.numerics import elsewhere\n@njit(cache=True)\n{body}\n"
    )
    assert drawn_from_elsewhere(source) == {"elsewhere"}
