"""Every outcome of the command line is an exit code, and every error one clear line."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

import streamrnn
from streamrnn import errors
from streamrnn.cli import config as config_command
from streamrnn.cli import entry

GOOD = "task: {forecast: y}\nfeatures: [{number: y}]\n"


def raising(error: BaseException) -> Callable[[object], int]:
    def dispatch(arguments: object) -> int:
        raise error

    return dispatch


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (errors.ConfigError("c.yaml:3: keyy: unknown"), 2, "c.yaml:3: keyy: unknown"),
        (errors.InputError("rows.csv: gone"), 3, "error: rows.csv: gone"),
        (errors.SnapshotError("damaged"), 4, "error: damaged"),
        (errors.TransportError("no broker"), 5, "error: no broker"),
        (errors.StuckError("stuck"), 6, "error: stuck"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            ZeroDivisionError("by zero\nand more"),
            70,
            "internal error: ZeroDivisionError: by zero; run again with --debug for the whole story",
        ),
    ],
)
def test_an_error_is_one_line_on_stderr_and_the_exit_code_of_its_class(
    error: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(entry, "_dispatch", raising(error))
    assert entry.execute(["anything"]) == code
    assert capsys.readouterr() == ("", line + "\n")


def test_debug_shows_the_traceback_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "_dispatch", raising(errors.InputError("gone")))
    assert entry.execute(["try", "file", "--debug"]) == 3
    shown = capsys.readouterr().err
    assert "Traceback" in shown and shown.endswith("\nerror: gone\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tri"], "No such command 'tri'. Did you mean 'try'?"),
        (["config", "check"], "Missing argument 'CONFIG'"),
        (["replay", "c.yaml"], "Missing option '--input'"),
        (["try", "f", "--horizon", "-1"], "Invalid value for '--horizon'"),
        (["try", "f", "--wat"], "No such option: --wat"),
    ],
)
def test_a_usage_error_is_one_line_and_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.execute(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.count("\n") == 1


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.execute([]) == 2
    assert "error" not in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.execute(["--version"]) == 0
    assert capsys.readouterr().out == f"streamrnn {streamrnn.__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from streamrnn.cli.entry import execute; code = execute(['--help']);"
        "print(*sorted({name.split('.')[0] for name in sys.modules})); sys.exit(code)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(shown.splitlines()[-1].split())
    assert "typer" in loaded
    heavy = {"numpy", "numba", "torch", "kafka", "pydantic", "fastapi", "yaml", "msgspec", "river"}
    assert not loaded & heavy


def test_output_that_nobody_reads_any_more_ends_quietly() -> None:
    command = f"{sys.executable} -m streamrnn config schema | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_config_check_says_what_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD)
    assert entry.execute(["config", "check", str(path), "--set", "networks.0.name=a"]) == 0
    assert capsys.readouterr().out == f"{path}: good (forecast of y; features: 1; networks: a)\n"


def test_config_check_reads_the_environment_and_names_every_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD + "keyy: a\n")
    monkeypatch.setenv("STREAMRNN_BATCH", "0")
    assert entry.execute(["config", "check", str(path)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "STREAMRNN_BATCH: batch: expected greater than or equal to 1, not 0",
        f"{path}:3: keyy: unknown; did you mean key?",
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "networks: [{name: a}, {name: b, start_from: gone.safetensors}]",
            "networks.1.start_from: gone.safetensors: weights cannot be read: ",
        ),
        pytest.param(
            "networks: [{name: a, torch: 'no.such:Class'}]",
            "networks.0.torch: no.such:Class: module no.such cannot be imported: ",
            marks=pytest.mark.torch,
        ),
        ("observers: [{metric: MAE}, {metric: Mae}]", "observers.1.metric: river.metrics has no Mae"),
        (
            "source: {file: a}\nsink: {file: b}\ndelivery: exactly_once",
            "delivery: exactly_once needs Kafka on both sides; ",
        ),
        ("observers: [{drift: ADWIN, args: {dleta: 0.1}}]", "observers.0.drift: ADWIN: "),
    ],
    ids=["weights", "torch", "metric", "ends", "arguments"],
)
def test_config_check_makes_what_run_would_make(
    more: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD + more)
    assert entry.execute(["config", "check", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"{path}: {said}") and err.count("\n") == 1


def test_config_check_names_networks_and_observers_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        GOOD + "networks: [{name: a, start_from: no}]\nobservers: [{metric: Mae}, {drift: Adwin}]"
    )
    assert entry.execute(["config", "check", str(path)]) == 2
    starts = [line.removeprefix(f"{path}: ").split(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert starts == ["networks.0.start_from", "observers.0.metric", "observers.1.drift"]


def test_config_schema_is_a_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.execute(["config", "schema"]) == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


def test_every_command_has_a_line_of_help() -> None:
    from streamrnn.cli.app import app

    commands = [command for command in app.registered_commands + config_command.app.registered_commands]
    assert len(commands) > 8
    assert all(command.callback and command.callback.__doc__ for command in commands)
