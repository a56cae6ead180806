"""A snapshot is read back bit for bit, or refused by name."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from streamrnn.errors import SnapshotError
from streamrnn.snapshots import digest, format, read, read_manifest
from streamrnn.snapshots.tensors import TYPES, pieces
from tests.snapshots.conftest import provenance, state

FILES = ["state.safetensors", "manifest.json"]


@cache
def sound_files() -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        written(Path(folder))
        return {name: (Path(folder) / name).read_bytes() for name in FILES}


def written(folder: Path) -> Path:
    format.write(folder, state(), provenance(), created=1700000000.5)
    return folder


def test_what_was_written_is_read_back_bit_for_bit(folder):
    snapshot = read(written(folder))
    expected = state()
    assert snapshot.arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert snapshot.arrays[name].dtype == array.dtype
        assert snapshot.arrays[name].shape == array.shape
        assert snapshot.arrays[name].tobytes() == array.tobytes()
    manifest = snapshot.manifest
    assert (manifest.lineage, manifest.topic, manifest.partition) == ("a1b2", "orders", 3)
    assert (manifest.offset, manifest.events, manifest.created) == (812, 800, 1700000000.5)
    assert manifest.configuration == {"networks": [{"name": "ünı", "rate": 3e-4}]}
    assert manifest.counts == {"keys": 2}
    assert {"streamrnn", "python", "numpy", "numba"} <= manifest.versions.keys()
    assert manifest.cpu
    assert manifest == read_manifest(folder)


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_refused_by_name(folder, name):
    path = written(folder) / name
    sound = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for index, byte in enumerate(sound):
            file.seek(index)
            file.write(bytes([byte ^ 0x20]))
            with pytest.raises(SnapshotError, match="snapshot: .*" + name):
                read(folder)
            file.seek(index)
            file.write(bytes([byte]))
    read(folder)


@given(name=st.sampled_from(FILES), data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_damage_is_refused(tmp_path_factory, name, data):
    """Bytes replaced, cut out, repeated, or added, anywhere."""
    folder = tmp_path_factory.getbasetemp() / "damaged"
    for other, content in sound_files().items():
        folder.mkdir(exist_ok=True)
        (folder / other).write_bytes(content)
    path = folder / name
    sound = path.read_bytes()
    first = data.draw(st.integers(0, len(sound)))
    last = data.draw(st.integers(first, len(sound)))
    damaged = sound[:first] + data.draw(st.binary(max_size=20)) + sound[last:]
    if damaged == sound:
        return
    path.write_bytes(damaged)
    with pytest.raises(SnapshotError):
        read(folder)


@pytest.mark.parametrize("name", FILES)
def test_every_cut_is_refused(folder, name):
    path = written(folder) / name
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        with pytest.raises(SnapshotError, match="snapshot: "):
            read(folder)


def test_a_change_that_means_nothing_to_a_reader_is_refused_too(folder):
    """White space that pads the header of the state file may be a space or a tab to JSON, but not to us."""
    format.write(folder, {"n": np.zeros(1), "mm": np.ones(1)}, provenance(), created=0.0)
    path = folder / "state.safetensors"
    sound = path.read_bytes()
    assert b"}} " in sound
    path.write_bytes(sound.replace(b"}} ", b"}}\t"))
    with pytest.raises(SnapshotError, match="does not match its checksum"):
        read(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_makes_it_incomplete(folder, name):
    (written(folder) / name).unlink()
    with pytest.raises(SnapshotError, match=f"snapshot: incomplete, {name} is missing"):
        read(folder)


def resealed(folder: Path, **changes) -> None:
    """Change the manifest and give it a matching checksum, as another version of the writer would."""
    manifest = json.loads((folder / "manifest.json").read_bytes()) | changes
    (folder / "manifest.json").write_bytes(format._sealed(manifest))


def test_a_format_of_the_future_is_refused_with_both_versions(folder):
    resealed(written(folder), format=2, versions={"streamrnn": "9.9"})
    with pytest.raises(SnapshotError, match=r"format 2, but streamrnn .* reads format 1; .* streamrnn 9\.9"):
        read(folder)


def test_a_manifest_with_missing_or_unknown_fields_is_refused(folder):
    resealed(written(folder), offset="far")
    with pytest.raises(SnapshotError, match=r"offset"):
        read(folder)
    resealed(folder, offset=812, surprise=1)
    with pytest.raises(SnapshotError, match="surprise"):
        read(folder)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda arrays: arrays | {"more": arrays["events"]}, "array more is missing"),
        (
            lambda arrays: {n: a for n, a in arrays.items() if n != "ring"},
            "array ring is not in the manifest",
        ),
        (lambda arrays: arrays | {"events": arrays["fresh"]}, "array events is not the one"),
    ],
)
def test_a_manifest_about_other_arrays_names_the_first_difference(folder, change, problem):
    arrays = {name: format._entry(name, array) for name, array in change(state()).items()}
    entries = {n: {"dtype": e.dtype, "shape": e.shape, "sha256": e.sha256} for n, e in arrays.items()}
    resealed(written(folder), arrays=entries)
    with pytest.raises(SnapshotError, match=problem):
        read(folder)


def test_numbers_that_are_not_finite_become_null_in_the_manifest(folder):
    format.write(folder, state(), provenance(counts={"skill": float("nan")}), created=0.0)
    assert read(folder).manifest.counts == {"skill": None}
    json.loads((folder / "manifest.json").read_text(), parse_constant=pytest.fail)


ARRAYS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    arrays(st.sampled_from(list(TYPES)), array_shapes(min_dims=0, min_side=0, max_side=3)),
    max_size=8,
)


@given(ARRAYS)
@settings(deadline=None)
def test_the_pieces_of_a_file_are_what_the_library_writes(some):
    plain = {name: np.asarray(array, order="C") for name, array in some.items()}
    assert b"".join(pieces(plain)) == safetensors.numpy.save(plain)


def test_the_pieces_are_the_memory_of_the_arrays():
    """Nothing is copied: a snapshot of gigabytes needs no gigabytes more, and stops no other thread."""
    large, small = np.ones((1000, 1000), np.float32), np.arange(3)
    _, *found = pieces({"large": large, "small": small})
    assert all(
        np.shares_memory(np.frombuffer(piece, np.uint8), array)
        for piece, array in zip(found, [small, large], strict=True)
    )


def test_an_array_of_the_other_byte_order_comes_back_as_the_same_numbers(folder):
    numbers = np.arange(5, dtype=">i4")
    format.write(folder, {"numbers": numbers}, provenance(), created=0.0)
    assert read(folder).arrays["numbers"].tolist() == numbers.tolist()


def test_an_array_of_objects_is_refused_by_name(folder):
    with pytest.raises(SnapshotError, match="array names has dtype object"):
        format.write(folder, {"names": np.array(["a", None])}, provenance(), created=0.0)


def test_the_digest_is_that_of_a_plain_listing():
    lines = [
        f"{name} {array.dtype.name} {list(array.shape)} {hashlib.sha256(array.tobytes()).hexdigest()}\n"
        for name, array in sorted(state().items())
    ]
    assert digest(state()) == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_digest_sees_values_names_shapes_and_dtypes_but_not_memory_layout():
    base = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "b": np.zeros(2)}
    same = {"b": np.zeros(4)[::2], "a": np.asfortranarray(base["a"])}
    assert digest(same) == digest(base)
    others = [
        base | {"b": np.array([0.0, -0.0])},
        base | {"a": base["a"].reshape(3, 2)},
        base | {"b": np.zeros(2, dtype=np.int64)},
        {"a": base["a"], "c": base["b"]},
        base | {"c": np.zeros(0)},
        base | {"a": base["a"].astype(">i4")},
    ]
    assert [digest(other) == digest(base) for other in others] == [False] * 5 + [True]


def test_the_manifest_is_readable_by_anything_that_reads_json(folder):
    plain = json.loads((written(folder) / "manifest.json").read_text())
    content = (folder / "state.safetensors").read_bytes()
    assert plain["state"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert plain["state"]["digest"] == digest(state())
    assert plain["arrays"]["networks/0/slots"]["shape"] == [2, 4]
