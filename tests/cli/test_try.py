"""First contact: `try` and `init`."""

import gzip
import json
from pathlib import Path

import pytest

from streamrnn.config import load
from tests.cli.conftest import NETWORKS, ROWS, Run


def test_try_needs_a_file_and_a_field_and_gives_a_verdict(run: Run, stream: Path) -> None:
    code, out, err = run("try", stream, "--predict", "y", "--set", NETWORKS)
    assert (code, err) == (0, "")
    assert "key: sensor (2 streams by the look of it" in out
    assert f"{ROWS} rows in" in out and "events/s" in out
    assert all(f"\n{name} " in out for name in ("mix", "small", "last", "mean"))
    assert "of the best simple rule" in out
    assert "Next: streamrnn init" in out


def test_try_takes_csv_and_gzip(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    rows = "".join(f"{i / 7:.3f},{i * 37 % 11},{i % 5}\n" for i in range(200))
    path.write_bytes(gzip.compress(("x,z,y\n" + rows).encode()))
    code, out, _ = run("try", path, "--predict", "y", "--horizon", 1, "--set", NETWORKS, "--rows", 150)
    assert code == 0
    assert "150 rows in" in out


def test_the_next_step_repeats_what_was_asked(run: Run, stream: Path) -> None:
    wishes = ("--predict", "y", "--horizon", 2, "--season", 12, "--key", "sensor")
    _, out, _ = run("try", stream, *wishes, "--set", NETWORKS)
    assert f"streamrnn init {stream} --predict y --key sensor --horizon 2 --season 12 -o config.yaml" in out


def test_try_takes_classes_by_name_and_by_order(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x,kind,y\n" + "".join(f"{i % 3 / 3},{'abc'[i % 3]},{i % 3}\n" for i in range(300)))
    code, out, _ = run("try", path, "--predict", "kind", "--set", NETWORKS)
    assert code == 0 and "task: multiclass (kind has 3 classes" in out
    assert all(f"\n{name} " in out for name in ("mix", "small", "last_label", "majority"))
    assert "log loss" in out and "accuracy" in out
    code, out, _ = run("try", path, "--predict", "y", "--task", "multiclass", "--set", NETWORKS)
    assert code == 0 and "task:" not in out
    assert f"Next: streamrnn init {path} --predict y --task multiclass -o config.yaml" in out


def test_try_reads_text_by_its_characters_and_not_longer_than_it_needs(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "text.jsonl"
    lines = [f"{'to be or not to be, ' * 50}{i}\n" for i in range(200)]
    path.write_text("".join(json.dumps({"line": line}) + "\n" for line in lines))
    code, out, _ = run("try", path, "--set", NETWORKS)
    assert code == 0 and "task: next_token (line is text" in out
    assert "rows: the first 149 (--rows N for more)" in out
    assert "149 rows of 149," in out and "characters/s" in out
    assert all(f"\n{name} " in out for name in ("mix", "small", "order0", "order2"))
    assert f"Next: streamrnn init {path} -o config.yaml" in out
    assert "4 rows of 4,0" in run("try", path, "--rows", 4, "--set", NETWORKS)[1]


def test_no_skill_is_told_where_simple_rules_are_not_mixed_in(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = "".join(f"{i % 10},{i % 10 // 5 + i % 3 / 9},{'ab'[i % 10 // 5]}\n" for i in range(300))
    path.write_text("sequence,x,y\n" + rows)
    code, out, _ = run("try", path, "--predict", "y", "--set", NETWORKS)
    assert code == 0 and "past labels: not used (y is the same on all rows of a sequence)" in out
    assert "The networks alone: log loss" in out and " skill" not in out and "\nlast_label " in out


@pytest.mark.parametrize("command", ["try", "init"])
@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\xff\xfe\n\x80"])
def test_a_file_without_rows_is_named(run: Run, tmp_path: Path, command: str, content: bytes) -> None:
    (tmp_path / "no.csv").write_bytes(content)
    code, out, err = run(command, tmp_path / "no.csv", "--predict", "b")
    assert (code, out) == (3, "")
    assert "no.csv: no rows can be read in it" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("absent.csv", "--predict", "y"), 3, "absent.csv cannot be read"),
        (
            ("{stream}",),
            3,
            "say what to predict with --predict FIELD; the file has sensor (text), x (number)",
        ),
        (
            ("{stream}", "--predict", "yy"),
            3,
            "--predict yy: the file has no such field; it has sensor (text)",
        ),
        (("{stream}", "--predict", "y", "--zone", "Mars"), 3, "--zone Mars: unknown time zone"),
    ],
)
@pytest.mark.parametrize("command", ["try", "init"])
def test_a_mistake_is_one_line_and_an_exit_code(
    run: Run, stream: Path, command: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = run(command, *(argument.format(stream=stream) for argument in arguments))
    assert (found, out) == (code, "")
    assert said in err and err.count("\n") == 1


def test_try_names_a_mistaken_override(run: Run, stream: Path) -> None:
    code, out, err = run("try", stream, "--predict", "y", "--set", "networks.0.hiden=3")
    assert (code, out, err) == (2, "", "--set: networks.0.hiden: unknown; did you mean hidden?\n")


def test_init_writes_what_try_uses_and_replay_takes(run: Run, stream: Path, tmp_path: Path) -> None:
    path = tmp_path / "first.yaml"
    code, out, err = run("init", stream, "--predict", "y", "--key", "sensor", "-o", path)
    assert (code, out) == (0, "")
    assert f"next: streamrnn replay {path} --input {stream}" in err
    assert load(path).key == "sensor"
    assert "# Inferred from rows.jsonl" in path.read_text()
    assert run("replay", path, "--input", stream, "--set", NETWORKS)[0] == 0


def test_init_prints_where_no_file_is_named_and_never_writes_over_one_unasked(
    run: Run, stream: Path, tmp_path: Path
) -> None:
    code, out, _ = run("init", stream, "--predict", "y")
    path = tmp_path / "first.yaml"
    path.write_text(out)
    assert code == 0 and load(path).key == "sensor"
    code, _, err = run("init", stream, "--predict", "y", "-o", path)
    assert code == 2 and err == f"{path} is there already; say --force to write over it\n"
    assert run("init", stream, "--predict", "x", "-o", path, "--force")[0] == 0
    assert "forecast: x" in path.read_text() or "regression: x" in path.read_text()
