"""A configuration from rows that nobody described."""

import math
import random
from typing import Any

import pytest

from streamrnn.cli.infer import Inference, Wishes, infer
from streamrnn.cli.infer.features import inputs_of
from streamrnn.cli.inferred import as_yaml
from streamrnn.config import parse
from streamrnn.errors import InputError
from streamrnn.learner import Learner

HOURS = 24 * 7 * 5


def hourly(keys: int = 1, hours: int = HOURS, **extra: Any) -> list[dict[str, Any]]:
    """Rows of a daily rhythm, keys interleaved by time."""
    noise = random.Random(0)
    return [
        {
            "at": f"2024-01-{1 + hour // 24 % 28:02}T{hour % 24:02}:00:00" if hour < 672 else later(hour),
            "place": f"p{key}",
            "y": 10.0 * key + 5 * math.sin(hour / 24 * math.tau) + noise.gauss(),
            **extra,
        }
        for hour in range(hours)
        for key in range(keys)
    ]


def later(hour: int) -> str:
    days, hour = divmod(hour - 672, 24)
    return (
        f"2024-02-{1 + days:02}T{hour:02}:00:00" if days >= 3 else f"2024-01-{29 + days:02}T{hour:02}:00:00"
    )


def inferred(rows: list[dict[str, Any]], **wishes: Any) -> Inference:
    """Checked on the way: whatever is inferred is a valid configuration, and survives its own text."""
    inference = infer(rows, Wishes(**{"predict": "y", **wishes}))
    parse(as_yaml(inference), "inferred")
    return inference


def kinds(inference: Inference) -> dict[str, str]:
    """Feature kind by field."""
    return {feature[kind]: kind for feature in inference.features for kind in list(feature)[:1]}


def test_inputs_are_counted_as_the_learner_makes_them() -> None:
    inference = inferred(hourly(keys=3, kind="a", other=1.5))
    assert (
        inputs_of(inference.features) == Learner(parse(as_yaml(inference), "inferred"), "").networks[0].inputs
    )


def test_interleaved_hourly_rows_become_a_keyed_forecast_with_a_daily_season() -> None:
    inference = inferred(hourly(keys=3))
    assert inference.task == {"forecast": "y", "horizon": 1, "season": 24}
    assert (inference.key, inference.time) == ("place", "at")
    assert inference.features == [
        {"number": "y"},
        {"calendar": "at", "parts": ["hour", "weekday"], "zone": "UTC"},
        {"lags": "y", "steps": [2, 3, 4, 5, 6, 24, 25, 168, 169]},
    ]


def test_what_the_user_says_is_not_guessed() -> None:
    inference = inferred(hourly(keys=3), key="", horizon=6, season=0, zone="Europe/Paris", ignore=("place",))
    assert inference.task == {"forecast": "y", "horizon": 6}
    assert inference.key is None
    assert inference.features[1]["zone"] == "Europe/Paris"
    assert "place" not in kinds(inference)
    assert inference.notes == ["time: at (the first field that holds times)"]


def test_every_guess_is_told() -> None:
    notes = inferred(hourly(keys=3, constant=1)).notes
    assert [note.split(" ")[:2] for note in notes] == [
        ["time:", "at"], ["key:", "place"], ["task:", "forecast"], ["season:", "24"], ["left", "out:"]
    ]  # fmt: skip


def test_series_one_after_the_other_are_found_by_the_clock_that_runs_backwards() -> None:
    rows = sorted(hourly(keys=3), key=lambda row: row["place"])
    for row in rows:
        row["colour"] = row.pop("place")
    assert inferred(rows).key is None  # the clock is set back twice only: these rows may be one stream
    interleaved = [{"colour": row.pop("place"), **row} for row in hourly(keys=3)]
    assert inferred(interleaved).key == "colour"


def test_weather_that_repeats_an_hour_is_no_key() -> None:
    rows = hourly()
    doubled = [
        {**row, "sky": sky}
        for i, row in enumerate(rows)
        for sky in (["fog", "rain"] if i % 9 == 0 else ["fog"])
    ]
    assert inferred([{k: v for k, v in row.items() if k != "place"} for row in doubled]).key is None


@pytest.mark.parametrize("values", [(0, 1), (False, True), (0.0, 1.0)])
def test_two_classes_are_a_binary_task_of_their_own_row(values: tuple[Any, Any]) -> None:
    inference = inferred([{"x": 0.1 * i, "y": values[i % 2]} for i in range(50)])
    assert inference.task == {"binary": "y"}
    assert inference.features == [{"number": "x"}, {"previous": "y"}]
    assert [network["name"] for network in inference.networks] == ["long", "one-step"]


def shuffled(values: int, rows: int = 400) -> list[int]:
    """Whole numbers from 0, about equally often."""
    return random.Random(1).sample([i % values for i in range(rows)], rows)


def test_texts_of_few_kinds_are_classes() -> None:
    rows = [{"x": 0.1 * code, "y": f"kind {code}"} for code in shuffled(5)]
    inference = inferred(rows)
    assert inference.task == {"multiclass": "y"}
    assert inference.features == [{"number": "x"}, {"previous": "y"}]


@pytest.mark.parametrize(
    ("name", "codes", "task"),
    [
        ("species", shuffled(3), "multiclass"),
        ("fault_type", [1, 1, 1, 1, 1, 2, 3, 4] * 50, "multiclass"),
        ("target", shuffled(24), "multiclass"),
        ("bikes", shuffled(5), "forecast"),
        ("class", [2 * code for code in shuffled(5)], "forecast"),
        ("target", [min(i % 20, i % 7, 5) if i % 100 else 6 for i in range(400)], "forecast"),
        ("label", shuffled(70), "forecast"),
    ],
    ids=["named", "named and uneven", "even", "no name", "gaps", "a count's tail", "too many"],
)
def test_whole_numbers_are_classes_if_they_look_like_codes(name: str, codes: list[int], task: str) -> None:
    assert next(iter(inferred([{name: code} for code in codes], predict=name).task)) == task


def test_a_count_stays_a_number_unless_the_user_says_otherwise() -> None:
    rows = [{"y": code, "x": code / 7} for code in shuffled(5)]
    counted = inferred(rows)
    assert counted.task == {"regression": "y"}
    assert "--task multiclass if its 5 values are classes" in counted.notes[0]
    said = inferred(rows, task="multiclass")
    assert (said.task, said.notes) == ({"multiclass": "y"}, [])


def test_room_is_made_for_classes_that_the_sample_lacks() -> None:
    rows = [{"y": f"class {code}"} for code in shuffled(100)]
    assert inferred(rows).task == {"multiclass": "y", "bound": 200}


def test_past_labels_stay_out_where_they_would_tell_the_class() -> None:
    """All rows of a sequence have one class: whoever has seen its first label knows the rest."""
    rows = [{"sequence": i % 10, "x": float(i % 7), "y": "ab"[i % 10 // 5]} for i in range(200)]
    inference = inferred(rows)
    assert inference.features == [{"number": "x"}]
    assert inference.document()["mix"] == {"baselines": False}
    with pytest.raises(InputError, match="--predict y: the file has nothing else to predict it from"):
        inferred(rows, ignore=("x",))


LINES = [f"to be or not to be, that is question {i}\n" for i in range(80)]


def test_a_file_of_text_alone_is_predicted_character_by_character() -> None:
    inference = inferred([{"line": line} for line in LINES], predict=None)
    characters = "".join(sorted(set("".join(LINES))))
    assert inference.document() == {
        "task": {"next_token": "line", "vocabulary": characters},
        "networks": [{"name": "one-step", "window": 1}, {"name": "short", "window": 4}],
    }


def test_texts_of_many_words_are_text_even_where_they_repeat() -> None:
    rows = [{"who": "ab"[i % 2], "y": LINES[i % 80]} for i in range(400)]
    assert inferred(rows, key="who").document().keys() == {"task", "key", "networks"}
    assert inferred(rows, task="multiclass").task == {"multiclass": "y", "bound": 160}
    few = [{"y": LINES[i % 3]} for i in range(400)]
    assert inferred(few).task == {"multiclass": "y"}


def test_text_of_many_characters_is_read_as_bytes() -> None:
    rows = [{"y": "".join(chr(0x4E00 + 7 * i + j) for j in range(9))} for i in range(40)]
    assert inferred(rows).task == {"next_token": "y"}
    assert inferred([{"y": f"{i} \N{REPLACEMENT CHARACTER}"} for i in range(40)]).task == {"next_token": "y"}


def test_only_so_many_rows_of_a_text_are_tried() -> None:
    lines = inferred([{"y": "x" * 99 + str(i % 10)} for i in range(10)])
    assert lines.enough_rows == 1500 and inferred(hourly()).enough_rows is None


def test_rows_without_order_become_a_regression() -> None:
    rows = [{"x": float(i * 7919 % 101), "y": float(i * 104729 % 97)} for i in range(200)]
    inference = inferred(rows)
    assert inference.task == {"regression": "y"}
    assert inference.features == [{"number": "x"}, {"previous": "y"}]
    assert inferred(rows, horizon=2).task == {"forecast": "y", "horizon": 2, "reference": "none"}
    assert inferred(rows, task="forecast").task == {"forecast": "y", "horizon": 1, "reference": "none"}


def test_a_lone_number_or_a_smooth_one_is_forecast() -> None:
    alone = inferred([{"y": float(i * 104729 % 97)} for i in range(200)], predict=None)
    assert alone.task == {"forecast": "y", "horizon": 1, "reference": "none"}
    assert alone.notes[0] == "predict: y (the only field that could be)"
    smooth = [{"x": float(i * 7919 % 101), "y": math.sin(i / 9)} for i in range(200)]
    assert inferred(smooth).task == {"forecast": "y", "horizon": 1}
    assert inferred(smooth, task="regression").task == {"regression": "y", "reference": "last"}


def test_a_series_is_learned_as_a_change_from_the_last_value_if_that_says_something() -> None:
    """Two steps of a wave of 24 are near, twelve are its opposite; that keys differ says nothing here."""
    assert "reference" not in inferred(hourly(keys=3), horizon=2).task
    assert inferred(hourly(keys=3), horizon=12).task["reference"] == "none"


def test_regression_of_a_timed_row_learns_from_its_own_fields_and_the_last_labels() -> None:
    inference = inferred(hourly(temp=1.5), horizon=0, season=24)
    assert inference.task == {"regression": "y", "season": 24, "reference": "last"}
    assert inference.features[-2:] == [
        {"previous": "y"},
        {"lags": "y", "steps": [2, 3, 4, 5, 6, 24, 25, 168, 169]},
    ]
    assert {"number": "y"} not in inference.features


@pytest.mark.parametrize(
    ("horizon", "steps"),
    [(1, [2, 3, 4, 5, 6, 24, 25]), (24, [25, 26, 27, 28, 29]), (3, [4, 5, 6, 7, 8, 24, 25])],
)
def test_lags_are_the_last_six_values_and_the_two_of_each_season_before(
    horizon: int, steps: list[int]
) -> None:
    """The newest value is the feature before; a day fits in, a week does not."""
    features = inferred(hourly(hours=100), horizon=horizon).features
    assert features[0] == {"number": "y"} and features[-1] == {"lags": "y", "steps": steps}


def test_lags_beyond_half_of_the_longest_series_are_left_out() -> None:
    rows = [{"chick": i % 40, "y": float(i // 40) + i % 40} for i in range(40 * 10)]
    assert inferred(rows).features == [{"number": "y"}, {"lags": "y", "steps": [2, 3, 4, 5]}]


def test_networks_of_numbers_and_no_least_squares_where_inputs_are_many() -> None:
    assert inferred(hourly()).networks == [
        {"name": "short", "window": 4},
        {"name": "one-step", "window": 1, "learning_rate": 0.002},
        {"name": "linear", "least_squares": {}},
    ]
    wide = [{"y": float(i), **{f"x{j}": (i * j % 97) / 7 for j in range(1, 160)}} for i in range(30)]
    assert [network["name"] for network in inferred(wide).networks] == ["short", "one-step"]


def test_fields_find_their_kind() -> None:
    rows = [
        {
            "y": float(i),
            "code": i % 5,
            "hour": i % 24,
            "percent": i * 7 % 12 * 9,
            "amount": i * 37 % 1000,
            "share": i * 53 % 300 / 7,
            "open": i % 2 == 0,
            "word": "ab"[i % 2],
            "gap": None if i % 3 else 1.5 + i % 50,
        }
        for i in range(300)
    ]
    inference = inferred(rows)
    assert kinds(inference) == {
        "y": "lags", "code": "category", "hour": "category", "percent": "number", "amount": "number",
        "share": "number", "open": "category", "word": "category", "gap": "number",
    }  # fmt: skip
    assert {"category": "code", "bound": 5, "buckets": 1} in inference.features
    assert {"category": "hour", "bound": 24, "buckets": 1} in inference.features


def test_what_cannot_help_is_left_out_and_told() -> None:
    rows = [
        {
            "y": math.sin(i / 9),
            "row": i,
            "uid": f"u{i}",
            "same": 3,
            "meter": 0.5 * i,
            "version": i // 400,
            "season": i // 100 % 4 if i < 1150 else 0,
            "none": None,
            "nested": [i],
            "odd": i if i % 2 else "x",
            **({"rare": 1.0 + i} if i % 2 else {}),
        }
        for i in range(1200)
    ]
    inference = inferred(rows)
    assert kinds(inference) == {"season": "category", "y": "lags"}
    left_out = {note.split(" ")[2]: note for note in inference.notes if note.startswith("left out")}
    assert set(left_out) == {
        "row", "uid", "same", "meter", "version", "none", "nested", "odd", "rare"
    }  # fmt: skip
    assert "only rises" in left_out["meter"] and "only rises" in left_out["version"]
    assert "missing from 600 of the first 1200 rows" in left_out["rare"]


def test_an_irregular_clock_adds_the_time_elapsed() -> None:
    rows = [{"at": 1_700_000_000 + 60 * i + 13 * (i * i % 37), "y": float(i % 5)} for i in range(400)]
    assert {"elapsed": "at"} in inferred(rows).features
    assert inferred(rows).time == "at"


def test_months_are_a_regular_clock_with_a_season_of_twelve() -> None:
    rows = [
        {"month": f"{2000 + i // 12}-{1 + i % 12:02}-01", "y": 50 * math.sin(i / 12 * math.tau) + i % 3}
        for i in range(120)
    ]
    inference = inferred(rows)
    assert inference.task == {"forecast": "y", "horizon": 1, "season": 12}
    assert inference.features[1:] == [
        {"calendar": "month", "parts": ["month"], "zone": "UTC"},
        {"lags": "y", "steps": [2, 3, 4, 5, 6, 12, 13]},
    ]


@pytest.mark.parametrize(
    ("wishes", "problem"),
    [
        ({"predict": "yy"}, "--predict yy: the file has no such field; it has at (time)"),
        ({"predict": "at"}, "--predict at: it holds times; expected numbers, classes or texts"),
        ({"predict": "place"}, "--predict place: it has one value only in the first 840 rows"),
        ({"task": "multiclass"}, "--task multiclass: y holds number values; expected texts, whole numbers"),
        ({"task": "binary"}, "--task binary: y holds number values; expected 0 and 1"),
        ({"task": "next_token"}, "--task next_token: y holds number values; expected texts"),
        ({"predict": "place", "task": "forecast"}, "--task forecast: place holds text values; expected num"),
        ({"task": "regression", "horizon": 2}, "--horizon 2: a regression predicts its own row; say --task"),
        ({"task": "forecast", "horizon": 0}, "--horizon 0: a forecast looks at least 1 row ahead; say --ta"),
        ({"task": "next_token", "season": 9}, "--season 9: texts are predicted character by character; lea"),
        ({"key": "kk"}, "--key kk: the file has no such field"),
        ({"key": "y"}, "--key y: it holds number values; keys are texts or whole numbers"),
        ({"time": "place"}, "--time place: it holds text values; times are ISO 8601 or seconds since 1970"),
        ({"zone": "Europe/Pariss"}, "--zone Europe/Pariss: unknown time zone"),
        ({"ignore": ("wat",)}, "--ignore wat: the file has no such field"),
        ({"season": 1}, "--season 1: expected at least 2 rows"),
        ({"season": 4, "horizon": 6}, "--season 4: shorter than --horizon 6"),
    ],
)  # fmt: skip
def test_a_wish_that_cannot_be_met_is_named(wishes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        inferred(hourly(), **wishes)
    assert str(caught.value).startswith(problem)


def test_the_user_is_asked_what_to_predict_where_several_fields_could_be() -> None:
    with pytest.raises(InputError) as caught:
        inferred(hourly(keys=2), predict=None)
    asked = "say what to predict with --predict FIELD; the file has at (time), place (text), y (number)"
    assert str(caught.value) == asked


def test_thousands_of_texts_need_a_word_from_the_user() -> None:
    rows = [{"y": f"name{i // 3}"} for i in range(6000)]
    with pytest.raises(
        InputError, match=r"2000 different texts; say --task multiclass .* or --task next_token"
    ):
        inferred(rows)
    assert inferred(rows, task="multiclass").task == {"multiclass": "y", "bound": 4000}
    assert next(iter(inferred(rows, task="next_token").task)) == "next_token"


def test_classes_ahead_and_a_single_class_are_refused() -> None:
    with pytest.raises(InputError, match="--horizon 3: classes are predicted for their own row"):
        inferred([{"y": i % 2} for i in range(9)], horizon=3)
    with pytest.raises(InputError, match="it has one value only"):
        inferred([{"y": True} for _ in range(9)])


def test_odd_names_survive_the_yaml() -> None:
    rows = [{"y": float(i), "no": i / 3, "a: b": i / 7, "007": i / 9, "naïve #1": i / 5} for i in range(50)]
    assert set(kinds(inferred(rows))) == {"y", "no", "a: b", "007", "naïve #1"}


@pytest.mark.parametrize("characters", ["\n\t\"'\\ #: é", "\x00\x7f\x85\ufeff", "yes", "~[]{}&*!|>%@`"])
def test_a_vocabulary_survives_the_yaml(characters: str) -> None:
    rows = [{"y": characters * 3 + str(i)} for i in range(10)]
    config = parse(as_yaml(inferred(rows)), "inferred")
    assert set(config.task.vocabulary) == set(characters) | set("0123456789")
