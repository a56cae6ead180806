"""Compiled code is kept where the user can write, and where that fails the user hears what to set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamrnn import caches
from streamrnn.errors import ConfigError


def test_the_cache_folder_is_the_users_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", "/given")
    assert caches.cache_folder() == Path("/given")
    monkeypatch.delenv("STREAMRNN_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert caches.cache_folder() == Path("/somewhere/streamrnn")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert caches.cache_folder() == Path("/home/someone/.cache/streamrnn")


def test_numba_caches_beside_our_kernels_unless_it_is_told_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    caches.keep_compiled_code()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "numba")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "elsewhere"))
    caches.keep_compiled_code()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere").is_dir()


@pytest.mark.parametrize("variable", ["STREAMRNN_CACHE_DIR", "NUMBA_CACHE_DIR"])
def test_a_cache_that_cannot_be_written_names_the_variable_to_set(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setenv(variable, str(tmp_path / "file" / "below"))
    with pytest.raises(ConfigError, match=f"Not a directory. Set {variable} to a folder"):
        caches.keep_compiled_code()


def test_an_account_without_a_home_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n2\n3\n")
    (tmp_path / "home").write_text("no folder")
    cleared = ("STREAMRNN_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in cleared}
    done = subprocess.run(
        [sys.executable, "-m", "streamrnn", "try", str(tmp_path / "rows.csv"), "--predict", "a"],
        env=environment | {"HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Set STREAMRNN_CACHE_DIR to a folder that can be written" in done.stderr
