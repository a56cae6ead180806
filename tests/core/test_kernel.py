"""Kernels are made once, found again by the next process, and made anew when a file they draw on changes."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import streamrnn
from streamrnn.core import kernel
from streamrnn.core.losses import LOSSES
from streamrnn.errors import ConfigError
from tests.core.streams import network, stream

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(streamrnn.__file__).parent
MEMBERS = {"cell": "gru", "gradient": "tbptt", "optimiser": "adam"}
DRAWN_ON = [
    "core/aligned.py",
    "core/cells/gru.py",
    "core/gradients/base.py",
    "core/gradients/tbptt.py",
    "core/head.py",
    "core/linear.py",
    "core/losses/dispatch.py",
    "core/losses/fields.py",
    *(f"core/losses/{loss}.py" for loss in LOSSES),
    "core/numerics.py",
    "core/optimisers/adam.py",
    "core/optimisers/moments.py",
]

HASH = f"from streamrnn.core import kernel; print(kernel.load(**{MEMBERS}).hash)"
LEARN = """
from tests.core.streams import network, stream
net = network()
out = net.advance(*stream(50))
stats = net._kernel.advance.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), out.tobytes().hex())
"""


@pytest.fixture
def copy(tmp_path):
    """A copy of the package that a test may edit."""
    shutil.copytree(
        Path(streamrnn.__file__).parent, tmp_path / "streamrnn", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path / "streamrnn"


def run(code: str, package: Path, cache: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment |= {"PYTHONPATH": f"{package.parent}:{ROOT}", "STREAMRNN_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=package.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_second_process_finds_what_the_first_compiled_and_computes_the_same_bits(copy, tmp_path):
    cold = run(LEARN, copy, tmp_path / "cache").split()
    warm = run(LEARN, copy, tmp_path / "cache").split()
    assert cold[:2] == ["0", "1"]
    assert warm[:2] == ["1", "0"]
    assert cold[2] == warm[2]
    assert len(list((tmp_path / "cache" / "kernels").glob("kernel_*.py"))) == 1


DEEP = {"cell": "lstm", "layers": 2, "head": (5,), "loss": "quantile", "targets": 2, "levels": (0.1, 0.5)}


@pytest.mark.parametrize("options", [{}, DEEP], ids=["plain", "deep"])
def test_compiled_and_plain_python_agree(options, tmp_path):
    targets = options.get("targets", 1)
    code = f"""
from tests.core.streams import network, stream
print(network(3, dtype="float64", **{options}).advance(*stream(40, targets={targets})).tolist())
"""
    plain = run(f"import os; os.environ['NUMBA_DISABLE_JIT'] = '1'\n{code}", PACKAGE, tmp_path)
    out = network(3, dtype="float64", **options).advance(*stream(40, targets=targets))
    np.testing.assert_allclose(out, json.loads(plain), rtol=0, atol=1e-14)


def test_an_edit_of_any_file_it_draws_on_makes_another_kernel_and_a_revert_finds_the_old_one(copy, tmp_path):
    files = {name: copy / name for name in DRAWN_ON}
    edits = "\n".join(
        f"path = pathlib.Path({str(path)!r}); old = path.read_text(); "
        "path.write_text(old + '\\n# edited\\n'); "
        f"kernel.load.cache_clear(); print(kernel.load(**{MEMBERS}).hash); path.write_text(old)"
        for path in files.values()
    )
    code = f"import pathlib\n{HASH}\n{edits}\nkernel.load.cache_clear()\nprint(kernel.load(**{MEMBERS}).hash)"
    first, *edited, last = run(code, copy, tmp_path / "cache").split()
    assert first == last
    assert len({first, *edited}) == 1 + len(DRAWN_ON)


def test_a_file_it_does_not_draw_on_makes_no_other_kernel(copy, tmp_path):
    before = run(HASH, copy, tmp_path / "cache")
    for name in ("core/network.py", "core/cells/lstm.py", "core/optimisers/sgd.py", "errors.py"):
        (copy / name).write_text((copy / name).read_text() + "\n# edited\n")
    assert run(HASH, copy, tmp_path / "cache") == before


def test_the_list_of_files_is_whole():
    """Every module of ours that a kernel's source names, directly or through another, is among DRAWN_ON."""
    named = {"core/gradients/tbptt.py", *(f"core/losses/{loss}.py" for loss in LOSSES)}
    for _ in range(5):
        for name in list(named):
            source = (PACKAGE / name).read_text()
            modules = re.findall(r"^import streamrnn\.([\w.]+) as", source, re.MULTILINE)
            for parent, names in re.findall(r"^from streamrnn\.([\w.]+) import (.*)", source, re.MULTILINE):
                modules += [parent, *(f"{parent}.{one}" for one in re.findall(r"\w+", names))]
            paths = {f"{module.replace('.', '/')}.py" for module in modules}
            named |= {path for path in paths if (PACKAGE / path).exists()}
    assert named == {*DRAWN_ON}


def test_kernels_of_other_members_differ():
    changes = [{}, {"cell": "lstm"}, {"cell": "elman"}, {"optimiser": "adamw"}]
    assert len({kernel.load(**MEMBERS | change).hash for change in changes}) == len(changes)


def test_losses_in_another_order_make_another_kernel(monkeypatch):
    """A kernel knows them by their place."""
    before = kernel.load(**MEMBERS).hash
    monkeypatch.setattr(kernel, "LOSSES", dict(reversed(LOSSES.items())))
    kernel.load.cache_clear()
    assert kernel.load(**MEMBERS).hash != before
    kernel.load.cache_clear()


@pytest.mark.parametrize(("first", "second"), [("squared", "huber"), ("softmax", "poisson")])
def test_one_kernel_serves_every_loss(first, second):
    one, other = network(loss=first, classes=3), network(loss=second, classes=3)
    assert one.kernel_hash == other.kernel_hash
    one.warm_up()
    compiled = len(one._kernel.advance.signatures)
    other.warm_up()
    assert len(one._kernel.advance.signatures) == compiled


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "file"))
    kernel.load.cache_clear()
    with pytest.raises(ConfigError, match="STREAMRNN_CACHE_DIR"):
        kernel.load(**MEMBERS)
