"""`replay`: its report against what the predictions themselves say, and `inspect` against `replay`."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from river import metrics

from streamrnn.config import canonical, load
from streamrnn.learner import Learner
from streamrnn.snapshots import Provenance, Store
from streamrnn.types import Partition, Record
from tests.cli.conftest import ROWS, Run, lines, row

LATE = """\
task: {binary: y, delayed: {id: id, label_of: of, ttl: 1h, pool: 100}}
time: at
features: [{number: x}]
networks: [{name: small, hidden: 4, window: 2}]
"""


def replayed(
    run: Run, config: Path, stream: Path, *more: object
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    report, predictions = stream.parent / "report.json", stream.parent / "predictions.jsonl"
    options = ("--input", stream, "--report", report, "--predictions", predictions, *more)
    code, _, err = run("replay", config, *options)
    assert (code, err) == (0, "")
    return json.loads(report.read_text()), [json.loads(line) for line in predictions.read_text().splitlines()]


def test_the_report_holds_what_the_predictions_say(run: Run, config: Path, stream: Path) -> None:
    report, predictions = replayed(run, config, stream)
    assert (report["rows"], report["events"], report["labelled"]) == (ROWS, ROWS, ROWS - 4)
    assert [record["position"]["offset"] for record in predictions] == list(range(ROWS))
    for name, start in (("whole", 0), ("second_half", ROWS // 2)):
        mae, rmse = metrics.MAE(), metrics.RMSE()
        for i in range(max(start, 4), ROWS):
            # the label of row i judges what was published for its key two steps before
            label, published = row(i)["y"], predictions[i - 4]["prediction"]
            mae.update(label, published)
            rmse.update(label, published)
        mix = report["quality"][name]["mix"]
        assert mix["mae"] == pytest.approx(mae.get(), rel=1e-9)
        assert mix["rmse"] == pytest.approx(rmse.get(), rel=1e-9)
        assert mix["count"] == ROWS - max(start, 4)


def test_the_report_judges_every_member(run: Run, config: Path, stream: Path) -> None:
    report, _ = replayed(run, config, stream)
    members = {"mix", "small", "last", "mean", "season", "season_corrected"}
    whole = report["quality"]["whole"]
    assert set(whole) == set(report["quality"]["second_half"]) == set(report["skill"]) == members
    last = [abs(row(i)["y"] - row(i - 4)["y"]) for i in range(4, ROWS)]  # type: ignore[operator]
    assert whole["last"]["mae"] == pytest.approx(math.fsum(last) / len(last), rel=1e-9)
    best = min(whole[name]["mae"] for name in members - {"mix", "small"})
    assert report["skill"]["mix"] == pytest.approx(1 - whole["mix"]["mae"] / best, rel=1e-9)
    assert report["windows"] == {"small": 2}
    assert sum(report["weights"].values()) == pytest.approx(1, abs=1e-9)
    assert report["events_per_second"] == pytest.approx(report["rows"] / report["seconds"], rel=1e-9)


def test_the_report_holds_what_was_asked_for_beside_the_predictions(
    run: Run, config: Path, stream: Path
) -> None:
    more = ("--set", "task.interval=0.8", "--set", "observers=[{metric: MAE}]")
    report, predictions = replayed(run, config, stream, *more)
    pairs = [(row(i)["y"], predictions[i - 4]["interval"]) for i in range(4, ROWS)]
    judged = [(label, bounds) for label, bounds in pairs if bounds != [None, None]]
    assert len(judged) > ROWS / 2
    covered = [low <= label <= high for label, (low, high) in judged]
    found = report["intervals"]["y"]
    assert (found["count"], found["coverage"]) == (len(judged), pytest.approx(sum(covered) / len(covered)))
    widths = [high - low for _, (low, high) in judged]
    assert found["width"] == pytest.approx(math.fsum(widths) / len(widths), rel=1e-9)
    assert report["observers"] == {"MAE": pytest.approx(report["quality"]["whole"]["mix"]["mae"], rel=1e-9)}
    tally = report["networks"]["small"]
    assert 0 < tally["updates"] <= report["labelled"] and tally["window"] == 2
    assert {"clipped", "skipped", "drifts", "replaced"} <= tally.keys()
    assert report["counts"]["keys"] == 2
    _, out, _ = run("replay", config, "--input", stream, *more)
    width, mae = f"{found['width']:.4g}", f"{report['observers']['MAE']:.4g}"
    line = f"interval of y: covers {found['coverage']:.1%} of {len(judged)} labels, mean width {width}"
    assert {line, f"observers: MAE {mae}"} <= set(map(str.rstrip, out.splitlines()))


def test_what_became_of_late_labels_and_which_class_was_taken_for_which_is_told(
    run: Run, tmp_path: Path
) -> None:
    path, stream = tmp_path / "late.yaml", tmp_path / "late.jsonl"
    path.write_text(LATE)
    events = [{"at": i, "id": i, "x": i % 2} for i in range(40)]
    labels = [{"at": 40 + i, "of": i, "y": i % 2} for i in (*range(30), 0, 99)]
    stream.write_text("\n".join(map(json.dumps, [*events, *labels])))
    report, _ = replayed(run, path, stream)
    counts = {name: n for name, n in report["counts"].items() if name.startswith(("labels", "events_"))}
    assert counts == {
        "labels_matched": 30,
        "labels_expired": 0,
        "labels_unknown": 1,
        "labels_duplicate": 1,
        "labels_beyond": 0,
        "events_given_up": 0,
        "events_waiting": 10,
    }
    assert report["confusion"]["classes"] == ["0", "1"]
    assert [sum(of) for of in report["confusion"]["counts"]] == [15, 15]
    _, out, _ = run("replay", path, "--input", stream)
    said = "late labels: 30 matched, 0 expired, 1 unknown, 1 duplicate; 10 events wait, 0 were given up"
    assert said in map(str.rstrip, out.splitlines())


def test_the_report_says_how_many_labels_lie_below_each_quantile(
    run: Run, config: Path, stream: Path
) -> None:
    more = ("--set", "task.loss={quantile: [0.1, 0.5]}")
    report, _ = replayed(run, config, stream, *more)
    found = report["quantiles"]["y"]
    assert 0 < found["below_0.1"] < found["below_0.5"] < 1
    _, out, _ = run("replay", config, "--input", stream, *more)
    shares = f"{found['below_0.1']:.1%} below 0.1, {found['below_0.5']:.1%} below 0.5"
    assert f"quantiles of y: {shares}; pinball loss {found['pinball']:.4g}" in out


def test_two_replays_give_the_same_bits_and_another_seed_other_ones(
    run: Run, config: Path, stream: Path
) -> None:
    first, same = replayed(run, config, stream), replayed(run, config, stream)
    other = replayed(run, config, stream, "--set", "networks.0.seed=1")
    assert first[1] == same[1] and first[1] != other[1]
    for digest in ("digest", "predictions_digest"):
        assert first[0][digest] == same[0][digest] != other[0][digest]


def test_bad_and_blank_rows_change_nothing_but_the_count_of_bad_ones(
    run: Run, config: Path, stream: Path
) -> None:
    clean, _ = replayed(run, config, stream)
    spoilt = [
        line for i, line in enumerate(lines()) for line in ([line, "", '{"y": '] if i % 60 == 0 else [line])
    ]
    stream.write_text("\n".join(spoilt))
    report, predictions = replayed(run, config, stream)
    assert report["bad_records"] == {"not_json": 10}
    assert (report["rows"], report["events"], len(predictions)) == (ROWS + 10, ROWS, ROWS)
    assert report["quality"]["whole"] == clean["quality"]["whole"]


def test_mostly_bad_rows_are_an_error_with_an_example(run: Run, config: Path, stream: Path) -> None:
    stream.write_text("\n".join(["nonsense"] * 50))
    code, _, err = run("replay", config, "--input", stream)
    assert code == 3
    assert err.startswith("error: 20 bad records in a row, the last one: offset ") and err.count("\n") == 1


def test_a_file_of_no_rows_gives_a_report_without_numbers(run: Run, config: Path, stream: Path) -> None:
    stream.write_text("")
    report, predictions = replayed(run, config, stream)
    assert (report["rows"], report["events_per_second"], predictions) == (0, 0.0, [])


@pytest.mark.parametrize(
    ("option", "value", "code", "said"),
    [
        ("--input", "absent.csv", 3, "absent.csv cannot be read"),
        ("--report", "absent/r.json", 3, "absent/r.json: the report cannot be written"),
        ("--predictions", "absent/p.jsonl", 3, "absent/p.jsonl: the predictions cannot be written"),
        ("--set", "batch=0", 2, "--set: batch: expected greater than or equal to 1, not 0"),
    ],
)
def test_what_cannot_be_read_or_written_is_named(
    run: Run, config: Path, stream: Path, option: str, value: str, code: int, said: str
) -> None:
    given = {"--input": stream, option: value}
    found, _, err = run("replay", config, *(part for pair in given.items() for part in pair))
    assert found == code
    assert said in err and err.count("\n") == 1


def test_the_screen_shows_every_member_and_a_verdict(run: Run, config: Path, stream: Path) -> None:
    code, out, _ = run("replay", config, "--input", stream)
    assert code == 0
    assert all(name in out for name in ("mix", "small", "last", "mean", "season", "season_corrected"))
    shown = " ".join(out.split())
    assert f"{ROWS} rows in" in shown and "over the second half" in shown and "━━ mix" in shown


def save(config: Path, rows: int, root: Path) -> tuple[Path, str]:
    """A snapshot of the learner after so many rows, as the service would write it; and its digest."""
    settings, partition = load(config), Partition("rows.jsonl", 0)
    learner = Learner(settings, "replay")
    learner.learn([Record(i, None, line.encode()) for i, line in enumerate(lines(rows))], partition)
    store = Store(root, "group")
    provenance = Provenance(
        lineage="replay",
        partition=partition,
        offset=rows,
        events=learner.events,
        digest=learner.digest,
        kernel_hash=learner.kernel_hash,
        configuration=canonical(settings),
        counts=learner.counts(),
    )
    store.save(learner.state(), provenance)
    return store.folder("replay", partition) / str(rows), learner.state_digest()


def test_inspect_shows_the_digest_that_replay_shows(
    run: Run, config: Path, stream: Path, tmp_path: Path
) -> None:
    folder, digest = save(config, ROWS, tmp_path / "store")
    report, _ = replayed(run, config, stream)
    code, out, err = run("inspect", folder, "--json", "--arrays")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert facts["digest"] == report["digest"] == digest
    assert facts["published"] == report["predictions_digest"]
    assert (facts["events"], facts["position"]) == (ROWS, f"rows.jsonl-0, next offset {ROWS}")
    assert facts["configuration"]["networks"][0]["name"] == "small"
    assert any(name.startswith("networks/0/") for name in facts["arrays"])


def test_inspect_of_a_folder_above_shows_the_newest(run: Run, config: Path, tmp_path: Path) -> None:
    save(config, 40, tmp_path / "store")
    save(config, 80, tmp_path / "store")
    code, out, _ = run("inspect", tmp_path / "store", "--arrays")
    assert code == 0
    assert "next offset 80" in out and "networks/0/" in out


def test_inspect_refuses_what_is_damaged_or_absent(run: Run, config: Path, tmp_path: Path) -> None:
    folder, _ = save(config, 40, tmp_path / "store")
    state = next(folder.glob("*.safetensors"))
    content = bytearray(state.read_bytes())
    content[-1] ^= 1
    state.write_bytes(content)
    code, _, err = run("inspect", folder)
    assert code == 4 and "does not match its checksum" in err and err.count("\n") == 1
    code, _, err = run("inspect", tmp_path / "nowhere")
    assert code == 4 and "there is no such folder" in err
    (tmp_path / "empty").mkdir()
    code, _, err = run("inspect", tmp_path / "empty")
    assert code == 4 and "no snapshot is there or below" in err
    (tmp_path / "empty" / "rows.csv").touch()
    code, _, err = run("inspect", tmp_path / "empty" / "rows.csv")
    assert code == 4 and "rows.csv: no snapshot is there or below" in err
